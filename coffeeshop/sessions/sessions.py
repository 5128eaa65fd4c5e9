"""What clients ask of sessions: open, feed, cancel, keep, delete.

Any number of replicas of a gateway run this over one broker. What they know is the fold of
``ctl.sessions``; what goes on without a client is the work of keepers (`coffeeshop.actors.keeper`).
Exactly one end of a session counts: the first terminal record of its out journal.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from coffeeshop import errors
from coffeeshop.clock import SystemClock
from coffeeshop.crashpoints import crash_point
from coffeeshop.errors import JournalGone, ProtocolError, SessionFailed
from coffeeshop.names import STAGES
from coffeeshop.observability import tracing
from coffeeshop.observability.logs import get_logger
from coffeeshop.pipeline.messages import SessionSpec, assign_queue
from coffeeshop.sessions.events import End, SessionEvent
from coffeeshop.sessions.ingest import Ingest, publish
from coffeeshop.sessions.lifecycle import Action, KeeperState, Phase, Session, Timeouts, View
from coffeeshop.sessions.log import SessionLog
from coffeeshop.sessions.outcome import Outcomes
from coffeeshop.sessions.repairs import SessionRepairs
from coffeeshop.sessions.results import Update
from coffeeshop.sessions.steady_clock import SteadyClock
from coffeeshop.sessions.steps import Append, client_gone, ending, expiry, perform, steps_of
from coffeeshop.transport import Message, Transport
from coffeeshop.transport.outbox import Outbox

log = get_logger()
KEEPER_QUEUE = assign_queue("session")
"""Sessions that wait for a keeper."""
ASSIGNMENT_QUEUES = (KEEPER_QUEUE, *map(assign_queue, STAGES))
"""Every queue in which something waits for a process that takes it."""
REFUSALS = {each: getattr(errors, each) for each in ("BrokerRefuses", "BrokerFull")}
"""What the opener of a session is told that the broker refused; else `SessionFailed`."""


class Sessions:
    """Thread-safe. `start` before, `close` after everything else."""

    def __init__(
        self,
        transport: Transport,
        timeouts: Timeouts | None = None,
        *,
        name: str | None = None,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``name`` is this replica's, unique among them."""
        self.name = name or f"gateway-{uuid.uuid4().hex[:8]}"
        self.timeouts = timeouts or Timeouts()
        self.wall = SteadyClock(wall, now)
        """Seconds since 1970, for everything that ends by itself."""
        silence = self.timeouts.client_timeout
        self.clock = SystemClock()
        self.outbox = Outbox(transport, self.clock)
        self.log = SessionLog(
            self.outbox,
            self.name,
            alive_period=silence / 4,
            ping_period=max(silence / 12, min(1.0, silence / 2)),
            now=now,
            wall=self.wall,
        )
        self.outcomes = Outcomes(transport, self.clock, self.wall, self._on_said)
        """What the out journals say."""
        self.repairs = SessionRepairs(
            self.outbox,
            silence,
            self._count_as_gone,
            now,
            self.wall,
            self.timeouts.stalled_after,
        )
        self._lock = threading.Lock()
        self._ingests: dict[str, Ingest] = {}
        self._fed: dict[str, Future[None]] = {}
        """Sessions whose first batch came by here, until they end."""

    def start(self) -> None:
        """Read what happened so far and follow what happens. Raises `Unreachable`."""
        self.log.start()
        self.log.on_event.append(self._on_event)
        for session in self.log.all():
            self._watch(session)

    def close(self) -> None:
        """Stop following; sessions go on elsewhere."""
        self.log.give_up()
        self.outcomes.close()
        self.log.close()
        self.outbox.close()
        self.clock.close()

    def open(self, spec: SessionSpec, name: str = "", owner: str = "") -> Session:
        """Open a session, or go on opening it; blocks until a keeper has created all of it.

        Its keeper is assigned before it is announced, and it is announced before its first object
        is made: so what a crash leaves behind has a keeper that removes it. Raises `Unreachable`,
        `ProtocolError` when there is a session of that id with other parameters or of another
        owner, `BrokerRefuses`, `BrokerFull`, and `SessionFailed` when it cannot be created.
        """
        about = {"session": spec.id, "plan": spec.plan}
        above = tracing.headers()
        with tracing.span("session opened", about, root=True) as span:
            # The tasks are below the client's span, or below this one where it has none.
            own = {tracing.HEADER: span.traceparent} if span.traceparent else {}
            self.assign_keeper(spec.id, above or own)
            crash_point("gateway.keeper_assigned")
            self.log.append_and_read_back(
                "opened", spec.id, spec=spec.fields(), name=name, owner=owner
            )
            crash_point("gateway.opened_written")
            known = self.log.get(spec.id)
            if known is not None and (known.spec != spec or known.owner != owner):
                raise ProtocolError("a session with this id exists with different parameters")
            known = self.log.wait_for(spec.id, _is_created)
        if known is None:
            raise JournalGone(f"the session {spec.id} has ended")
        if known.refused:
            raise REFUSALS.get(known.refused, SessionFailed)(known.reason)
        return known

    def assign_keeper(self, session: str, headers: Mapping[str, str] | None = None) -> None:
        """Put a session up for a keeper. Blocks; raises `Unreachable`, `BrokerRefuses`."""
        publish(self.outbox, KEEPER_QUEUE, Message({**(headers or {}), "session": session}))

    def ingest(self, spec: SessionSpec) -> Ingest:
        """The way into a session's journals."""
        with self._lock:
            begin = partial(self.feed, spec.id)
            return self._ingests.setdefault(spec.id, Ingest(self.outbox, spec, begin))

    def feed(self, session: str) -> Future[None]:
        """A client begins to send: its keeper puts its tasks up for the nodes. Does not block.

        The future is done when the log has it, after which its keeper is bound to.
        """
        known = self.log.get(session)
        with self._lock:
            fed = self._fed.get(session)
            if known is not None and (known.fed or known.assigned):
                fed = Future()
                fed.set_result(None)
            elif fed is None or (fed.done() and fed.exception() is not None):
                fed = self._fed[session] = self.log.append("fed", session)
            return fed

    def table_ended(
        self,
        session: str,
        table: str,
        producer: str,
        batches: int,
        left_out: Mapping[str, Any] | None = None,
    ) -> Future[None]:
        """Every batch of a table was taken from a producer, who left out some rows of it."""
        told = {} if left_out is None else {"left_out": dict(left_out)}
        return self.log.append(
            "table_ended", session, table=table, producer=producer, batches=batches, **told
        )

    def complete(self, session: Session) -> list[str]:
        """The queries of an open session whose results are all there."""
        known = self.outcomes.known(session.spec.id)
        return known.complete if known is not None else []

    def result_times(self, session: Session) -> Mapping[str, float]:
        """When each complete query was complete, in seconds since 1970."""
        known = self.outcomes.known(session.spec.id)
        return session.result_times if known is None else known.found.times

    def end_of(self, session: str) -> End | None:
        """How a session's out journal says that it ended; None while it does not, or unread."""
        known = self.outcomes.known(session)
        return None if known is None else known.ended

    def keep(self, session: Session, seconds: float) -> None:
        """Keep its results at least that long from now, within `Timeouts.longest_keep`. Blocks."""
        until = self.wall() + min(seconds, self.timeouts.longest_keep)
        self.log.append_and_read_back("kept", session.spec.id, until=until)

    def share(self, session: Session, link: str, seconds: float) -> float:
        """Have a link show it for so many seconds from now; ``link`` is its token's hash. Gives the
        end in seconds since 1970. Blocks."""
        until = self.wall() + min(seconds, self.timeouts.longest_keep)
        self.log.append_and_read_back("shared", session.spec.id, link=link, until=until)
        return until

    def unshare(self, session: Session) -> None:
        """End the links to it that there are. Blocks."""
        self.log.append_and_read_back("unshared", session.spec.id)

    def end(
        self,
        session: Session,
        state: str,
        reason: str,
        bad_rows: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Write one failure, which ends it unless another end was first. Blocks.

        ``bad_rows`` are those for which its client gives it up.
        """
        name = session.spec.id
        log.info(f"session.{state}", session=name, reason=reason)
        if bad_rows:
            self.log.append_and_read_back("bad_rows", name, rows=list(bad_rows))
        known: Session | None = session
        for _ in range(2):  # it may be declared meanwhile: then its out journal must tell of it
            if known is None or known.state != "open":
                return
            steps, declared = ending(known, state, reason, self.name), known.declared
            try:
                perform(steps, known.spec, self.outbox, self.log)
            except JournalGone:  # no reader will ever see a terminal event of it
                log.warning("session.out_journal_gone", session=name)
                self.log.append_and_read_back("ended", name, state=state, reason=reason)
            if declared:
                return
            known = self.log.get(name)

    def fail(self, session: Session, reason: str) -> None:
        """End it soon for this reason, unless it has ended. From any thread; does not block."""
        for step in ending(session, "failed", reason, self.name):
            if isinstance(step, Append) and session.state == "open":
                self.outbox.append_to_all([step.journal], step.record.message())

    def delete(self, session: Session) -> None:
        """End it if need be and remove all of it, results included. Blocks."""
        if session.state == "open":
            self.log.append_and_read_back(
                "ended", session.spec.id, state="cancelled", reason="deleted"
            )
        self.expire(session)

    def expire(self, session: Session, **more: Any) -> None:
        """Remove all of it; ``more`` are fields of the event. Blocks."""
        perform(expiry(session.spec, **more), session.spec, self.outbox, self.log)

    def view(self, session: Session, state: KeeperState) -> View:
        """What a keeper in this state decides on now."""
        return View(session, state, self.log.moment(), self.timeouts)

    def act(
        self, action: Action, view: View, headers: Mapping[str, str | int] | None = None
    ) -> None:
        """Take all steps of a keeper's action; ``headers``: those of assignments. Blocks."""
        steps = steps_of(action, view, self.name)
        perform(steps, view.session.spec, self.outbox, self.log, headers)

    def updated(self, session: str, update: Update) -> None:
        """Hear what the session's tasks miss. For its keeper; from the transport's thread."""
        known = self.log.get(session)
        if known is not None and known.state == "open":
            self.repairs.heard(known, update)

    def _on_said(self, spec: SessionSpec, update: Update) -> None:
        """Know what clients are asked for, wherever the session's keeper is."""
        known = self.log.get(spec.id)
        if update.said is not None and known is not None and known.state == "open":
            self.repairs.note(spec, update.said)

    def misses(self, session: Session) -> bool:
        """Whether tasks of an open session miss something. For its keeper."""
        return session.state == "open" and self.repairs.look(session, self.complete(session))

    def _count_as_gone(self, session: Session, reason: str) -> None:
        steps = client_gone(self.log.updated(session), self.name, reason)
        perform(steps, session.spec, self.outbox, self.log)

    def _on_event(self, event: SessionEvent) -> None:
        session = self.log.get(event.session)
        if session is None:
            self.outcomes.forget(event.session)
        if session is None or session.state != "open":
            self.repairs.forget(event.session)
            with self._lock:
                self._ingests.pop(event.session, None)
                self._fed.pop(event.session, None)
        elif event.kind in ("declared", "snapshot"):
            self._watch(session)

    def _watch(self, session: Session) -> None:
        if session.state == "open" and session.phase is not Phase.OPENING:
            self.outcomes.of(session.spec)


def _is_created(session: Session | None) -> bool:
    return session is None or session.phase is not Phase.OPENING
