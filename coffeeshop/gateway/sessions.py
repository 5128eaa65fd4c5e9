"""All sessions as one gateway replica serves them: opened, watched, ended, released, expired.

Any number of replicas run this over one broker. What they know is the fold of ``ctl.sessions``;
what they do is harmless when two of them do it. Exactly one end of a session counts, whoever
writes it: the first terminal record of its out journal.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from coffeeshop.errors import CodecError, CoffeeshopError, JournalGone
from coffeeshop.gateway.ingest import Ingest, append_until_confirmed, open_session, release_session
from coffeeshop.gateway.registry import SESSIONS, Fact, FactKind, Registry, Session
from coffeeshop.gateway.results import Failed, Terminal
from coffeeshop.gateway.watch import Watch
from coffeeshop.messages import Record, SessionSpec, out_journal
from coffeeshop.transport import Delivery, Following, Transport

log = structlog.get_logger()
CREDIT = 64
SESSIONS_BYTES = 256 << 20
"""What ``ctl.sessions`` keeps at most."""
OTHERS_PATIENCE = 5.0
"""Seconds the other replicas leave a session's end to the one that opened it."""
WORKERS = 4


@dataclass(frozen=True)
class Lifetimes:
    """Seconds after which something ends by itself."""

    client_timeout: float = 60.0
    """Without a batch or a heartbeat, while the upload is not complete: aborted."""
    result_ttl: float = 3600.0
    """After its end: the results are deleted."""
    session_ttl: float = 86_400.0
    """After its beginning: aborted, whatever it waits for."""


