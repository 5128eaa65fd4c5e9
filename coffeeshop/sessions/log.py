"""``ctl.sessions`` as one process writes and reads it, and what it knows of all sessions by that.

The log is the truth; a process that starts reads it from the beginning and knows what the others
know. An event says what happened, it commands nothing: a repeat changes nothing, and of two ends of
one session the first in the log's order counts.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from typing import Any

from cachetools import FIFOCache

from coffeeshop.errors import BrokerRefuses, CodecError, JournalGone, Unreachable
from coffeeshop.observability.logs import get_logger
from coffeeshop.sessions.events import SESSIONS, EventKind, SessionEvent
from coffeeshop.sessions.lifecycle import (
    LONGEST_OPENING,
    LogClock,
    Now,
    Session,
    evolve,
    opened,
)
from coffeeshop.sessions.steady_clock import LARGEST
from coffeeshop.transport import Delivery, JournalSubscription, Message
from coffeeshop.transport.outbox import Outbox

log = get_logger()
CREDIT = 64
SESSIONS_BYTES = 256 << 20
"""What ``ctl.sessions`` keeps at most."""
OVERHEAD = 128
"""Bytes that a broker keeps of an event besides its body, at least about."""
WRITE_TIMEOUT = 30.0
HISTORY_TIMEOUT = 60.0
"""Seconds to read what happened before this process began."""
REMEMBERED = 20_000
"""Expired sessions whose ids are remembered: an id is never used twice."""
FOLLOWED = 500
LOST = (
    f"the broker lost {SESSIONS}, the journal of all sessions, which was deleted: restart "
    "every gateway and every worker, then submit again"
)
MARK = "mark"
"""The header by which a process knows what it waits to read back."""


class Directory:
    """The sessions that are not expired, by id. Not thread-safe; its values never change."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.is_open: set[str] = set()
        self.broken: dict[str, str] = {}
        """Journals of which the broker keeps nothing but the name, and their sessions."""
        self.possible_orphans: dict[str, tuple[Session, float]] = {}
        """Sessions deleted when a keeper might still have been creating them, and when that was
        read: journals may have been made since. Until an event says that it is ``settled``."""
        self.expired: FIFOCache[str, str] = FIFOCache(REMEMBERED)
        """The owners of sessions that were deleted, lately."""
        self.last: FIFOCache[str, Session] = FIFOCache(FOLLOWED)
        """The last values of a few of them, for who follows one to its end."""

    def apply(self, event: SessionEvent, log_time: float, now: float, written: int) -> bool:
        """Take the next event; whether it is about a session that is known.

        ``written``: the bytes of the log so far.
        """
        name = event.session
        is_new = name not in self.sessions and name not in self.expired
        begun = opened(event) if is_new and event.kind in ("opened", "snapshot") else None
        if begun is not None:
            self._put(replace(begun, last_seen=log_time))
        self._track_orphans(event, now)
        session = self.sessions.get(name)
        if session is None:
            return False
        session = evolve(session, event, log_time)
        if begun is not None or event.kind == "snapshot":
            session = replace(session, stated_at=written)
        self._put(session)
        if event.kind == "expired":
            self._expire(session)
        return True

    def _put(self, session: Session) -> None:
        self.sessions[session.spec.id] = session
        (self.is_open.add if session.state == "open" else self.is_open.discard)(session.spec.id)

    def _expire(self, session: Session) -> None:
        del self.sessions[session.spec.id]
        self.is_open.discard(session.spec.id)
        self.expired[session.spec.id] = session.owner
        self.last[session.spec.id] = session

    def _track_orphans(self, event: SessionEvent, now: float) -> None:
        match event.kind:
            case "expired":
                session = self.sessions.get(event.session)
                if event.fields.get("settled"):
                    self.possible_orphans.pop(event.session, None)
                elif session is not None and (
                    not session.declared or event.at - session.created < LONGEST_OPENING
                ):
                    self.possible_orphans[event.session] = session, now
            case "orphan_deleted":
                self.broken.pop(event.fields["journal"], None)
        if event.kind in ("released", "expired"):
            for journal in str(event.fields.get("broken", "")).split():
                self.broken[journal] = event.session


@dataclass
class _Activity:
    """What this process knows of a session's clients, and told the others."""

    taken: int = 0
    told_at: float = float("-inf")
    is_news: bool = False


