"""What a client sends of a session, on its way into the journals."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

from coffeeshop.errors import JournalGone, ProtocolError, Unreachable
from coffeeshop.observability import tracing
from coffeeshop.observability.logs import get_logger
from coffeeshop.pipeline.messages import Record, SessionSpec
from coffeeshop.pipeline.plan import destinations, plan_of
from coffeeshop.transport import Message
from coffeeshop.transport.outbox import Outbox

log = get_logger()
CONFIRM_TIMEOUT = 60.0
NACKED_PATIENCE = 30.0
"""Seconds in which a queue must take a message that it has refused: a full one never does, and one
that has lost its leader has another by then."""


class Ingest:
    """Appends one session's input to the journals of the stages that read it. Thread-safe."""

    def __init__(
        self,
        outbox: Outbox,
        spec: SessionSpec,
        begin: Callable[[], Future[None]] | None = None,
    ) -> None:
        """``begin`` says that the session is fed: what is stored is confirmed after that."""
        self._outbox = outbox
        self._spec = spec
        self._begin = begin
        self._plan = plan_of(spec)

    def batch(
        self, table: str, producer: str, number: int, body: bytes, digest: str = ""
    ) -> Future[None]:
        """Append a batch; the future is done when every journal confirmed it.

        With a ``digest``, a repeat of the id with another one fails the session.

        The same id may be given again at any time. The future raises `JournalGone` when the session
        is over; a call for an unknown table or producer raises `ProtocolError`.
        """
        about: dict[str, str | int] = {"table": table, "producer": producer, "number": number}
        stored = tracing.begin("batch stored", {**about, "bytes": len(body)})
        future = self._append(Record("batch", table, producer, number, body, digest), number)
        if stored is not tracing.NO_SPAN:
            future.add_done_callback(lambda done: stored.end(_name_of(done.exception())))
        return future

    def end(self, table: str, producer: str, count: int, left_out: object = None) -> Future[None]:
        """Append the end of a table: this producer sent ``count`` batches of it. No task needs to
        know what was ``left_out``."""
        log.info(
            "eof_protocol.table_ended",
            session=self._spec.id,
            table=table,
            producer=producer,
            batches=count,
        )
        return self._append(Record("eof", table, producer, count), None)

    def _append(self, record: Record, number: int | None) -> Future[None]:
        if record.stream not in self._plan.table_names:
            raise ProtocolError(f"no table {record.stream}")
        if record.producer not in self._spec.producer_names:
            raise ProtocolError(f"the session has no producer {record.producer}")
        journals = destinations(self._plan, self._spec, record.stream, number)
        appended = self._outbox.append_to_all(journals, record.message())
        return appended if self._begin is None else _both(appended, self._begin())


def _both(first: Future[None], second: Future[None]) -> Future[None]:
    """Done when both are, with the error of the first that has one."""
    if second.done() and second.exception() is None:
        return first
    both: Future[None] = Future()

    def settle(_: Future[None]) -> None:
        error = first.exception() or second.exception()
        with suppress(InvalidStateError):  # its caller has gone
            if error is None:
                both.set_result(None)
            else:
                both.set_exception(error)

    first.add_done_callback(lambda _: second.add_done_callback(settle))
    return both


def _name_of(error: BaseException | None) -> str:
    return "" if error is None else type(error).__name__


def publish(outbox: Outbox, queue: str, message: Message) -> None:
    """Put it into the queue. Blocks; raises `Unreachable`, `BrokerRefuses`.

    A queue that an operator or a policy deleted is made again.
    """
    try:
        confirmed(outbox.publish(queue, message, NACKED_PATIENCE), queue)
    except JournalGone:
        outbox.transport.declare_queue(queue)
        confirmed(outbox.publish(queue, message, NACKED_PATIENCE), queue)


def confirmed(stored: Future[None], name: str) -> None:
    """Wait until the broker has what is for ``name``. Raises `Unreachable`, and what it came to."""
    try:
        stored.result(CONFIRM_TIMEOUT)
    except TimeoutError:
        raise Unreachable(f"the broker does not confirm a message for {name}") from None
