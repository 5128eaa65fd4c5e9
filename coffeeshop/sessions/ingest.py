"""Sessions opened, fed and released: the gateway's side of the journals, without HTTP.

Only this module declares and deletes a session's objects.
"""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import Future
from itertools import count

from coffeeshop.crashpoints import crash_point
from coffeeshop.errors import (
    BrokerRefuses,
    CoffeeshopError,
    JournalBroken,
    JournalGone,
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
from coffeeshop.pipeline.plan import destinations, plan_named
from coffeeshop.schema import TABLES
from coffeeshop.transport import REFUSED, Message, Outcome, Transport, refusal

log = get_logger()
CONFIRM_TIMEOUT = 60.0
LONGEST_PAUSE = 2.0
PROBE_TIMEOUT = 5.0
"""Seconds in which a broker that can make a journal makes one; it takes some milliseconds."""
NACKED_PATIENCE = 6.0
"""Seconds in which a queue must take a message that it has refused: a full one never does."""


def open_session(transport: Transport, spec: SessionSpec) -> None:
    """Declare the session's journals and put its tasks up for the nodes.

    In this order, so that no node ever sees a task whose journals do not exist yet. Returns when
    the broker confirmed all of it; `Unreachable` when it does not, `JournalBroken` when it never
    will.
    """
    plan = plan_named(spec.plan)
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
        tables=list(TABLES),
        producers=spec.producers,
    )
    for stage in plan.stages:
        transport.declare_queue(assign_queue(stage.name))
    for task in plan.tasks(spec):
        _publish(
            transport, assign_queue(task.stage), Message(above, Assignment(spec, task).to_bytes())
        )
        crash_point("gateway.assignment_published")
    span.end()


def release_session(transport: Transport, spec: SessionSpec, *, results: bool) -> tuple[str, ...]:
    """Delete the session's input journals, and its out journal too when ``results``.

    Returns the journals whose names the broker keeps though nothing is behind them any more.
    """
    journals = [task.journal for task in plan_named(spec.plan).tasks(spec)]
    journals += [out_journal(spec.id)] if results else []
    broken = tuple(journal for journal in journals if not deleted(transport, journal))
    log.info("eof_protocol.session_released", session=spec.id, results=results)
    return broken


def makes_journals(transport: Transport) -> bool:
    """Whether the broker makes a journal of another name: else it is out of file descriptors.

    A name that a killed broker kept is broken alone. Blocks, for some seconds at most.
    """
    made: Future[bool] = Future()

    def try_it() -> None:
        name = f"ctl.probe.{uuid.uuid4().hex[:12]}"
        try:
            transport.declare_journal(name)
            made.set_result(True)
            deleted(transport, name)
        except CoffeeshopError as error:
            log.error("broker.makes_no_journals", journal=name, reason=str(error))
            if not made.done():
                made.set_result(False)

    threading.Thread(target=try_it, name="probe", daemon=True).start()
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

    def __init__(self, transport: Transport, spec: SessionSpec) -> None:
        self._transport = transport
        self._spec = spec
        self._plan = plan_named(spec.plan)

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
        if record.stream not in TABLES:
            raise ProtocolError(f"no table {record.stream}")
        if record.producer not in self._spec.producer_names:
            raise ProtocolError(f"the session has no producer {record.producer}")
        journals = destinations(self._plan, self._spec, record.stream, number)
        confirmed = Confirmed(len(journals))
        for journal in journals:
            _send(self._transport, journal, record.message(), confirmed)
        return confirmed.future


def append_until_confirmed(transport: Transport, journal: str, message: Message) -> Future[None]:
    """Append, again if need be; the future fails with `JournalGone` when there is no journal."""
    confirmed = Confirmed(1)
    _send(transport, journal, message, confirmed)
    return confirmed.future


def _send(
    transport: Transport, journal: str, message: Message, confirmed: Confirmed, attempt: int = 1
) -> None:
    def ended(outcome: Outcome) -> None:
        match outcome:
            case Outcome.CONFIRMED:
                confirmed.one()
            case Outcome.RETURNED:
                confirmed.failed(JournalGone(f"{journal} does not exist"))
            case Outcome.FORBIDDEN | Outcome.TOO_LARGE:
                confirmed.failed(BrokerRefuses(refusal(outcome, journal, message)))
            case Outcome.NACKED | Outcome.UNKNOWN:
                again = (transport, journal, message, confirmed, attempt + 1)
                if attempt == 1:
                    _send(*again)
                else:  # a callback must not wait
                    timer = threading.Timer(_pause(attempt), _send, again)
                    timer.daemon = True
                    timer.start()

    transport.append(journal, message, ended)


def _name_of(error: BaseException | None) -> str:
    return "" if error is None else type(error).__name__


class Confirmed:
    """A future that is done when ``parts`` confirmations came."""

    def __init__(self, parts: int) -> None:
        self.future: Future[None] = Future()
        self._lock = threading.Lock()
        self._left = parts
        if parts == 0:
            self.future.set_result(None)

    def one(self) -> None:
        """One more part is confirmed."""
        with self._lock:
            self._left -= 1
            done = self._left == 0 and not self.future.done()
        if done:
            self.future.set_result(None)

    def failed(self, error: Exception) -> None:
        """It will not be."""
        with self._lock:
            if self.future.done():
                return
            self.future.set_exception(error)


def _publish(transport: Transport, queue: str, message: Message) -> None:
    began = time.monotonic()
    deadline = began + CONFIRM_TIMEOUT
    for attempt in count(1):
        done: Future[Outcome] = Future()
        transport.publish(queue, message, done.set_result)
        try:
            outcome = done.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            raise Unreachable(f"the broker does not confirm a message for {queue}") from None
        if outcome is Outcome.CONFIRMED:
            return
        if outcome in REFUSED:
            raise BrokerRefuses(refusal(outcome, queue, message))
        if outcome is Outcome.NACKED and time.monotonic() - began > NACKED_PATIENCE:
            raise BrokerRefuses(
                f"the broker refuses every message for {queue}: a policy limits the queue "
                "(max-length with reject-publish); rabbitmqctl list_policies shows it"
            )
        time.sleep(_pause(attempt))


def _pause(attempt: int) -> float:
    """Seconds before the next attempt: the first repeat comes at once, since most succeed."""
    return 0.0 if attempt == 1 else min(LONGEST_PAUSE, 0.01 * 2.0 ** min(attempt, 16))
