"""The root of all that looks after sessions, and how a process hosts it.

```text
KeeperSupervisor     takes sessions from ctl.assign.session; acknowledges when their input is gone
 ├ LogTicker         pings through the log; tells of clients' activity
 ├ Keepers x 4       each has the keepers of its share of the live sessions
 └ ReleasedSessions  expires results; deletes orphans; finds sessions without a keeper
```
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pykka

from coffeeshop.actors.keeper import Keep, Keepers, Look, SessionOver
from coffeeshop.actors.restarts import NODE_INTENSITY
from coffeeshop.actors.rounds import (
    CameRound,
    Context,
    LogTicker,
    ReleasedSessions,
    RoundsActor,
    StepFailed,
    Tick,
)
from coffeeshop.actors.supervised import Parent, Ref, tell, telling
from coffeeshop.actors.supervision import Supervisor
from coffeeshop.clock import Backoff
from coffeeshop.crashpoints import crash_point
from coffeeshop.errors import CoffeeshopError
from coffeeshop.observability import tracing
from coffeeshop.observability.logs import get_logger
from coffeeshop.sessions.events import SessionEvent
from coffeeshop.sessions.lifecycle import Action
from coffeeshop.sessions.retention import Retention
from coffeeshop.sessions.sessions import KEEPER_QUEUE, Sessions
from coffeeshop.transport import Consumer, QueueDelivery

log = get_logger()
SHARES = 4
"""Actors that have keepers: so many sessions can wait for the broker at once."""
MOST = 60_000
"""Sessions that a process keeps, at most: more than are ever open."""
PATIENCE = 90.0
"""Seconds in which each actor must come round: more than the broker may take for one action."""
RESTARTS = Backoff(0.2, 30.0)
"""Slow enough in the end that `NODE_INTENSITY` bears one actor that always fails."""
QUEUE_DELAY = 1.0
"""Seconds until a queue that was deleted is made again, if that fails at first."""
STOP_TIMEOUT = 30.0
TOLD_OF = ("opened", "declared", "fed", "ended", "client_gone", "released", "expired", "snapshot")
STEPS = ("tick", "retention", "orphans", "adopt", *(each.name.lower() for each in Action))
"""What can fail, by the names of metrics."""


@dataclass(frozen=True)
class KeeperStatus:
    """How the keepers of a process do."""

    came_round: float
    """When the slowest actor last looked at all that it looks after, on the process's clock."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """By what failed, see `STEPS`."""
    last: str = ""
    """The last failure that concerns more than one session."""


@dataclass(frozen=True)
class _Assigned:
    taker: int
    handed: QueueDelivery


@dataclass(frozen=True)
class _QueueGone:
    taker: int


@dataclass
class _Held:
    """A session that is ours, and the deliveries to acknowledge when it is over."""

    keep: Keep
    tags: list[int] = field(default_factory=list)


