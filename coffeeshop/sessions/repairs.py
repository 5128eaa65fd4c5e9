"""What a gateway does about records that the broker confirmed and lost: see
`coffeeshop.pipeline.repair`, which decides."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from coffeeshop.errors import CodecError, JournalGone
from coffeeshop.observability.logs import get_logger
from coffeeshop.pipeline.messages import Assignment, Record, SessionSpec, assign_queue
from coffeeshop.pipeline.repair import (
    REPAIR,
    STALLED_AFTER,
    Action,
    CountAsGone,
    Missing,
    Recompute,
    Repairs,
    RepeatEnd,
)
from coffeeshop.sessions.ingest import Ingest, confirmed, publish
from coffeeshop.sessions.lifecycle import Session
from coffeeshop.sessions.results import Update
from coffeeshop.transport import Message
from coffeeshop.transport.outbox import Outbox

log = get_logger()


@dataclass
class _Known:
    repairs: Repairs
    due: deque[Action] = field(default_factory=deque)
    asked: dict[tuple[str, str, str], Missing] = field(default_factory=dict)
    """What tasks ask clients for, by task, table and producer."""


COUNTED = ("asked", "sent_again", "ends_repeated", "recomputed", "counted_as_gone")
"""Requests of tasks that were heard, batches that clients sent because of them, ends of tables and
assignments of tasks that were written again, sessions whose clients did not answer."""


class SessionRepairs:
    """Thread-safe. `heard` and `look` find what is due, `act` does it."""

    def __init__(
        self,
        outbox: Outbox,
        patience: float,
        count_as_gone: Callable[[Session, str], None],
        now: Callable[[], float],
        wall: Callable[[], float],
        stalled_after: float = STALLED_AFTER,
    ) -> None:
        """``patience``: seconds that a client has to answer. ``count_as_gone`` tells the tasks of a
        session that its clients are gone, and why; it may block. ``now`` and ``wall``: seconds of
        this process's clock, and since 1970."""
        self._outbox = outbox
        self._patience = patience
        self._count_as_gone = count_as_gone
        self._now = now
        self._wall = wall
        self._stalled_after = stalled_after
        self._lock = threading.Lock()
        self._sessions: dict[str, _Known] = {}
        self._counts = Counter(dict.fromkeys(COUNTED, 0))

    @property
    def counts(self) -> Mapping[str, int]:
        """How often each of `COUNTED` happened on this replica since it began."""
        with self._lock:
            return dict(self._counts)

    def heard(self, session: Session, update: Update) -> None:
        """Take the next update of an open session's out journal; see `Repairs.feed`."""
        with self._lock:
            known, tables, now = self._of(session.spec), dict(session.tables), self._now()
            known.repairs.heard(self._then(update.at))
            if update.said is None or update.offset is None:
                return
            try:
                found = known.repairs.feed(update.said, update.offset, now, tables, update.complete)
            except CodecError as error:
                log.warning("repair.unreadable", session=session.spec.id, reason=str(error))
                return
            known.due.extend(found)

    def look(self, session: Session, complete: Collection[str]) -> bool:
        """Whether something is to be done for an open session: `act` does it."""
        with self._lock:
            known = self._of(session.spec)
            known.repairs.heard(self._then(max(session.table_times.values(), default=None)))
            known.due.extend(known.repairs.stalled(self._now(), dict(session.tables), complete))
            return bool(known.due)

    def act(self, session: Session) -> None:
        """Do what is due, and return when the broker confirmed it. Raises `Unreachable`."""
        while (action := self._next(session.spec)) is not None:
            try:
                self._do(session, action)
            except JournalGone:
                log.info("session.over_meanwhile", session=session.spec.id)

    def take(self, session: str, table: str, producer: int, number: int) -> None:
        """Note a batch that a client sends: it may be one that was asked for.

        To be called before it is stored: by then the session may be over.
        """
        with self._lock:
            known = self._sessions.get(session)
            for missing in () if known is None else known.asked.values():
                gap = missing.gap
                if (gap.stream, gap.producer) == (table, str(producer)) and any(
                    first <= number <= last and (number - first) % gap.step == 0
                    for first, last in gap.ranges
                ):
                    self._counts["sent_again"] += 1
                    return

    def asks(self, session: str, table: str, producer: int) -> bool:
        """Whether batches of that table are asked of that client: no quota is in their way."""
        with self._lock:
            known = self._sessions.get(session)
            asked = () if known is None else known.asked
            return any(key[1:] == (table, str(producer)) for key in asked)

    def missing(self, session: str) -> list[dict[str, Any]]:
        """What the tasks of an open session ask its clients for, as far as this replica knows."""
        with self._lock:
            known = self._sessions.get(session)
            asked = () if known is None else known.asked.values()
            return [{"task": each.task, **each.event()} for each in asked]

    def forget(self, session: str) -> None:
        """The session has ended."""
        with self._lock:
            self._sessions.pop(session, None)

    def _then(self, at: float | None) -> float:
        """A moment in seconds since 1970 on this process's clock; now if it is not known."""
        age = 0.0 if at is None else self._wall() - at
        return self._now() - max(0.0, age)

    def _of(self, spec: SessionSpec) -> _Known:
        made = self._sessions.get(spec.id)
        if made is None:
            repairs = Repairs(spec, self._patience, self._stalled_after)
            made = self._sessions[spec.id] = _Known(repairs)
        return made

    def note(self, spec: SessionSpec, record: Record) -> None:
        """Know what is asked for, on a replica that may not keep the session."""
        with self._lock, suppress(CodecError):
            self._note(self._of(spec), record)

    def _note(self, known: _Known, record: Record) -> None:
        if record.kind == "done":
            self._answered(known, record.producer, least=0)
        if record.kind != "missing":
            return
        missing = Missing.of(record)
        self._counts["asked"] += 1
        if missing.asked == 0:  # something came since the last request, or there was none
            self._answered(known, missing.task, least=1)
        if missing.is_of_a_client:
            known.asked[missing.task, missing.gap.stream, missing.gap.producer] = missing

    @staticmethod
    def _answered(known: _Known, task: str, least: int) -> None:
        """Requests of a task are no longer open: those that it made so often before, or more."""
        known.asked = {
            key: each for key, each in known.asked.items() if key[0] != task or each.asked < least
        }

    def _next(self, spec: SessionSpec) -> Action | None:
        with self._lock:
            known = self._sessions.get(spec.id)
            return known.due.popleft() if known is not None and known.due else None

    def _do(self, session: Session, action: Action) -> None:
        spec = session.spec
        match action:
            case RepeatEnd(table, producer, count):
                about = {"table": table, "producer": producer, "batches": count}
                log.warning("repair.end_repeated", session=spec.id, **about)
                confirmed(Ingest(self._outbox, spec).end(table, producer, count), table)
                self._count("ends_repeated")
            case Recompute(task, repair):
                log.warning(
                    "repair.recomputed", session=spec.id, stage=task.stage, partition=task.partition
                )
                message = Message({REPAIR: repair}, Assignment(spec, task).to_bytes())
                publish(self._outbox, assign_queue(task.stage), message)
                self._count("recomputed")
            case CountAsGone(reason):
                log.warning("repair.not_answered", session=spec.id)
                self._count_as_gone(session, reason)
                self._count("counted_as_gone")

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1
