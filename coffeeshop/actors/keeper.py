"""Keepers: what carries each session from its opening to the end of its clean-up.

```text
KeeperSupervisor     takes sessions from ctl.assign.session; acknowledges when their input is gone
 ├ LogTicker         pings through the log; tells of clients' activity
 ├ Keepers x 4       each has the keepers of its share of the live sessions
 └ ReleasedSessions  expires results; deletes orphans; finds sessions without a keeper
```

A keeper is a value, not a thread: a thousand idle sessions take no thread each. It is supervised as
an actor would be: what it raises ends it and no other, and it begins anew, with backoff, from the
log. One that fails more often than `SESSION_INTENSITY` allows fails its session. A broker that does
not answer is no failure: the keeper waits, and tries again. What a keeper does is
`sessions.lifecycle`; two keepers of one session are harmless.
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pykka

from coffeeshop.actors.restarts import NODE_INTENSITY, SESSION_INTENSITY, Failures
from coffeeshop.actors.supervised import (
    Parent,
    Ref,
    SupervisedActor,
    log_failure,
    reason_of,
    tell,
)
from coffeeshop.actors.supervision import Supervisor
from coffeeshop.clock import Backoff, Clock
from coffeeshop.crashpoints import crash_point
from coffeeshop.errors import (
    BrokerRefuses,
    CoffeeshopError,
    JournalBroken,
    JournalGone,
)
from coffeeshop.observability import tracing
from coffeeshop.observability.logs import get_logger
from coffeeshop.sessions.events import End, SessionEvent
from coffeeshop.sessions.lifecycle import (
    LONGEST_OPENING,
    Action,
    KeeperState,
    Phase,
    Session,
    View,
    next_transition,
)
from coffeeshop.sessions.outcome import Subscription
from coffeeshop.sessions.retention import Retention
from coffeeshop.sessions.sessions import KEEPER_QUEUE, Sessions
from coffeeshop.sessions.steps import deleted, expiry, makes_journals, perform, steps_of
from coffeeshop.transport import Consumer, QueueDelivery

log = get_logger()
SHARES = 4
"""Actors that have keepers: so many sessions can wait for the broker at once."""
MOST = 60_000
"""Sessions that a process keeps, at most: more than are ever open."""
ACTIONS_IN_A_ROW = 10
ADOPTED_AFTER = 30.0
"""Seconds that something is due of a session until it is assigned to a keeper again."""
ORPHANS_PERIOD = 60.0
PATIENCE = 90.0
"""Seconds in which each actor must come round: more than the broker may take for one action."""
RESTARTS = Backoff(0.2, 30.0)
"""Slow enough in the end that `NODE_INTENSITY` bears one actor that always fails."""
RETRIES = Backoff(0.2, 10.0)
STOP_TIMEOUT = 30.0
TOLD_OF = ("opened", "declared", "fed", "ended", "client_gone", "released", "expired", "snapshot")
STEPS = ("tick", "retention", "orphans", "adopt", *(each.name.lower() for each in Action))
"""What can fail, by the names of metrics."""


@dataclass(frozen=True)
class Context:
    """What all keepers of a process share."""

    sessions: Sessions
    retention: Retention
    period: float
    clock: Clock


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
class Keep:
    """To keepers: this session is ours. ``headers``: those of its tasks' assignments."""

    session: str
    headers: Mapping[str, str | int]


@dataclass(frozen=True)
class Look:
    """To keepers: something happened to the session."""

    session: str


@dataclass(frozen=True)
class SessionOver:
    """To the supervisor: the session needs no keeper any more."""

    session: str


@dataclass(frozen=True)
class CameRound:
    """To the supervisor: an actor looked at all that it looks after."""

    name: str


@dataclass(frozen=True)
class StepFailed:
    """To the supervisor, to be counted."""

    step: str
    reason: str
    session: str = ""


class Tick:
    """Look at everything."""


@dataclass(frozen=True)
class _Assigned:
    taker: int
    handed: QueueDelivery


@dataclass(frozen=True)
class _QueueGone:
    taker: int