class Sessions:
    """Thread-safe. `start` before, `close` after everything else."""

    def __init__(
        self,
        transport: Transport,
        lifetimes: Lifetimes | None = None,
        *,
        name: str | None = None,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        period: float = 0.5,
    ) -> None:
        """``name`` is this replica's, unique among them; ``period`` is the look-around's."""
        self.name = name or f"gateway-{uuid.uuid4().hex[:8]}"
        self.lifetimes = lifetimes or Lifetimes()
        self._transport = transport
        self._now = now
        self._wall = wall
        self._period = period
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._registry = Registry()
        self._watches: dict[str, Watch] = {}
        self._terminals: dict[str, tuple[float, Terminal]] = {}
        self._ingests: dict[str, Ingest] = {}
        self._taken: dict[str, int] = {}
        self._told: dict[str, float] = {}
        self._busy: set[str] = set()
        self._pool = ThreadPoolExecutor(WORKERS, "sessions")
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._look_around, name="sessions", daemon=True)

    def start(self) -> None:
        """Read what happened so far and follow what happens. Blocks until the broker answers."""
        self._transport.declare_journal(SESSIONS, max_bytes=SESSIONS_BYTES)
        self._following = Following(
            self._transport, SESSIONS, self._deliver, self._gone, window=CREDIT
        )
        self._ticker.start()

    def close(self) -> None:
        """Stop following; sessions go on elsewhere."""
        self._stop.set()
        if self._ticker.is_alive():
            self._ticker.join()
        self._pool.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            watches = list(self._watches.values())
            self._watches.clear()
        for watch in watches:
            watch.close()
        self._following.close()

    # What clients ask for.

    def open(self, spec: SessionSpec, name: str = "") -> Session:
        """Open a session; blocks until the broker confirmed all of it. Raises `Unreachable`.

        Its first record is written before its first object is made, so what a crash leaves behind
        is found and removed by any replica.
        """
        self.say("opened", spec.id, spec=asdict(spec), name=name).result()
        session = self.wait_for(spec.id, 30.0)
        if session is None:
            raise CoffeeshopError(f"{SESSIONS} does not tell of {spec.id}")
        open_session(self._transport, spec)
        self._watch(spec)
        return session

    def get(self, session: str) -> Session | None:
        """A session that is not expired."""
        with self._lock:
            return self._registry.sessions.get(session)

    def wait_for(self, session: str, timeout: float) -> Session | None:
        """`get`, but wait for word of a session that another replica has just opened."""
        with self._changed:
            self._changed.wait_for(lambda: session in self._registry.sessions, timeout)
            return self._registry.sessions.get(session)

    def all(self) -> list[Session]:
        """Every session that is not expired, the oldest first."""
        with self._lock:
            return list(self._registry.sessions.values())

    def complete(self, session: Session) -> list[str]:
        """The queries of a session whose results are all there."""
        with self._lock:
            watch = self._watches.get(session.spec.id)
        return watch.complete if watch is not None else []

    def journal_bytes(self) -> int:
        """Bytes of input the broker keeps."""
        with self._lock:
            return self._registry.journal_bytes()

    def ingest(self, spec: SessionSpec) -> Ingest:
        """The way into a session's journals."""
        with self._lock:
            return self._ingests.setdefault(spec.id, Ingest(self._transport, spec))

    def seen(self, session: str, size: int = 0) -> None:
        """The client is there, and sent that many bytes. Told to the others now and then."""
        with self._lock:
            now = self._now()
            known = self._registry.sessions.get(session)
            if known is None:
                return
            known.last_seen = now
            self._taken[session] = self._taken.get(session, 0) + size
            known.taken[self.name] = self._taken[session]
            due = now - self._told.get(session, float("-inf")) > self.lifetimes.client_timeout / 4
            if due:
                self._told[session] = now
        if due:
            self.say("alive", session, bytes=self._taken[session])

    def table_ended(self, session: str, table: str, producer: str, batches: int) -> Future[None]:
        """Every batch of a table was taken from a producer."""
        return self.say("table_ended", session, table=table, producer=producer, batches=batches)

    def cancel(self, session: Session, reason: str, state: str = "cancelled") -> Future[None]:
        """Ask for the session's end: one ``failed`` record, which counts unless another was first.

        The future is done when it is written; the end itself is seen as any other.
        """
        log.info(f"session.{state}", session=session.spec.id, reason=reason)
        record = Record("failed", state, self.name, 0, reason.encode())
        return append_until_confirmed(
            self._transport, out_journal(session.spec.id), record.message()
        )

    def delete(self, session: Session) -> None:
        """End it if need be and remove all of it, results included. Blocks."""
        if session.state == "open":
            self.say("ended", session.spec.id, state="cancelled", reason="deleted").result()
        self._expire(session)

    def say(self, kind: FactKind, session: str, **fields: Any) -> Future[None]:
        """Write a fact; done when it is confirmed."""
        fact = Fact(kind, session, self.name, self._wall(), fields)
        return append_until_confirmed(self._transport, SESSIONS, fact.message())

    # What is heard.

    def _deliver(self, delivery: Delivery) -> bool:
        try:
            fact = Fact.of(delivery.message)
        except CodecError as error:
            log.warning("sessions.unreadable", offset=delivery.offset, reason=str(error))
        else:
            with self._changed:
                session = self._registry.feed(fact, self._now())
                self._changed.notify_all()
            if session is not None and fact.kind in ("ended", "expired"):
                self._forget(fact.session)
        return True

    def _forget(self, session: str) -> None:
        with self._lock:
            watch = self._watches.pop(session, None)
            self._terminals.pop(session, None)
            self._ingests.pop(session, None)
            self._taken.pop(session, None)
            self._told.pop(session, None)
        if watch is not None:
            watch.close()

    def _watch(self, spec: SessionSpec) -> None:
        with self._lock:
            if spec.id not in self._watches and spec.id not in self._terminals:
                self._watches[spec.id] = Watch(self._transport, spec, self._ended)

    def _ended(self, session: str, terminal: Terminal) -> None:
        with self._lock:
            self._terminals[session] = (self._now(), terminal)
            known = self._registry.sessions.get(session)
        if known is not None and known.gateway == self.name:
            self._begin(session, lambda: self._conclude(known))

    def _gone(self) -> None:
        if not self._stop.is_set():
            log.error("sessions.journal_gone", journal=SESSIONS)

    # What is due.

    def _look_around(self) -> None:
        while not self._stop.wait(self._period):
            for session in self.all():
                self._look_at(session)

    def _look_at(self, session: Session) -> None:
        now, wall, name = self._now(), self._wall(), session.spec.id
        if session.state == "open":
            self._watch(session.spec)
            self._end_what_nobody_wants(session, now, wall)
        with self._lock:
            heard = self._terminals.get(name)
        mine = session.gateway == self.name
        if heard is not None and (mine or now - heard[0] > OTHERS_PATIENCE):
            self._begin(name, lambda: self._conclude(session))
        elif session.ended is not None:
            if not session.released and (mine or wall - session.ended > OTHERS_PATIENCE):
                self._begin(name, lambda: self._release(session))
            elif wall - session.ended > self.lifetimes.result_ttl:
                self._begin(name, lambda: self._expire(session))

    def _end_what_nobody_wants(self, session: Session, now: float, wall: float) -> None:
        limits = self.lifetimes
        if not session.uploaded and now - session.last_seen > limits.client_timeout:
            reason = f"no word of its client for {limits.client_timeout:g} s"
        elif wall - session.created > limits.session_ttl:
            reason = f"not completed within {limits.session_ttl:g} s"
        else:
            return
        session.last_seen = now  # not again at once
        self._begin(session.spec.id, lambda: self._abort(session, reason))

    def _abort(self, session: Session, reason: str) -> None:
        try:
            self.cancel(session, reason, "aborted").result()
        except JournalGone:
            # Its opening was cut short before the out journal was made.
            self.say("ended", session.spec.id, state="aborted", reason=reason).result()

    def _conclude(self, session: Session) -> None:
        with self._lock:
            heard = self._terminals.get(session.spec.id)
        if heard is not None and session.state == "open":
            terminal = heard[1]
            state, reason = "completed", ""
            if isinstance(terminal, Failed):
                state, reason = terminal.state, terminal.reason
            self.say("ended", session.spec.id, state=state, reason=reason).result()
        if not session.released:
            self._release(session)

    def _release(self, session: Session) -> None:
        release_session(self._transport, session.spec, results=False)
        self.say("released", session.spec.id).result()

    def _expire(self, session: Session) -> None:
        release_session(self._transport, session.spec, results=True)
        self.say("expired", session.spec.id).result()

    def _begin(self, session: str, work: Callable[[], None]) -> None:
        """Do it on a worker unless something is being done about this session."""
        with self._lock:
            if session in self._busy or self._stop.is_set():
                return
            self._busy.add(session)
        self._pool.submit(self._work, session, work)

    def _work(self, session: str, work: Callable[[], None]) -> None:
        try:
            work()
        except CoffeeshopError as error:
            log.warning("session.unfinished", session=session, reason=str(error))
        finally:
            with self._lock:
                self._busy.discard(session)
