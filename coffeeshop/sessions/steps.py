"""What an action of a session's keeper does to the broker, step by step.

`steps_of` is pure; `perform` takes the steps one after the other. A keeper that fails or dies
between two of them takes all of them again: each is harmless when repeated. Only this module
declares and deletes a session's objects.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from coffeeshop.crashpoints import crash_point
from coffeeshop.errors import CoffeeshopError, JournalBroken
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
from coffeeshop.sessions.events import EventKind
from coffeeshop.sessions.ingest import publish
from coffeeshop.sessions.results import ENDED_BY_GATEWAY
from coffeeshop.transport import Message, Transport
from coffeeshop.transport.outbox import Outbox

if TYPE_CHECKING:
    from coffeeshop.sessions.lifecycle import Action, Session, View
    from coffeeshop.sessions.log import SessionLog

log = get_logger()
PROBE_TIMEOUT = 5.0
"""Seconds in which a broker that can make a journal makes one; it takes some milliseconds."""


@dataclass(frozen=True)
class DeclareJournal:
    """Make a journal."""

    name: str


@dataclass(frozen=True)
class Publish:
    """Put a task up for the nodes."""

    assignment: Assignment


@dataclass(frozen=True)
class Append:
    """Append a record to a journal."""

    journal: str
    record: Record


@dataclass(frozen=True)
class DeleteJournal:
    """Delete a journal; its name is told in the next `Write` when the broker cannot."""

    name: str


@dataclass(frozen=True)
class Write:
    """Write an event to the log, and read it back."""

    kind: EventKind
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CrashPoint:
    """A place at which tests kill the process."""

    name: str


Step = DeclareJournal | Publish | Append | DeleteJournal | Write | CrashPoint


def steps_of(action: Action, view: View, gateway: str) -> tuple[Step, ...]:
    """The steps of an action; ``gateway`` is the name of the process."""
    from coffeeshop.sessions.lifecycle import Action  # an embedded session has no keeper

    session = view.session
    match action:
        case Action.DECLARE:
            return (
                *creation(session.spec),
                Write("declared", {"assigned": False}),
                CrashPoint("keeper.declared_written"),
            )
        case Action.ASSIGN:
            return (*assignment(session.spec), Write("assigned"))
        case Action.ABORT:
            assert view.overdue is not None
            return ending(session, view.overdue.state, view.overdue.reason, gateway)
        case Action.GIVE_UP_CLIENT:
            return (*client_gone(session, gateway), Write("client_gone"))
        case Action.RECORD_END:
            end = view.keeper.end or view.overdue
            assert end is not None
            told = asdict(end) | ({} if view.keeper.end else {"undeclared": True})
            return Write("ended", told), CrashPoint("keeper.ended_written")
        case Action.RELEASE:
            return (
                *(DeleteJournal(task.journal) for task in _tasks(session.spec)),
                CrashPoint("keeper.input_released"),
                Write("released"),
                CrashPoint("keeper.released_written"),
            )
        case Action.EXPIRE:
            return expiry(session.spec)
        case Action.SNAPSHOT:
            return (Write("snapshot", session.to_snapshot()),)
        case Action.WATCH | Action.REPAIR:
            return ()


def creation(spec: SessionSpec) -> tuple[Step, ...]:
    """The session's journals: no node ever sees a task whose journals do not exist yet."""
    return (
        DeclareJournal(out_journal(spec.id)),
        *(DeclareJournal(task.journal) for task in _tasks(spec)),
        CrashPoint("keeper.journals_declared"),
    )


def assignment(spec: SessionSpec) -> tuple[Step, ...]:
    """Puts the session's tasks up for the nodes."""
    return tuple(Publish(Assignment(spec, task)) for task in _tasks(spec))


def ending(session: Session, state: str, reason: str, gateway: str) -> tuple[Step, ...]:
    """Ends the session unless another end was first: by its out journal, once that exists."""
    if not session.declared:
        return (Write("ended", {"state": state, "reason": reason, "undeclared": True}),)
    stream = state if state in ENDED_BY_GATEWAY else "session"
    record = Record("failed", stream, gateway, 0, reason.encode())
    return (Append(out_journal(session.spec.id), record),)


def client_gone(session: Session, gateway: str, reason: str = "") -> tuple[Step, ...]:
    """See `pipeline.abandoned`. What is all there comes to no harm by it.

    The broker may have lost the ends, which the log knows: then they alone are no reason.
    """
    spec, plan = session.spec, plan_of(session.spec)
    ends = [Record("eof", *key, number) for key, number in session.tables.items()]
    journals = {
        each for table in plan.table_names for each in destinations(plan, spec, table, None)
    }
    record = Record("client_gone", "clients", gateway, 0, reason.encode())
    return (
        *(Append(to, end) for end in ends for to in destinations(plan, spec, end.stream, None)),
        *(Append(journal, record) for journal in sorted(journals)),
    )