class _Ticking(SupervisedActor):
    """An actor that comes round every ``period`` seconds."""

    def __init__(self, parent: Parent, context: Context) -> None:
        super().__init__(parent)
        self.shared = context
        self.sessions = context.sessions

    def started(self) -> None:
        """Come round for the first time."""
        self.handle(Tick())

    def handle(self, message: Any) -> None:
        """`Tick`, or what a subclass knows."""
        if isinstance(message, Tick):
            self.come_round()
            assert self.parent is not None
            self.tell_parent(CameRound(self.parent.name))
            me = self.actor_ref
            self.shared.clock.call_later(self.shared.period, lambda: _forget(tell(me, Tick())))

    def come_round(self) -> None:
        """Look at everything."""
        raise NotImplementedError

    def failed(self, step: str, error: Exception, session: str = "") -> None:
        """Have it logged and counted: the others are looked after all the same."""
        log_failure(step, error, "step")
        self.tell_parent(StepFailed(step, reason_of(error), session))


class LogTicker(_Ticking):
    """Writes what is written now and then; see `SessionLog.tick`."""

    def come_round(self) -> None:
        """Tick."""
        self.sessions.log.tick()


@dataclass
class _Keeper:
    """One session's keeper. Belongs to its actor's thread."""

    since: float
    headers: Mapping[str, str | int]
    state: KeeperState = field(default_factory=KeeperState)
    subscription: Subscription | None = None
    """To what the session's tasks ask for."""
    failures: Failures = field(default_factory=lambda: Failures(SESSION_INTENSITY))
    attempts: int = 0
    not_before: float = float("-inf")


class Keepers(_Ticking):
    """The keepers of a share of the live sessions, each supervised by itself."""

    def __init__(self, parent: Parent, context: Context) -> None:
        super().__init__(parent, context)
        self._kept: dict[str, _Keeper] = {}

    def handle(self, message: Any) -> None:
        """A session to keep, or to look at."""
        match message:
            case Keep(session, headers):
                since = self.shared.clock.now()
                self._kept.setdefault(session, _Keeper(since, headers))
                self._attend(session)
            case Look(session):
                self._attend(session)
            case _:
                super().handle(message)

    def come_round(self) -> None:
        """Attend to every session."""
        for session in list(self._kept):
            self._attend(session)

    def _attend(self, name: str) -> None:
        """Do all that is due. What fails is tried again after a while."""
        keeper, now = self._kept.get(name), self.shared.clock.now()
        if keeper is None or now < keeper.not_before:
            return
        step = "attend"
        try:
            for _ in range(ACTIONS_IN_A_ROW):
                view = self._view(name, keeper)
                if view is None:
                    return
                row = next_transition(view)
                if row is None:
                    break
                step = row.action.name.lower()
                self._act(row.action, view, keeper)
                keeper.attempts = 0
        except CoffeeshopError as error:
            log.warning("session.unfinished", session=name, action=step, reason=str(error))
            self._later(keeper)
        except Exception as error:  # noqa: BLE001 - the keeper's failure, not this actor's
            self.failed(step, error, name)
            keeper.state = keeper.state.anew()
            if not keeper.failures.add(now):
                reason = f"its keeper failed too often; last reason: {reason_of(error)}"
                keeper.state = replace(keeper.state, failure=End("failed", reason))
            self._later(keeper)

    def _later(self, keeper: _Keeper) -> None:
        keeper.attempts += 1
        delay = RETRIES.delay(keeper.attempts, random.random)
        keeper.not_before = self.shared.clock.now() + delay

    def _view(self, name: str, keeper: _Keeper) -> View | None:
        """What there is to decide on; None when the session needs no keeper."""
        sessions = self.sessions
        session = sessions.log.latest(name)
        is_new = session is None and sessions.log.expired_owner(name) is None
        if is_new and self.shared.clock.now() - keeper.since < LONGEST_OPENING:
            return None  # it is about to be announced
        if session is not None:
            keeper.state = keeper.state.seeing(session, sessions.end_of(name))
        if session is None or keeper.state.is_over(session):
            del self._kept[name]
            if keeper.subscription is not None:
                keeper.subscription.close()
            self.tell_parent(SessionOver(name))
            return None
        misses = keeper.state.watching and sessions.misses(session)
        state = replace(keeper.state, misses=misses)
        return View(session, state, sessions.log.moment(), sessions.timeouts)

    def _act(self, action: Action, view: View, keeper: _Keeper) -> None:
        session, sessions = view.session, self.sessions
        say = log.info if action in (Action.ABORT, Action.GIVE_UP_CLIENT) else log.debug
        name = action.name.lower()
        reason = "" if view.overdue is None else view.overdue.reason
        say("keeper.acts", session=session.spec.id, action=name, reason=reason)
        keeper.state = keeper.state.before(action)
        try:
            if action is Action.WATCH:
                self._watch(session, keeper)
            elif action is Action.REPAIR:
                sessions.repairs.act(session)
            steps = steps_of(action, view, sessions.name)
            perform(steps, session.spec, sessions.outbox, sessions.log, keeper.headers)
        except (BrokerRefuses, JournalBroken) as error:
            if action not in (Action.DECLARE, Action.ASSIGN):
                raise
            keeper.state = replace(keeper.state, failure=self._refusal(action, error))
        except JournalGone:
            if action is not Action.ABORT:
                raise
            # It has no journal for a terminal event.
            keeper.state = replace(keeper.state, end=view.overdue)
        keeper.state = keeper.state.after(action, view.now.process)

    def _watch(self, session: Session, keeper: _Keeper) -> None:
        me, name = self.actor_ref, session.spec.id
        outcome = self.sessions.outcomes.of(session.spec)
        outcome.on_end(lambda _: _end_read(me, name))
        if keeper.subscription is None:
            hear = partial(self.sessions.updated, name)
            keeper.subscription = outcome.subscribe(hear, is_client=False)

    def _refusal(self, action: Action, error: CoffeeshopError) -> End:
        if isinstance(error, BrokerRefuses):
            name, reason = "BrokerRefuses", str(error)
        elif not makes_journals(self.sessions.outbox.transport):
            name, reason = "BrokerFull", "the broker makes no streams"
        else:
            name, reason = (
                "SessionFailed",
                f"the session could not be opened; open another: {error}",
            )
        return End("failed", reason, refused=name if action is Action.DECLARE else "")


