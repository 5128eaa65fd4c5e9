"""All sessions as one gateway replica serves them: opened, watched, ended, released, expired.

Any number of replicas run this over one broker. What they know is the fold of ``ctl.sessions``;
what they do is harmless when two of them do it. Exactly one end of a session counts, whoever
writes it: the first terminal record of its out journal.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from coffeeshop.clock import SystemClock
from coffeeshop.crashpoints import crash_point
from coffeeshop.errors import (
    BrokerFull,
    BrokerRefuses,
    JournalBroken,
    JournalGone,
    ProtocolError,
    SessionFailed,
)
from coffeeshop.observability.logs import get_logger
from coffeeshop.pipeline.messages import Record, SessionSpec, out_journal
from coffeeshop.sessions.chronicle import Chronicle
from coffeeshop.sessions.endings import Endings
from coffeeshop.sessions.errands import Errands
from coffeeshop.sessions.facts import Fact
from coffeeshop.sessions.ingest import Ingest, makes_journals, open_session
from coffeeshop.sessions.last_calls import LastCalls
from coffeeshop.sessions.lifetimes import OTHERS_PATIENCE, Lifetimes
from coffeeshop.sessions.mending import Mending
from coffeeshop.sessions.outcome import Outcomes, SessionOutcome
from coffeeshop.sessions.reconciling import Reconciler, Step
from coffeeshop.sessions.registry import Session
from coffeeshop.sessions.repairs import SessionRepairs
from coffeeshop.sessions.results import ENDED_BY_GATEWAY, Failed, Found, Terminal, Update
from coffeeshop.sessions.retention import Retention
from coffeeshop.sessions.steady_clock import SteadyClock
from coffeeshop.transport import Transport
from coffeeshop.transport.outbox import Outbox

log = get_logger()
ASKED_AGAIN = 30.0  # until an end that did not come is asked for again


class Sessions:
    """Thread-safe. `start` before, `close` after everything else."""

    def __init__(
        self,
        transport: Transport,
        lifetimes: Lifetimes | None = None,
        retention: Retention | None = None,
        *,
        name: str | None = None,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        period: float = 0.5,
    ) -> None:
        """``name`` is this replica's, unique among them; ``period`` is the look-around's."""
        self.name = name or f"gateway-{uuid.uuid4().hex[:8]}"
        self.lifetimes = lifetimes or Lifetimes()
        self.wall = SteadyClock(wall, now)
        """Seconds since 1970, for everything that ends by itself."""
        self._retention = retention or Retention()
        self._clock = SystemClock()
        self._outbox = Outbox(transport, self._clock)
        self.chronicle = Chronicle(
            self._outbox,
            self.name,
            self._heard,
            alive_period=self.lifetimes.client_timeout / 4,
            word_period=max(self.lifetimes.client_timeout / 12, 2 * period),
            now=now,
            wall=self.wall,
        )
        self._endings = Endings(transport, self.chronicle)
        self._mending = Mending(self._endings, self.chronicle, now)
        self._last_calls = LastCalls(self._outbox, self.chronicle)
        self.repairs = SessionRepairs(
            self._outbox,
            self.lifetimes.client_timeout,
            self._last_calls.give_up,
            now,
            self.lifetimes.stalled_after,
        )
        self._transport = transport
        self._now = now
        self._lock = threading.RLock()
        self.outcomes = Outcomes(transport, self._clock, self.wall)
        """What the out journals say."""
        self._watched: set[str] = set()
        self._terminals: dict[str, tuple[float, Terminal, Found]] = {}
        self._ingests: dict[str, Ingest] = {}
        self._asked: dict[str, float] = {}
        self._errands = Errands()
        self.reconciler = Reconciler(self._due, period)

    def start(self) -> None:
        """Read what happened so far and follow what happens. Raises `Unreachable`."""
        self.chronicle.start()
        self.reconciler.start()

    def close(self) -> None:
        """Stop following; sessions go on elsewhere."""
        self._errands.refuse()
        self.chronicle.give_up()
        self.reconciler.stop()
        self._errands.close()
        self.outcomes.close()
        self.chronicle.close()
        self._outbox.close()
        self._clock.close()

    # What clients ask for.

    def open(self, spec: SessionSpec, name: str = "", owner: str = "") -> Session:
        """Open a session, or go on opening it; blocks until the broker confirmed all of it.

        Its first record is written before its first object is made, so what a crash leaves behind
        is found and removed by any replica. Raises `Unreachable`, `ProtocolError` when there is a
        session of that id with another specification or of another owner, and `SessionFailed` when
        the broker holds a broken journal of that name.
        """
        self.chronicle.tell("opened", spec.id, spec=spec.fields(), name=name, owner=owner)
        crash_point("gateway.opened_written")
        known = self.chronicle.get(spec.id)
        if known is None:
            raise JournalGone(f"the session {spec.id} has ended")
        if known.spec != spec or known.owner != owner:
            raise ProtocolError("a session with this id exists with different parameters")
        if not known.declared and known.state == "open":
            self._declare(known)
            self.chronicle.tell("declared", spec.id)
            crash_point("gateway.declared_written")
            self._clear_up(known)
        self._watch(known)
        return known

    def _clear_up(self, opened: Session) -> None:
        """Whoever ended or deleted it meanwhile may have been too early to remove all of it."""
        if self.chronicle.get(opened.spec.id) is None:
            self._endings.expire(opened)
            raise JournalGone(f"the session {opened.spec.id} has ended")
        if opened.state != "open":
            self._endings.release(opened)

    def _declare(self, session: Session) -> None:
        """Raises `SessionFailed` when the broker will never have the session's journals."""
        try:
            open_session(self._outbox, session.spec)
        except BrokerRefuses as error:
            self._endings.end_undeclared(session, "failed", str(error))
            raise
        except JournalBroken as error:
            if not makes_journals(self._transport):
                self._endings.end_undeclared(session, "failed", "the broker makes no streams")
                raise BrokerFull("the broker makes no streams") from error
            reason = f"the session could not be opened; open another: {error}"
            if self._endings.end_undeclared(session, "failed", reason):
                raise SessionFailed(reason) from error

    def complete(self, session: Session) -> list[str]:
        """The queries of a session whose results are all there."""
        known = self.outcomes.known(session.spec.id)
        return known.complete if known is not None else []

    def result_times(self, session: Session) -> dict[str, float]:
        """When each complete query was complete, in seconds since 1970."""
        known = self.outcomes.known(session.spec.id)
        return session.result_times if known is None else known.found.times

    def ingest(self, spec: SessionSpec) -> Ingest:
        """The way into a session's journals."""
        with self._lock:
            return self._ingests.setdefault(spec.id, Ingest(self._outbox, spec))

    def table_ended(self, session: str, table: str, producer: str, batches: int) -> Future[None]:
        """Every batch of a table was taken from a producer."""
        return self.chronicle.say(
            "table_ended", session, table=table, producer=producer, batches=batches
        )

    def keep(self, session: Session, seconds: float) -> None:
        """Keep its results at least that long from now, within `Lifetimes.longest_keep`. Blocks."""
        seconds = min(seconds, self.lifetimes.longest_keep)
        self.chronicle.tell("kept", session.spec.id, until=self.wall() + seconds)

    def end(
        self,
        session: Session,
        state: str,
        reason: str,
        bad_rows: Sequence[dict[str, Any]] = (),
    ) -> None:
        """Write one ``failed`` record, which ends it unless another end was first. Blocks.

        ``bad_rows`` are those for which its client gives it up.
        """
        log.info(f"session.{state}", session=session.spec.id, reason=reason)
        if bad_rows:
            self.chronicle.tell("bad_rows", session.spec.id, rows=list(bad_rows))
        if self._endings.end_undeclared(session, state, reason):
            return
        stream = state if state in ENDED_BY_GATEWAY else "session"
        record = Record("failed", stream, self.name, 0, reason.encode())
        out = out_journal(session.spec.id)
        try:
            self.chronicle.stored(self._outbox.append_to_all([out], record.message()))
        except JournalGone:  # nobody will ever read a terminal event of it
            log.warning("session.out_journal_gone", session=session.spec.id)
            self._endings.say_ended(session, state, reason)

    def lost(self, session: Session, why: str) -> None:
        """A journal of it is gone: it has ended, or it ends by this. From any thread."""
        self.fail(session, f"the broker lost a journal of it (it was deleted): {why}")

    def fail(self, session: Session, reason: str) -> None:
        """End it soon for this reason, unless it has ended. From any thread."""
        self._begin_if_possible(
            session.spec.id,
            lambda: self.end(session, "failed", reason) if session.state == "open" else None,
        )

    def delete(self, session: Session) -> None:
        """End it if need be and remove all of it, results included. Blocks."""
        if session.state == "open":
            self._endings.say_ended(session, "cancelled", "deleted")
        self._endings.expire(session)

    # What is heard.

    def _heard(self, fact: Fact) -> None:
        if fact.kind in ("ended", "expired") and not self._is_open(fact.session):
            with self._lock:
                self._watched.discard(fact.session)
                self._terminals.pop(fact.session, None)
                self._ingests.pop(fact.session, None)
                self._asked.pop(fact.session, None)
            self._last_calls.forget(fact.session)
            self.repairs.forget(fact.session)
            if fact.kind == "expired":
                self.outcomes.forget(fact.session)

    def _is_open(self, session: str) -> bool:
        """Whether it goes on: an end may not count."""
        known = self.chronicle.get(session)
        return known is not None and known.state == "open"

    def _watch(self, session: Session) -> None:
        name = session.spec.id
        with self._lock:
            if session.state == "open" and name not in self._terminals.keys() | self._watched:
                self._watched.add(name)
                outcome = self.outcomes.of(session.spec)
                outcome.on_end(self._over)
                outcome.subscribe(partial(self._updated, session))

    def _over(self, outcome: SessionOutcome) -> None:
        if outcome.terminal is None:
            self._out_journal_gone(outcome.spec.id)
        else:
            self._ended(outcome.spec.id, outcome.terminal, outcome.found)

    def _updated(self, session: Session, update: Update) -> None:
        """What tasks say of what is missing; from the transport's thread."""
        if session.state == "open":
            self.repairs.heard(session, update, eager=session.gateway == self.name)

    def _out_journal_gone(self, session: str) -> None:
        with self._lock:
            self._watched.discard(session)
        known = self.chronicle.get(session)
        if known is not None and known.state == "open":
            # It is deleted after the end was written: if it was, this end comes second.
            reason = "the broker lost the session's journal"
            self._begin_if_possible(
                session, lambda: self._endings.say_ended(known, "failed", reason)
            )

    def _ended(self, session: str, terminal: Terminal, found: Found) -> None:
        crash_point("gateway.end_heard")
        with self._lock:
            self._terminals[session] = (self._now(), terminal, found)
        known = self.chronicle.get(session)
        if known is not None and known.gateway == self.name:
            self._begin_if_possible(session, lambda: self._conclude(known))

    def _begin_if_possible(self, session: str, work: Callable[[], None]) -> None:
        """Begin it, for a callback of the transport, which must not raise. If there is no thread
        for it the reconciler begins it at its next turn."""
        try:
            self._errands.begin(session, work)
        except RuntimeError as error:
            log.error("session.not_begun", session=session, reason=repr(error))

    # What is due.

    def _due(self) -> Iterator[Step]:
        """What there is to do in one turn of the reconciler."""
        yield "restate", "", self.chronicle.restate
        yield "listen", "", self.chronicle.listen
        known = self.chronicle.all()
        yield "make_room", "", partial(self._make_room, known)
        for session in known:
            yield "look_at", session.spec.id, partial(self._look_at, session)
        yield "mend", "", self._mend

    def _mend(self) -> None:
        if self._mending.due:
            self._errands.begin("", self._mending.try_again)

    def _make_room(self, known: list[Session]) -> None:
        """Delete results before their time where there are too many.

        Those that this replica opened; those of others when they did not.
        """
        wall = self.wall()
        too_many = self._retention.crowded_out(known, wall, 1.0)
        mine = [s for s in self._retention.crowded_out(known, wall) if s.gateway == self.name]
        for session in {each.spec.id: each for each in (*mine, *too_many)}.values():
            self._errands.begin(session.spec.id, partial(self._expire_early, session))

    def _expire_early(self, session: Session) -> None:
        log.info("session.makes_room", session=session.spec.id)
        self._endings.expire(session)

    def _look_at(self, session: Session) -> None:
        wall, name = self.wall(), session.spec.id
        with self._lock:
            heard = self._terminals.get(name)
        mine = session.gateway == self.name
        if heard is not None:
            if mine or self._now() - heard[0] > OTHERS_PATIENCE:
                self._errands.begin(name, lambda: self._conclude(session))
        elif session.ended is None:
            if session.declared:
                self._watch(session)
            self._end_what_nobody_wants(session)
            if session.declared and self.repairs.look(session, self.complete(session)):
                self._errands.begin(name, lambda: self.repairs.act(session))
        elif not session.released and (mine or wall - session.ended > OTHERS_PATIENCE):
            self._errands.begin(name, lambda: self._endings.release(session))
        elif wall > (self.lifetimes.expires_at(session) or wall):
            self._errands.begin(name, lambda: self._endings.expire(session))

    def _end_what_nobody_wants(self, session: Session) -> None:
        now, name = self._now(), session.spec.id
        if self._overdue(session) and now - self._asked.get(name, float("-inf")) > ASKED_AGAIN:
            self._asked[name] = now
            self._errands.begin(name, lambda: self._abort(session))
        elif self._last_calls.due(session) and self._silent(session):
            self._errands.begin(name, lambda: self._make_last_call(session))

    # Both ask again: an errand may have to wait for its turn.

    def _abort(self, session: Session) -> None:
        if reason := self._overdue(session):
            self.end(session, "aborted", reason)

    def _make_last_call(self, session: Session) -> None:
        if self._silent(session):
            self._last_calls.make(session)

    def _overdue(self, session: Session) -> str:
        return self.lifetimes.overdue(session, self._silent(session), self.wall())

    def _silent(self, session: Session) -> bool:
        now = self._now()  # before it is known whether this replica hears: it may freeze between
        if self.chronicle.deaf():
            return False  # who cannot hear cannot tell
        return self.lifetimes.silent(session, self.name, now)

    def _conclude(self, session: Session) -> None:
        with self._lock:
            heard = self._terminals.get(session.spec.id)
        if heard is not None and session.state == "open":
            terminal, found = heard[1], heard[2]
            state, reason = "completed", ""
            if isinstance(terminal, Failed):
                state, reason = terminal.state, terminal.reason
            self._endings.say_ended(
                session, state, reason, result_times=found.times, result_bytes=found.bytes
            )
        if not session.released:
            self._endings.release(session)