class SessionLog:
    """What this process knows of all sessions, and how it tells the others. Thread-safe."""

    def __init__(
        self,
        outbox: Outbox,
        name: str,
        *,
        alive_period: float,
        ping_period: float,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """The others hear at most every ``alive_period`` seconds that a client is there; while a
        session is open this process pings itself every ``ping_period`` seconds."""
        self.name = name
        self.on_event: list[Callable[[SessionEvent], None]] = []
        """Called from the transport's thread, after an event of a known session was taken in."""
        self.ended: Counter[str] = Counter()
        """The sessions whose end this process wrote before any other, by state."""
        self.gone = False
        """Whether the broker lost the log: nothing is known of any session from then on."""
        self._outbox = outbox
        self._alive_period = alive_period
        self._now = now
        self._wall = wall
        self._changed = threading.Condition()
        self._directory = Directory()
        self._clock = LogClock(ping_period, now())
        self._written = 0
        self._activity: dict[str, _Activity] = {}
        self._awaited: dict[str, Future[None]] = {}
        self._closing: Future[None] = Future()
        self._following: JournalSubscription | None = None

    def start(self) -> None:
        """Read all that happened so far, then follow what happens. Raises `Unreachable`."""
        self._outbox.transport.declare_journal(SESSIONS, max_bytes=SESSIONS_BYTES)
        self._following = JournalSubscription(
            self._outbox.transport, SESSIONS, self._deliver, self._gone, window=CREDIT
        )
        self.append_and_read_back("started", "", HISTORY_TIMEOUT)

    def give_up(self) -> None:
        """Let callers that wait for the broker wait no longer."""
        with self._changed:
            if not self._closing.done():
                self._closing.set_result(None)
            self._changed.notify_all()

    def close(self) -> None:
        """Stop reading."""
        self.give_up()
        if self._following is not None:
            self._following.close()

    def append(self, kind: EventKind, session: str, **fields: Any) -> Future[None]:
        """Write an event; done when it is confirmed."""
        return self._append(self._message(kind, session, fields))

    def append_and_read_back(
        self, kind: EventKind, session: str, timeout: float = WRITE_TIMEOUT, **fields: Any
    ) -> None:
        """Write an event, and wait until this process has read it: and so everything before it.

        Raises `Unreachable`, also when it is not read within ``timeout`` seconds.
        """
        message, mark = self._message(kind, session, fields), uuid.uuid4().hex
        read: Future[None] = Future()
        with self._changed:
            self._awaited[mark] = read
        try:
            self.wait(self._append(replace(message, headers={**message.headers, MARK: mark})))
            self.wait(read, timeout)
        finally:
            with self._changed:
                del self._awaited[mark]

    def wait(self, future: Future[None], timeout: float = WRITE_TIMEOUT) -> None:
        """Wait for it. Raises `Unreachable` in the end, or when the process stops meanwhile."""
        wait((future, self._closing), timeout, FIRST_COMPLETED)
        if not future.done():
            raise Unreachable("the broker does not confirm a record of ctl.sessions")
        try:
            future.result()
        except JournalGone as error:
            if self.gone or SESSIONS in str(error):
                raise BrokerRefuses(LOST) from error
            raise

    def wait_for(
        self,
        session: str,
        holds: Callable[[Session | None], bool],
        timeout: float = WRITE_TIMEOUT,
    ) -> Session | None:
        """The session as soon as that holds of it; None when it is expired. Raises as `wait`."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: self._closing.done() or holds(self._directory.sessions.get(session)),
                timeout,
            )
            if not found or self._closing.done():
                raise Unreachable(f"the session {session} is not there in time")
            return self._directory.sessions.get(session)

    def get(self, session: str) -> Session | None:
        """A session that is not expired."""
        with self._changed:
            return self._directory.sessions.get(session)

    def latest(self, session: str) -> Session | None:
        """What is known of a session by now, also of one that was deleted a moment ago."""
        with self._changed:
            return self._directory.sessions.get(session) or self._directory.last.get(session)

    def updated(self, session: Session) -> Session:
        """The same session as it is known by now."""
        return self.latest(session.spec.id) or session

    def all(self) -> list[Session]:
        """Every session that is not expired, the oldest first."""
        with self._changed:
            return list(self._directory.sessions.values())

    def expired_owner(self, session: str) -> str | None:
        """Whose that session was, if it was deleted, lately."""
        with self._changed:
            return self._directory.expired.get(session)

    def possible_orphans(self, age: float) -> list[Session]:
        """Sessions deleted while a keeper might be creating them, ``age`` seconds ago or more."""
        with self._changed:
            found = self._directory.possible_orphans.values()
            return [session for session, at in found if at <= self._now() - age]

    def broken(self) -> dict[str, str]:
        """Journals that the broker could not let go of, and their sessions."""
        with self._changed:
            return dict(self._directory.broken)

    def moment(self) -> Now:
        """Now, on all clocks."""
        with self._changed:
            return Now(self._now(), self._clock.seconds, self._wall(), self._written)

    @property
    def lagging(self) -> bool:
        """Whether this process does not read what is written, and so cannot tell of silence."""
        with self._changed:
            return bool(self._directory.is_open) and self._clock.lagging(self._now())

    def seen(self, session: str, size: int = 0) -> None:
        """A client of it is there, and sent that many bytes. Told to the others now and then."""
        with self._changed:
            known = self._directory.sessions.get(session)
            if known is None or known.state != "open":
                return
            activity = self._activity.setdefault(session, _Activity())
            activity.taken += size
            activity.is_news = True
            taken = {**known.taken, self.name: activity.taken}
            self._directory.sessions[session] = replace(known, taken=taken)
        self._tell_activity(session)

    def tick(self) -> None:
        """Ping, and tell what was kept back of clients' activity. To be called now and then."""
        if self.gone:
            return
        with self._changed:
            ping = bool(self._directory.is_open) and self._clock.ping_due(self._now())
            if ping:
                self._clock = self._clock.pinged()
            news = [session for session, each in self._activity.items() if each.is_news]
        if ping:
            self.append("alive", "", bytes=0)
        for session in news:
            self._tell_activity(session)

    def _tell_activity(self, session: str) -> None:
        with self._changed:
            activity, now = self._activity.get(session), self._now()
            if activity is None or now - activity.told_at <= self._alive_period:
                return
            activity.told_at, activity.is_news = now, False
        self.append("alive", session, bytes=activity.taken)

    def _message(self, kind: EventKind, session: str, fields: dict[str, Any]) -> Message:
        return SessionEvent(kind, session, self.name, self._wall(), fields).message()

    def _append(self, message: Message) -> Future[None]:
        if self.gone:
            raise BrokerRefuses(LOST)
        return self._outbox.append_to_all([SESSIONS], message)

    def _deliver(self, delivery: Delivery) -> bool:
        try:
            event = SessionEvent.of(delivery.message)
        except CodecError as error:
            log.warning("sessions.unreadable", offset=delivery.offset, reason=str(error))
            return True
        with self._changed:
            is_known = self._take(event, len(delivery.message.body))
            awaited = self._awaited.get(str(delivery.message.headers.get(MARK)))
        if is_known:
            for call in self.on_event:
                call(event)
        if awaited is not None and not awaited.done():  # an event may be stored twice
            awaited.set_result(None)
        return True

    def _take(self, event: SessionEvent, size: int) -> bool:
        now, directory = self._now(), self._directory
        event = _not_of_the_future(event, self._wall())
        self._written += size + OVERHEAD
        if event.gateway == self.name:
            self._clock = self._clock.pong(now)
        elif not directory.is_open:  # no ping was under way
            self._clock = self._clock.resumed(now)
        was_open = event.session in directory.is_open
        is_known = directory.apply(event, self._clock.seconds, now, self._written)
        if was_open and event.session not in directory.is_open:
            self._activity.pop(event.session, None)
            ended = directory.sessions.get(event.session)
            if ended is not None:
                self.ended[ended.state] += event.gateway == self.name
        self._changed.notify_all()
        return is_known

    def _gone(self) -> None:
        if not self._closing.done():
            self.gone = True
            log.error("sessions.journal_gone", journal=SESSIONS, reason=LOST)


def _not_of_the_future(event: SessionEvent, wall: float) -> SessionEvent:
    """Its writer's clock was wrong, or this one's was set back: it is as of now."""
    late = wall + LARGEST
    fields = {
        key: wall if key in ("created", "ended") and value is not None and value > late else value
        for key, value in event.fields.items()
    }
    return replace(event, at=wall if event.at > late else event.at, fields=fields)