class ReleasedSessions(_Ticking):
    """Looks after what has no keeper: released sessions, orphans, lost sessions."""

    def __init__(self, parent: Parent, context: Context) -> None:
        super().__init__(parent, context)
        self._due_since: dict[str, float] = {}
        self._orphans_at = float("-inf")

    def come_round(self) -> None:
        """Look at all sessions, then at what deleted ones may have left."""
        now, timeouts = self.sessions.log.moment(), self.sessions.timeouts
        known = self.sessions.log.all()
        unreleased = {each.spec.id for each in known if each.phase is not Phase.RELEASED}
        self._due_since = {k: at for k, at in self._due_since.items() if k in unreleased}
        for session in known:
            state = KeeperState(watching=True, end=self.sessions.end_of(session.spec.id))
            view = View(session, state, now, timeouts)
            row = next_transition(view)
            if row is None:
                self._due_since.pop(session.spec.id, None)
            elif session.phase is Phase.RELEASED:
                self._try(row.action.name.lower(), session, self._act, row.action, view)
            else:
                self._adopt(session, now.process)
        for session in self.shared.retention.crowded_out(known, now.wall):
            log.info("session.makes_room", session=session.spec.id)
            self._try("retention", session, self._expire, session)
        if now.process >= self._orphans_at and self._clean_up_orphans():
            self._orphans_at = self.sessions.log.moment().process + ORPHANS_PERIOD

    def _try(self, step: str, session: Session, work: Callable[..., None], *args: Any) -> None:
        """One session that cannot be looked after does not hide the others."""
        try:
            work(*args)
        except CoffeeshopError as error:
            log.warning("session.unfinished", session=session.spec.id, reason=str(error))
        except Exception as error:  # noqa: BLE001 - counted; it is tried again
            self.failed(step, error, session.spec.id)

    def _act(self, action: Action, view: View) -> None:
        steps = steps_of(action, view, self.sessions.name)
        perform(steps, view.session.spec, self.sessions.outbox, self.sessions.log)

    def _expire(self, session: Session, **more: Any) -> None:
        steps = expiry(session.spec, **more)
        perform(steps, session.spec, self.sessions.outbox, self.sessions.log)

    def _adopt(self, session: Session, now: float) -> None:
        """Assign a session to a keeper of which something has been due for long.

        Its queue was deleted, or it was opened by a release that had no keepers.
        """
        since = self._due_since.setdefault(session.spec.id, now)
        if now - since > ADOPTED_AFTER:
            self._due_since[session.spec.id] = now
            log.warning("session.adopted", session=session.spec.id, phase=session.phase.value)
            self._try("adopt", session, self.sessions.assign_keeper, session.spec.id)

    def _clean_up_orphans(self) -> bool:
        """Delete what could not be deleted, and what was made too late. Twice is harmless.

        Whether there was something to try."""
        orphans = self.sessions.log.possible_orphans(LONGEST_OPENING)
        broken = self.sessions.log.broken()
        for session in orphans:
            self._try("orphans", session, lambda s=session: self._expire(s, settled=True))
        for journal, session_id in broken.items():
            if deleted(self.sessions.outbox.transport, journal):
                log.info("journal.orphan_deleted", session=session_id, journal=journal)
                self.sessions.log.append_and_read_back(
                    "orphan_deleted", session_id, journal=journal
                )
        return bool(orphans or broken)


