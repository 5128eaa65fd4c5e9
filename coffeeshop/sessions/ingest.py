"""Sessions opened, fed and released: the gateway's side of the journals, without HTTP.

Only this module declares and deletes a session's objects.
"""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import Future

from coffeeshop.crashpoints import crash_point
from coffeeshop.errors import (
    CoffeeshopError,
    JournalBroken,
    ProtocolError,
    Unreachable,
)
from coffeeshop.observability import tracing
from coffeeshop.observability.logs import get_logger
from coffeeshop.pipeline.messages import (
    Assignment,
    Record,
    SessionSpec,
    assign_queue,
    out_journal,
)
from coffeeshop.pipeline.plan import destinations, plan_of
from coffeeshop.transport import Message, Transport
from coffeeshop.transport.outbox import Outbox

log = get_logger()
CONFIRM_TIMEOUT = 60.0
PROBE_TIMEOUT = 5.0
"""Seconds in which a broker that can make a journal makes one; it takes some milliseconds."""
NACKED_PATIENCE = 6.0
"""Seconds in which a queue must take a message that it has refused: a full one never does."""


def open_session(outbox: Outbox, spec: SessionSpec) -> None:
    """Declare the session's journals and put its tasks up for the nodes.

    In this order, so that no node ever sees a task whose journals do not exist yet. Returns when
    the broker confirmed all of it; `Unreachable` when it does not, `JournalBroken` when it never
    will.
    """
    plan, transport = plan_of(spec), outbox.transport
    span = tracing.begin("session opened", {"session": spec.id, "plan": spec.plan}, root=True)
    above = tracing.headers() or ({tracing.HEADER: span.traceparent} if span.traceparent else {})
    transport.declare_journal(out_journal(spec.id))
    for task in plan.tasks(spec):
        transport.declare_journal(task.journal)
    crash_point("gateway.journals_declared")
    log.info(
        "eof_protocol.session_registered",
        session=spec.id,
        plan=spec.plan,
        tables=list(plan.table_names),
        producers=spec.producers,
    )
    for stage in plan.stages:
        transport.declare_queue(assign_queue(stage.name))
    for task in plan.tasks(spec):
        publish(outbox, assign_queue(task.stage), Message(above, Assignment(spec, task).to_bytes()))
        crash_point("gateway.assignment_published")
    span.end()


def release_session(transport: Transport, spec: SessionSpec, *, results: bool) -> tuple[str, ...]:
    """Delete the session's input journals, and its out journal too when ``results``.

    Returns the journals whose names the broker keeps though nothing is behind them any more.
    """
    journals = [task.journal for task in plan_of(spec).tasks(spec)]
    journals += [out_journal(spec.id)] if results else []
    broken = tuple(journal for journal in journals if not deleted(transport, journal))
    log.info("eof_protocol.session_released", session=spec.id, results=results)
    return broken


def makes_journals(transport: Transport) -> bool:
    """Whether the broker makes a journal of another name: else it is out of file descriptors.

    A name that a killed broker kept is broken alone. Blocks, for some seconds at most.
    """
    made: Future[bool] = Future()

    def try_one() -> None:
        name = f"ctl.probe.{uuid.uuid4().hex[:12]}"
        try:
            transport.declare_journal(name)
            made.set_result(True)
            deleted(transport, name)
        except CoffeeshopError as error:
            log.error("broker.makes_no_journals", journal=name, reason=str(error))
            if not made.done():
                made.set_result(False)

    threading.Thread(target=try_one, name="probe", daemon=True).start()
    try:
        return made.result(PROBE_TIMEOUT)
    except TimeoutError:
        return False


def deleted(transport: Transport, journal: str) -> bool:
    """Delete a journal; whether the broker let go of its name too. Raises `Unreachable`."""
    try:
        transport.delete_journal(journal)
    except JournalBroken as error:
        log.warning("journal.broken", journal=journal, reason=str(error))
        return False
    return True


class Ingest:
    """Appends one session's input to the journals of the stages that read it. Thread-safe."""

    def __init__(self, outbox: Outbox, spec: SessionSpec) -> None:
        self._outbox = outbox
        self._spec = spec
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

    def end(self, table: str, producer: str, count: int) -> Future[None]:
        """Append the end of a table: this producer sent ``count`` batches of it."""
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
        return self._outbox.append_to_all(journals, record.message())


def _name_of(error: BaseException | None) -> str:
    return "" if error is None else type(error).__name__


def publish(outbox: Outbox, queue: str, message: Message) -> None:
    """Put a message into a queue, and wait for that. Raises `Unreachable`, `BrokerRefuses`."""
    stored = outbox.publish(queue, message, NACKED_PATIENCE)
    try:
        stored.result(CONFIRM_TIMEOUT)
    except TimeoutError:
        raise Unreachable(f"the broker does not confirm a message for {queue}") from None
