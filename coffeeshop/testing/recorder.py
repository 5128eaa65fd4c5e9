"""Records the journals of sessions while they run: what `coffeeshop.testing.trace` judges."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field, replace

from coffeeshop.codec import digest
from coffeeshop.pipeline.messages import Record, SessionSpec, out_journal
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.sessions.events import SESSIONS, SessionEvent
from coffeeshop.sessions.log import SESSIONS_BYTES
from coffeeshop.testing.ledger import HEADER
from coffeeshop.testing.trace import Trace, terminal, whole
from coffeeshop.transport import Delivery, Reader, Transport

CREDIT = 1_000_000_000
"""As fast as they come: input is deleted as soon as a session has ended."""


@dataclass
class _Session:
    spec: SessionSpec
    journals: dict[str, list[Record]] = field(default_factory=dict)
    next_offset: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    readers: dict[str, Reader] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def trace(self, events: list[SessionEvent]) -> Trace:
        """As of now. Input that is not whole may have been deleted before it was read."""
        journals = {name: tuple(records) for name, records in self.journals.items()}
        found = Trace(self.spec, journals, tuple(events))
        tasks = plan_of(self.spec).tasks(self.spec)
        cut = {t.journal for t in tasks if t.journal in self.gone and not whole(found, t)}
        return replace(found, cut=frozenset(cut))


class Recorder:
    """Thread-safe. `close` it before its transport."""

    def __init__(self, transport: Transport) -> None:
        """Begins to read ``ctl.sessions``. Raises `Unreachable`."""
        self._transport = transport
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._sessions: dict[str, _Session] = {}
        self._events: dict[str, list[SessionEvent]] = defaultdict(list)
        self._fact_offset = 0
        self._appends: dict[str, set[str]] = defaultdict(set)
        transport.declare_journal(SESSIONS, max_bytes=SESSIONS_BYTES)
        self._reading = transport.read(SESSIONS, 0, CREDIT, self._heard, lambda: None)

    def follow(self, spec: SessionSpec) -> None:
        """Record a session that was just opened, from the beginning."""
        names = [out_journal(spec.id), *(t.journal for t in plan_of(spec).tasks(spec))]
        session = _Session(spec, {name: [] for name in names})
        with self._lock:
            if spec.id in self._sessions:
                return
            self._sessions[spec.id] = session
        for name in names:
            session.readers[name] = self._transport.read(
                name,
                0,
                CREDIT,
                lambda delivery, name=name: self._delivered(session, name, delivery),  # type: ignore[misc]
                lambda name=name: self._gone(session, name),  # type: ignore[misc]
            )

    def traces(self, timeout: float) -> list[Trace]:
        """What was recorded of every session, when all have ended or the time is over."""
        with self._changed:
            waiting = list(self._sessions.values())

            def all_ended() -> bool:
                waiting[:] = [each for each in waiting if not self._ended(each)]
                return not waiting

            self._changed.wait_for(all_ended, timeout)
            return [each.trace(self._events[each.spec.id]) for each in self._sessions.values()]

    def appends(self) -> dict[str, set[str]]:
        """The numbers of `coffeeshop.testing.ledger` in what was read so far, by journal."""
        with self._lock:
            read = {name for session in self._sessions.values() for name in session.journals}
            return {name: set(self._appends[name]) for name in (*read, SESSIONS)}

    def deleted(self) -> set[str]:
        """The journals that were deleted, perhaps before they were read to their end."""
        with self._lock:
            return {name for session in self._sessions.values() for name in session.gone}

    def close(self) -> None:
        """Stop reading."""
        self._reading.close()
        for session in self._sessions.values():
            for reader in session.readers.values():
                reader.close()

    def _ended(self, session: _Session) -> bool:
        trace = session.trace(self._events[session.spec.id])
        input_gone = session.gone >= session.journals.keys() - {out_journal(session.spec.id)}
        return bool(terminal(trace)) and input_gone

    def _delivered(self, session: _Session, name: str, delivery: Delivery) -> None:
        record = Record.of(delivery.message)
        if record.kind == "batch":
            record = replace(record, body=b"", digest=digest(record.body))
        with self._changed:
            if delivery.offset < session.next_offset[name]:
                return  # read again after a connection was lost
            session.next_offset[name] = delivery.offset + 1
            session.journals[name].append(record)
            self._note(name, delivery)
            self._changed.notify_all()

    def _gone(self, session: _Session, name: str) -> None:
        with self._changed:
            session.gone.add(name)
            self._changed.notify_all()

    def _heard(self, delivery: Delivery) -> None:
        event = SessionEvent.of(delivery.message)
        with self._changed:
            if delivery.offset < self._fact_offset:
                return
            self._fact_offset = delivery.offset + 1
            self._note(SESSIONS, delivery)
            if event.session:
                self._events[event.session].append(event)
            self._changed.notify_all()

    def _note(self, name: str, delivery: Delivery) -> None:
        if (append := delivery.message.headers.get(HEADER)) is not None:
            self._appends[name].add(str(append))
