"""``ctl.sessions`` as one gateway replica writes and reads it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

import structlog

from coffeeshop.errors import CodecError, Unreachable
from coffeeshop.gateway.ingest import append_until_confirmed
from coffeeshop.gateway.registry import SESSIONS, Fact, FactKind, Registry, Session
from coffeeshop.gateway.restating import Restating
from coffeeshop.transport import Delivery, Following, Transport

log = structlog.get_logger()
CREDIT = 64
SESSIONS_BYTES = 256 << 20
"""What ``ctl.sessions`` keeps at most."""
STORED_TIMEOUT = 30.0
HISTORY_TIMEOUT = 60.0
"""Seconds to read what happened before this replica began."""


class Chronicle:
    """What this replica knows of all sessions, and how it tells the others. Thread-safe."""

    def __init__(
        self,
        transport: Transport,
        name: str,
        on_fact: Callable[[Fact], None],
        *,
        alive_period: float,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``on_fact`` is called from the transport's thread, after the fact was taken in.

        The others hear at most every ``alive_period`` seconds that a client is there.
        """
        self.name = name
        self._transport = transport
        self._on_fact = on_fact
        self._alive_period = alive_period
        self._now = now
        self._wall = wall
        self._changed = threading.Condition()
        self._registry = Registry()
        self._restating = Restating(name, SESSIONS_BYTES)
        self._taken: dict[str, int] = {}
        self._told: dict[str, float] = {}
        self._caught_up: Future[None] = Future()
        self._closing: Future[None] = Future()
        self.ended: Counter[str] = Counter()
        """The sessions whose end this replica wrote before any other, by state."""
        self._following: Following | None = None

    def start(self) -> None:
        """Read all that happened so far, then follow what happens. Raises `Unreachable`."""
        self._transport.declare_journal(SESSIONS, max_bytes=SESSIONS_BYTES)
        self._following = Following(
            self._transport, SESSIONS, self._deliver, self._gone, window=CREDIT
        )
        # Whoever reads its own word has read everything before it.
        self.stored(self.say("started", ""))
        self.stored(self._caught_up, HISTORY_TIMEOUT)

    def give_up(self) -> None:
        """Let whoever waits for the broker wait no longer."""
        with self._changed:
            if not self._closing.done():
                self._closing.set_result(None)
            self._changed.notify_all()

    def close(self) -> None:
        """Stop reading."""
        self.give_up()
        if self._following is not None:
            self._following.close()

    def say(self, kind: FactKind, session: str, **fields: Any) -> Future[None]:
        """Write a fact; done when it is confirmed."""
        fact = Fact(kind, session, self.name, self._wall(), fields)
        return append_until_confirmed(self._transport, SESSIONS, fact.message())

    def stored(self, future: Future[None], timeout: float = STORED_TIMEOUT) -> None:
        """Wait for it. Raises `Unreachable` in the end, or when the gateway closes meanwhile."""
        wait((future, self._closing), timeout, FIRST_COMPLETED)
        if not future.done():
            raise Unreachable("the broker does not confirm")
        future.result()

    def get(self, session: str) -> Session | None:
        """A session that is not expired."""
        with self._changed:
            return self._registry.sessions.get(session)

    def expired_owner(self, session: str) -> str | None:
        """Whose that session was, if it was removed, lately."""
        with self._changed:
            return self._registry.expired_owner(session)

    def all(self) -> list[Session]:
        """Every session that is not expired, the oldest first."""
        with self._changed:
            return list(self._registry.sessions.values())

    def broken(self) -> dict[str, str]:
        """Journals that the broker could not let go of, and their sessions."""
        with self._changed:
            return dict(self._registry.broken)

    def journal_bytes(self) -> int:
        """Bytes of input the broker keeps."""
        with self._changed:
            return self._registry.journal_bytes()

    def wait_until(
        self, session: str, holds: Callable[[Session | None], bool], timeout: float
    ) -> Session | None:
        """The session (None: not known, or expired) once ``holds``, or after the timeout."""

        def met() -> bool:
            return self._closing.done() or holds(self._registry.sessions.get(session))

        with self._changed:
            self._changed.wait_for(met, timeout)
            return self._registry.sessions.get(session)

    def seen(self, session: str, size: int = 0) -> None:
        """The client is there, and sent that many bytes. Told to the others now and then."""
        with self._changed:
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

    def restate(self) -> None:
        """State anew the sessions whose beginning the journal is about to drop."""
        with self._changed:
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
        with self._changed:
            known = self._registry.feed(fact, self._now())
            self._restating.heard(fact, len(delivery.message.body))
            if fact.kind == "ended" and known is not None and known.ended == fact.at:
                self.ended[known.state] += fact.gateway == self.name
            if known is not None and known.state != "open":
                self._taken.pop(fact.session, None)
                self._told.pop(fact.session, None)
            self._changed.notify_all()
        if known is not None:
            self._on_fact(fact)
        elif fact.kind == "started" and fact.gateway == self.name and not self._caught_up.done():
            self._caught_up.set_result(None)
        return True

    def _gone(self) -> None:
        if not self._closing.done():
            log.error("sessions.journal_gone", journal=SESSIONS)