class KeeperSupervisor(Supervisor):
    """The root: takes sessions to keep, and supervises who keeps them; one_for_one."""

    def __init__(
        self,
        context: Context,
        on_failure: Callable[[str], None],
        on_status: Callable[[KeeperStatus], None],
    ) -> None:
        """Both are called from the actor's thread; ``on_failure`` when the root itself fails."""
        super().__init__(None, context.clock, NODE_INTENSITY, RESTARTS, on_failure)
        self.shared = context
        self._on_status = on_status
        self._consumer: Consumer | None = None
        self._taker = 0
        self._held: dict[str, list[int]] = {}
        self._headers: dict[str, Mapping[str, str | int]] = {}
        self._came_round: dict[str, float] = {}
        self._failed_steps: Counter[str] = Counter()
        self._last = ""

    def started(self) -> None:
        """Start the children, then take sessions."""
        kinds = {"log": LogTicker, "released": ReleasedSessions}
        kinds |= {f"keepers-{number}": Keepers for number in range(SHARES)}
        for name, kind in kinds.items():
            self._came_round[name] = self.shared.clock.now()
            self.start_child(name, lambda parent, kind=kind: self._start_kind(parent, kind))  # type: ignore[misc]
        me = self.actor_ref
        self.shared.sessions.log.on_event.append(lambda event: self._on_event(me, event))
        self._take_assignments()
        self._publish_status()

    @staticmethod
    def _on_event(me: Ref, event: SessionEvent) -> None:
        if event.kind in TOLD_OF:
            tell(me, Look(event.session))

    def _start_kind(self, parent: Parent, kind: type[_Ticking]) -> Ref:
        ref = kind.start(parent, self.shared)
        for session in self._held:
            if _share(session) == parent.name:
                tell(ref, Keep(session, self._headers.get(session, {})))
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
                self._came_round[name] = self.shared.clock.now()
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
        me = self.actor_ref
        self.clock.call_later(self.shared.period, lambda: _forget(tell(me, Tick())))

    def _take_assignments(self) -> None:
        me, transport = self.actor_ref, self.shared.sessions.outbox.transport
        self._taker += 1
        taker = self._taker
        transport.declare_queue(KEEPER_QUEUE)
        self._consumer = transport.consume(
            KEEPER_QUEUE,
            MOST,
            lambda handed: _forget(tell(me, _Assigned(taker, handed))),
            lambda: _forget(tell(me, _QueueGone(taker))),
        )

    def _queue_gone(self) -> None:
        """It was deleted, by an operator or by a policy of the broker: make another."""
        log.warning("node.queue_gone", queue=KEEPER_QUEUE)
        try:
            self._take_assignments()
            for session in self._held:
                self._held[session] = []  # to another consumer the tags would mean others
                self.shared.sessions.assign_keeper(session)
        except CoffeeshopError as error:
            log.warning("node.queue_not_made", queue=KEEPER_QUEUE, reason=str(error))
            me, gone = self.actor_ref, _QueueGone(self._taker)
            self.clock.call_later(1.0, lambda: _forget(tell(me, gone)))

    def _assigned(self, handed: QueueDelivery) -> None:
        session = str(handed.message.headers.get("session", ""))
        crash_point("keeper.assignment_taken")
        self._held.setdefault(session, []).append(handed.tag)
        headers = handed.message.headers
        self._headers[session] = {k: v for k, v in headers.items() if k == tracing.HEADER}
        self._tell_share(session, Keep(session, self._headers[session]))

    def _tell_share(self, session: str, message: object) -> None:
        ref = self.child(_share(session))
        if ref is not None:  # otherwise it is about to be restarted, and looks at all then
            tell(ref, message)

    def _over(self, session: str) -> None:
        self._headers.pop(session, None)
        for tag in self._held.pop(session, []):
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
        clock = sessions.clock
        self._context = Context(sessions, retention or Retention(), period, clock)
        self._on_failure = on_failure
        self._status = KeeperStatus(clock.now())
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
        return max(0.0, self._context.clock.now() - self._status.came_round)

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


def _end_read(keepers: Ref, session: str) -> None:
    crash_point("keeper.end_read")
    tell(keepers, Look(session))


def _forget(_: bool) -> None:
    """An actor that has ended needs not be told."""
