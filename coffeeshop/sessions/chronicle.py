"""``ctl.sessions`` as one gateway replica writes and reads it."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from typing import Any

from coffeeshop.errors import BrokerRefuses, CodecError, JournalGone, Unreachable
from coffeeshop.observability.logs import get_logger
from coffeeshop.sessions.facts import SESSIONS, Fact, FactKind
from coffeeshop.sessions.hearing import Hearing
from coffeeshop.sessions.registry import Registry, Session
from coffeeshop.sessions.restating import Restating
from coffeeshop.sessions.steady_clock import LARGEST
from coffeeshop.transport import Delivery, JournalSubscription, Message
from coffeeshop.transport.outbox import Outbox

log = get_logger()
CREDIT = 64
SESSIONS_BYTES = 256 << 20
"""What ``ctl.sessions`` keeps at most."""
STORED_TIMEOUT = 30.0
LOST = (
    f"the broker lost {SESSIONS}, the journal of all sessions, which was deleted: restart "
    "every gateway and every worker, then submit again"
)
WORD = "word"
"""The header by which a replica knows what it waits to read."""
HISTORY_TIMEOUT = 60.0
"""Seconds to read what happened before this replica began."""


class Chronicle:
    """What this replica knows of all sessions, and how it tells the others. Thread-safe."""

    def __init__(
        self,
        outbox: Outbox,
        name: str,
        on_fact: Callable[[Fact], None],
        *,
        alive_period: float,
        word_period: float,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``on_fact`` is called from the transport's thread, after the fact was taken in.

        The others hear at most every ``alive_period`` seconds that a client is there, and this
        replica every ``word_period`` seconds, while a session is open, that it hears.
        """
        self.name = name
        self._outbox = outbox
        self._transport = outbox.transport
        self._on_fact = on_fact
        self._alive_period = alive_period
        self._now = now
        self._wall = wall
        self._lock = threading.Lock()
        self._registry = Registry()
        self._restating = Restating(name, SESSIONS_BYTES)
        self._hearing = Hearing(word_period, now())
        self._taken: dict[str, int] = {}
        self._told: dict[str, float] = {}
        self._awaited: dict[str, Future[None]] = {}
        self._closing: Future[None] = Future()
        self.ended: Counter[str] = Counter()
        """The sessions whose end this replica wrote before any other, by state."""
        self._following: JournalSubscription | None = None
        self.gone = False
        """Whether the broker lost the journal: nothing is known of any session from then on."""

    def start(self) -> None:
        """Read all that happened so far, then follow what happens. Raises `Unreachable`."""
        self._transport.declare_journal(SESSIONS, max_bytes=SESSIONS_BYTES)
        self._following = JournalSubscription(
            self._transport, SESSIONS, self._deliver, self._gone, window=CREDIT
        )
        self.tell("started", "", HISTORY_TIMEOUT)

    def give_up(self) -> None:
        """Let whoever waits for the broker wait no longer."""
        with self._lock:
            if not self._closing.done():
                self._closing.set_result(None)

    def close(self) -> None:
        """Stop reading."""
        self.give_up()
        if self._following is not None:
            self._following.close()

    def say(self, kind: FactKind, session: str, **fields: Any) -> Future[None]:
        """Write a fact; done when it is confirmed."""
        return self._append(self._message(kind, session, fields))

    def tell(
        self, kind: FactKind, session: str, timeout: float = STORED_TIMEOUT, **fields: Any
    ) -> None:
        """Write a fact, and wait until this replica has read it: and so everything before it.

        Raises `Unreachable`, also when it is not read within ``timeout`` seconds.
        """
        message, word = self._message(kind, session, fields), uuid.uuid4().hex
        read: Future[None] = Future()
        with self._lock:
            self._awaited[word] = read
        try:
            self.stored(self._append(replace(message, headers={**message.headers, WORD: word})))
            self.stored(read, timeout)
        finally:
            with self._lock:
                del self._awaited[word]

    def _message(self, kind: FactKind, session: str, fields: dict[str, Any]) -> Message:
        return Fact(kind, session, self.name, self._wall(), fields).message()

    def _append(self, message: Message) -> Future[None]:
        if self.gone:
            raise BrokerRefuses(LOST)
        return self._outbox.append_to_all([SESSIONS], message)

    def stored(self, future: Future[None], timeout: float = STORED_TIMEOUT) -> None:
        """Wait for it. Raises `Unreachable` in the end, or when the gateway closes meanwhile."""
        wait((future, self._closing), timeout, FIRST_COMPLETED)
        if not future.done():
            raise Unreachable("the broker does not confirm a record of ctl.sessions")
        try:
            future.result()
        except JournalGone as error:
            if self.gone or SESSIONS in str(error):
                raise BrokerRefuses(LOST) from error
            raise

    def get(self, session: str) -> Session | None:
        """A session that is not expired."""
        with self._lock:
            return self._registry.sessions.get(session)

    def expired_owner(self, session: str) -> str | None:
        """Whose that session was, if it was removed, lately."""
        with self._lock:
            return self._registry.expired_owner(session)

    def all(self) -> list[Session]:
        """Every session that is not expired, the oldest first."""
        with self._lock:
            return list(self._registry.sessions.values())

    def doubtful(self, age: float, patience: float) -> list[Session]:
        """Sessions removed while somebody might be opening them, ``age`` seconds ago or more.

        Those of other replicas ``patience`` seconds later: they look after their own.
        """
        with self._lock:
            since = self._now() - age
            return [
                session
                for session, at in self._registry.doubtful.values()
                if at <= since - (0.0 if session.gateway == self.name else patience)
            ]

    def broken(self) -> dict[str, str]:
        """Journals that the broker could not let go of, and their sessions."""
        with self._lock:
            return dict(self._registry.broken)

    def journal_bytes(self) -> int:
        """Bytes of input the broker keeps."""
        with self._lock:
            return self._registry.journal_bytes()

    def seen(self, session: str, size: int = 0) -> None:
        """The client is there, and sent that many bytes. Told to the others now and then."""
        with self._lock:
            now = self._now()
            known = self._registry.sessions.get(session)
            if known is None or known.state != "open":
                return
            known.last_seen = now
            taken = self._taken[session] = self._taken.get(session, 0) + size
            known.taken[self.name] = taken
            due = now - self._told.get(session, float("-inf")) > self._alive_period
            if due:
                self._told[session] = now
        if due:
            self.say("alive", session, bytes=taken)

    def listen(self) -> None:
        """Say a word now and then while a session is open, to hear whether it comes back."""
        with self._lock:
            is_open = any(each.state == "open" for each in self._registry.sessions.values())
            due = is_open and self._hearing.wants_a_word(self._now())
        if due:
            self.say("alive", "", bytes=0)

    def deaf(self) -> bool:
        """Whether this replica does not hear what is said, and so cannot tell who is silent."""
        with self._lock:
            return self._hearing.deaf(self._now())

    def restate(self) -> None:
        """State anew the sessions whose beginning the journal is about to drop."""
        with self._lock:
            due = self._restating.due(self._registry.sessions)
            statements = {session.spec.id: session.statement() for session in due}
        for session, fields in statements.items():
            self.say("restated", session, **fields)

    def _deliver(self, delivery: Delivery) -> bool:
        try:
            fact = Fact.of(delivery.message)
        except CodecError as error:
            log.warning("sessions.unreadable", offset=delivery.offset, reason=str(error))
            return True
        with self._lock:
            now, wall = self._now(), self._wall()
            fact = _not_of_the_future(fact, wall)
            if fact.gateway == self.name:
                self._registry.forgive(self._hearing.heard(now), now)
            known = self._registry.feed(fact, now)
            self._restating.heard(fact, len(delivery.message.body))
            if fact.kind == "ended" and known is not None and known.ended == fact.at:
                self.ended[known.state] += fact.gateway == self.name
            if known is not None and known.state != "open":
                self._taken.pop(fact.session, None)
                self._told.pop(fact.session, None)
        if known is not None:
            self._on_fact(fact)
        with self._lock:
            awaited = self._awaited.get(str(delivery.message.headers.get(WORD)))
        if awaited is not None and not awaited.done():  # a word may be stored twice
            awaited.set_result(None)
        return True

    def _gone(self) -> None:
        if not self._closing.done():
            self.gone = True
            log.error("sessions.journal_gone", journal=SESSIONS, reason=LOST)


def _not_of_the_future(fact: Fact, wall: float) -> Fact:
    """Its writer's clock was wrong, or this one's was set back: it is as of now."""
    late = wall + LARGEST
    fields = {
        key: wall if key in ("created", "ended") and value is not None and value > late else value
        for key, value in fact.fields.items()
    }
    return replace(fact, at=wall if fact.at > late else fact.at, fields=fields)