def expiry(spec: SessionSpec, **more: Any) -> tuple[Step, ...]:
    """Delete all of it. ``settled``: no keeper can be creating any of it any more."""
    return (
        *deletion(spec),
        CrashPoint("keeper.results_released"),
        Write("expired", more),
        CrashPoint("keeper.expired_written"),
    )


def deletion(spec: SessionSpec) -> tuple[Step, ...]:
    """Every journal of a session, the one with its results first.

    A task whose input goes says so on the out journal; those who listen there are to hear the
    session's own end.
    """
    journals = [out_journal(spec.id), *(task.journal for task in _tasks(spec))]
    return tuple(DeleteJournal(each) for each in journals)


def _tasks(spec: SessionSpec) -> Iterable[Any]:
    return plan_of(spec).tasks(spec)


def perform(
    steps: Iterable[Step],
    spec: SessionSpec,
    outbox: Outbox,
    session_log: SessionLog | None,
    headers: Mapping[str, str | int] | None = None,
) -> None:
    """Take the steps. Blocks; raises `CoffeeshopError`.

    ``headers``: those of assignments. ``session_log`` is needed to `Append` and to `Write`.
    """
    broken: list[str] = []
    steps = tuple(steps)
    _log(spec, steps)
    for step in steps:
        match step:
            case DeclareJournal(name):
                outbox.transport.declare_journal(name)
            case Publish(assignment):
                message = Message(headers or {}, assignment.to_bytes())
                publish(outbox, assign_queue(assignment.task.stage), message)
                crash_point("keeper.assignment_published")
            case Append(journal, record):
                assert session_log is not None
                session_log.wait(outbox.append_to_all([journal], record.message()))
            case DeleteJournal(name):
                if not deleted(outbox.transport, name):
                    broken.append(name)
            case Write(kind, fields):
                told = {**fields, "broken": " ".join(broken)} if broken else fields
                assert session_log is not None
                session_log.append_and_read_back(kind, spec.id, **told)
            case CrashPoint(name):
                crash_point(name)


def _log(spec: SessionSpec, steps: Iterable[Step]) -> None:
    """Log what begins."""
    names = [step.name for step in steps if isinstance(step, DeclareJournal | DeleteJournal)]
    if any(isinstance(step, DeclareJournal) for step in steps):
        about = {"plan": spec.plan, "tables": list(plan_of(spec).table_names)}
        log.info(
            "eof_protocol.session_registered", session=spec.id, producers=spec.producers, **about
        )
    elif names:
        results = out_journal(spec.id) in names
        log.info("eof_protocol.session_released", session=spec.id, results=results)


def open_session(outbox: Outbox, spec: SessionSpec) -> None:
    """Create a session that has no log and no keeper. Raises `Unreachable`, `JournalBroken`."""
    span = tracing.begin("session opened", {"session": spec.id, "plan": spec.plan}, root=True)
    above = tracing.headers() or ({tracing.HEADER: span.traceparent} if span.traceparent else {})
    perform((*creation(spec), *assignment(spec)), spec, outbox, None, above)
    span.end()


def release_session(outbox: Outbox, spec: SessionSpec) -> None:
    """Delete all of a session that has no log and no keeper."""
    perform(deletion(spec), spec, outbox, None)


def deleted(transport: Transport, journal: str) -> bool:
    """Delete a journal; whether the broker let go of its name too. Raises `Unreachable`."""
    try:
        transport.delete_journal(journal)
    except JournalBroken as error:
        log.warning("journal.broken", journal=journal, reason=str(error))
        return False
    return True


def makes_journals(transport: Transport) -> bool:
    """Whether the broker makes a journal of another name: else it is out of file descriptors.

    A name that a killed broker kept is broken alone. Blocks, for some seconds at most.
    """
    made: Future[bool] = Future()

    def probe() -> None:
        name = f"ctl.probe.{uuid.uuid4().hex[:12]}"
        try:
            transport.declare_journal(name)
            made.set_result(True)
            deleted(transport, name)
        except CoffeeshopError as error:
            log.error("broker.makes_no_journals", journal=name, reason=str(error))
            if not made.done():
                made.set_result(False)

    threading.Thread(target=probe, name="probe", daemon=True).start()
    try:
        return made.result(PROBE_TIMEOUT)
    except TimeoutError:
        return False