class KeeperSupervisor(Supervisor):
    """The root: takes sessions to keep, and supervises who keeps them; one_for_one."""

    def __init__(
        self,
        context: Context,
        on_failure: Callable[[str], None],
        on_status: Callable[[KeeperStatus], None],
    ) -> None:
        """Both are called from the actor's thread; ``on_failure`` when the root itself fails."""
        super().__init__(None, context.sessions.clock, NODE_INTENSITY, RESTARTS, on_failure)
        self.shared = context
        self._on_status = on_status
        self._consumer: Consumer | None = None
        self._taker = 0
        self._held: dict[str, _Held] = {}
        self._came_round: dict[str, float] = {}
        self._failed_steps: Counter[str] = Counter()
        self._last = ""

    def started(self) -> None:
        """Start the children, then take sessions."""
        kinds = {"log": LogTicker, "released": ReleasedSessions}
        kinds |= {f"keepers-{number}": Keepers for number in range(SHARES)}
        for name, kind in kinds.items():
            self._came_round[name] = self.clock.now()
            self.start_child(name, lambda parent, kind=kind: self._start_kind(parent, kind))  # type: ignore[misc]
        me = self.actor_ref
        self.shared.sessions.log.on_event.append(lambda event: _on_event(me, event))
        self._take_assignments()
        self._publish_status()

    def _start_kind(self, parent: Parent, kind: type[RoundsActor]) -> Ref:
        ref = kind.start(parent, self.shared)
        for session, held in self._held.items():
            if _share(session) == parent.name:
                tell(ref, held.keep)
        return ref

    def stopped(self) -> None:
        """Hand the sessions back, then stop the children."""
        if self._consumer is not None:
            self._consumer.close()
        super().stopped()

    def received(self, message: Any) -> None:
        """An assignment, or word of a child."""
        match message:
            case _Assigned(taker, handed) if taker == self._taker:
                self._assigned(handed)
            case Look(session) if session in self._held:
                self._tell_share(session, message)
            case SessionOver(session):
                self._over(session)
            case CameRound(name):
                self._came_round[name] = self.clock.now()
            case StepFailed(step, reason, session):
                self._failed_steps[step] += 1
                self._last = self._last if session else f"{step}: {reason}"
            case _QueueGone(taker) if taker == self._taker:
                self._queue_gone()
            case Tick():
                self._publish_status()

    def restarting(self, name: str) -> None:
        """Count it."""
        self._failed_steps["tick"] += 1
        self._last = f"{name} failed"

    def _publish_status(self) -> None:
        slowest = min(self._came_round.values())
        self._on_status(KeeperStatus(slowest, dict(self._failed_steps), self._last))
        self.clock.call_later(self.shared.period, telling(self.actor_ref, Tick()))

    def _take_assignments(self) -> None:
        me, transport = self.actor_ref, self.shared.sessions.outbox.transport
        self._taker += 1
        taker = self._taker
        transport.declare_queue(KEEPER_QUEUE)
        self._consumer = transport.consume(
            KEEPER_QUEUE,
            MOST,
            lambda handed: telling(me, _Assigned(taker, handed))(),
            telling(me, _QueueGone(taker)),
        )

    def _queue_gone(self) -> None:
        """It was deleted, by an operator or by a policy of the broker: make another."""
        log.warning("node.queue_gone", queue=KEEPER_QUEUE)
        try:
            self._take_assignments()
            for session, held in self._held.items():
                held.tags.clear()  # to another consumer they would mean others
                self.shared.sessions.assign_keeper(session)
        except CoffeeshopError as error:
            log.warning("node.queue_not_made", queue=KEEPER_QUEUE, reason=str(error))
            gone = _QueueGone(self._taker)
            self.clock.call_later(QUEUE_DELAY, telling(self.actor_ref, gone))

    def _assigned(self, handed: QueueDelivery) -> None:
        headers = handed.message.headers
        session = str(headers.get("session", ""))
        crash_point("keeper.assignment_taken")
        keep = Keep(session, {k: v for k, v in headers.items() if k == tracing.HEADER})
        self._held.setdefault(session, _Held(keep)).tags.append(handed.tag)
        self._tell_share(session, keep)

    def _tell_share(self, session: str, message: object) -> None:
        ref = self.child(_share(session))
        if ref is not None:  # otherwise it is about to be restarted, and looks at all then
            tell(ref, message)

    def _over(self, session: str) -> None:
        held = self._held.pop(session, None)
        for tag in () if held is None else held.tags:
            assert self._consumer is not None
            crash_point("keeper.before_ack")
            self._consumer.ack(tag)
            crash_point("keeper.after_ack")


class HostedKeepers:
    """The keepers of a process, seen from outside the actors. Thread-safe."""

    def __init__(
        self,
        sessions: Sessions,
        retention: Retention | None = None,
        on_failure: Callable[[str], None] = lambda reason: None,
        *,
        period: float = 0.5,
    ) -> None:
        """``period``: seconds between two looks at everything. ``on_failure`` is called when the
        root fails: the process is to be replaced."""
        self._context = Context(sessions, retention or Retention(), period)
        self._on_failure = on_failure
        self._status = KeeperStatus(sessions.clock.now())
        self._root: pykka.ActorRef[Any] | None = None

    def start(self) -> None:
        """Keep sessions. ``Sessions.start`` comes before."""
        self._root = KeeperSupervisor.start(self._context, self._on_failure, self._take_status)

    def close(self) -> None:
        """Hand every session back. ``SessionLog.give_up`` comes before, ``close`` after."""
        root, self._root = self._root, None
        if root is not None:
            try:
                root.stop(timeout=STOP_TIMEOUT)
            except pykka.ActorDeadError:
                log.info("keepers.ended_before")
            except pykka.Timeout:
                log.error("keepers.do_not_stop", seconds=STOP_TIMEOUT)

    @property
    def failures(self) -> Mapping[str, int]:
        """How often each of `STEPS` failed."""
        return self._status.failures

    @property
    def age(self) -> float:
        """Seconds since every actor had looked at all that it looks after."""
        return max(0.0, self._context.sessions.clock.now() - self._status.came_round)

    def trouble(self) -> str:
        """Why sessions are not looked after; empty while they are."""
        if self._root is None or self.age <= PATIENCE:
            return ""
        why = f": {self._status.last}" if self._status.last else ""
        return f"sessions have not been looked after for {self.age:.0f} s{why}"

    def _take_status(self, status: KeeperStatus) -> None:
        self._status = status


def _share(session: str) -> str:
    return f"keepers-{zlib.crc32(session.encode()) % SHARES}"


def _on_event(supervisor: Ref, event: SessionEvent) -> None:
    if event.kind in TOLD_OF:
        tell(supervisor, Look(event.session))
