"""The root actor of a process: takes assignments, supervises the sessions it hosts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cachetools import LRUCache

from coffeeshop.actors.dispatcher import Dispatcher
from coffeeshop.actors.intake import Assigned, Intake
from coffeeshop.actors.monitor import Hanging, Taken, TaskMonitor
from coffeeshop.actors.restarts import NODE_INTENSITY, SESSION_INTENSITY, Intensity
from coffeeshop.actors.session import SessionActor, StartTask, TaskHangs, TaskRestarts, TaskSettled
from coffeeshop.actors.supervised import Parent, Ref, tell
from coffeeshop.actors.supervision import Supervisor
from coffeeshop.clock import Backoff, Clock
from coffeeshop.crashpoints import crash_point
from coffeeshop.errors import CodecError, CoffeeshopError
from coffeeshop.observability import tracing
from coffeeshop.observability.logs import get_logger
from coffeeshop.pipeline.messages import Assignment, SessionSpec, TaskId, assign_queue
from coffeeshop.pipeline.repair import REPAIR
from coffeeshop.transport import Transport

log = get_logger()
FULL_LOOK = 0.25
"""Seconds until a node that holds all the assignments it may sees whether it may take more."""
QUEUE_DELAY = 1.0
"""Seconds until a queue that was deleted is made again, if that fails at first."""
TOMBSTONES = 10_000
"""Settled tasks a node remembers, so that a repeated assignment starts nothing."""


@dataclass(frozen=True)
class NodeConfig:
    """How patient the node's supervisors are."""

    node: Intensity = NODE_INTENSITY
    session: Intensity = SESSION_INTENSITY
    backoff: Backoff = field(default_factory=Backoff)
    claims: bool = False
    """Whether attempts claim their tasks: of use where another process may take them next."""
    hang_timeout: float = math.inf
    """Seconds a task may be at one record. A thread cannot be ended: the session fails, and the
    node asks to be replaced."""
    repair_after: float = math.inf
    """Seconds without anything new after which a task looks for gaps: of use where a broker may
    lose what it confirmed."""


@dataclass(frozen=True)
class NodeStatus:
    """`NodeSupervisor`'s answer to an ``ask`` for `GetStatus`."""

    sessions: tuple[str, ...]
    tasks: tuple[str, ...]
    restarts: int = 0
    settled: int = 0
    taken: Mapping[str, Taken] = field(default_factory=dict)
    """What its tasks took, by stage."""
    in_progress: Mapping[TaskId, tuple[str, float]] = field(default_factory=dict)
    """What each task is at, and for how many seconds."""
    by_session: Mapping[str, Mapping[str, int]] = field(default_factory=dict, compare=False)
    """How many tasks of each stage, by session."""


@dataclass(frozen=True)
class Drain:
    """Tell a node to take no more assignments; ``on_idle`` is called when its tasks have ended."""

    on_idle: Callable[[], None]


@dataclass(frozen=True)
class _LookWhetherFull:
    """See whether more assignments of a stage may be taken."""

    stage: str


class CheckHangs:
    """See whether a task hangs."""


@dataclass(frozen=True)
class _QueueGone:
    """The queue of a stage's assignments is gone, from which this took them."""

    stage: str
    intake: Intake


class GetStatus:
    """Ask a node which sessions and tasks it works on."""


@dataclass
class _Session:
    spec: SessionSpec
    traceparent: str = ""
    tags: dict[TaskId, list[Assigned]] = field(default_factory=dict)


class NodeSupervisor(Supervisor):
    """One per process. Its children are `SessionActor`s, one_for_one."""

    child_field = "session"

    def __init__(
        self,
        transport: Transport,
        stages: Sequence[str],
        clock: Clock,
        config: NodeConfig | None = None,
        on_failure: Callable[[str], None] | None = None,
        dispatcher: Dispatcher | None = None,
        own_thread: bool = True,
    ) -> None:
        """``on_failure`` is called, from the actor's thread, when the root itself fails, and when
        a task hangs: the process is to be replaced. ``dispatcher`` and ``own_thread``: see
        `Supervisor`."""
        config = config or NodeConfig()
        super().__init__(
            None, clock, config.node, config.backoff, on_failure, dispatcher, own_thread
        )
        self._config = config
        self._monitor = TaskMonitor(config.claims, config.repair_after)
        self._on_failure = on_failure
        self._hanging: set[TaskId] = set()
        self._transport = transport
        self._stages = tuple(stages)
        self._intakes: dict[str, Intake] = {}
        self._looking_at: set[str] = set()
        self._sessions: dict[str, _Session] = {}
        self._settled: LRUCache[TaskId, int] = LRUCache(TOMBSTONES)
        self._settled_in_all = 0
        self._restarts = 0
        self._draining: Drain | None = None

    def started(self) -> None:
        """Take assignments of every stage."""
        for stage in self._stages:
            self._take_assignments(stage)
        self._look_later()
        log.info("node.started", stages=list(self._stages))

    def _take_assignments(self, stage: str) -> None:
        """Make the queue unless it exists, and consume it."""
        me = self.actor_ref

        def gone() -> None:
            _ignore(tell(me, _QueueGone(stage, intake)))

        intake = Intake(self._transport, stage, _teller(me), gone)
        self._intakes[stage] = intake
        intake.start()

    def _queue_gone(self, stage: str, intake: Intake) -> None:
        """It was deleted, by an operator or by a policy of the broker: make another."""
        if self._draining is not None or self._intakes[stage] is not intake:
            return
        log.warning("node.queue_gone", queue=assign_queue(stage))
        for session in self._sessions.values():
            for tags in session.tags.values():  # to another consumer they would mean others
                tags[:] = [each for each in tags if each.stage != stage]
        me = self.actor_ref
        try:
            self._take_assignments(stage)
        except CoffeeshopError as error:  # the broker is away, too: this is tried again
            log.warning("node.queue_not_made", queue=assign_queue(stage), reason=str(error))
            gone = _QueueGone(stage, self._intakes[stage])
            self.clock.call_later(QUEUE_DELAY, lambda: _ignore(tell(me, gone)))

    def stopped(self) -> None:
        """Hand assignments back, then stop the sessions."""
        for intake in self._intakes.values():
            intake.close()
        super().stopped()
        log.info("node.stopped")

    def received(self, message: Any) -> None:
        """An assignment, or word of a session."""
        match message:
            case Assigned():
                self._assigned(message)
            case _LookWhetherFull(stage):
                self._adapt(stage)
            case TaskSettled(task):
                self._task_settled(task)
                self._tell_idle()
            case TaskRestarts():
                self._restarts += 1
            case Drain():
                self._drain(message)
            case CheckHangs():
                self._check_hangs()
            case _QueueGone(stage, intake):
                self._queue_gone(stage, intake)

    def on_receive(self, message: Any) -> Any:
        """pykka's hook: `GetStatus` is the one question a node answers."""
        if isinstance(message, GetStatus):
            return NodeStatus(
                tuple(self._sessions),
                tuple(task.producer for s in self._sessions.values() for task in s.tags),
                self._restarts,
                self._settled_in_all,
                self._monitor.throughput.taken(),
                self._monitor.at_work(self.clock.now()),
                {
                    name: Counter(task.stage for task in each.tags)
                    for name, each in self._sessions.items()
                },
            )
        return super().on_receive(message)

    def restarting(self, name: str) -> None:
        """Count it."""
        self._restarts += 1

    def _look_later(self) -> None:
        me, longest = self.actor_ref, self._config.hang_timeout
        if longest < math.inf:
            self.clock.call_later(longest / 4, lambda: _ignore(tell(me, CheckHangs())))

    def _check_hangs(self) -> None:
        for each in self._monitor.hanging(self.clock.now(), self._config.hang_timeout):
            if each.task not in self._hanging:
                self._hanging.add(each.task)
                self._give_up_on(each)
        self._look_later()

    def _give_up_on(self, hanging: Hanging) -> None:
        task = hanging.task
        reason = f"{task.producer} hangs over {hanging.record} for {hanging.seconds:.0f} s"
        log.error("node.task_hangs", session=task.session, reason=reason)
        ref = self.child(task.session)
        if ref is not None:
            tell(ref, TaskHangs(task, reason))
        if self._on_failure is not None:
            self._on_failure(reason)

    def _drain(self, drain: Drain) -> None:
        self._draining = drain
        for intake in self._intakes.values():
            intake.stop_taking()
        self._tell_idle()

    def _tell_idle(self) -> None:
        if self._draining is not None and not self._sessions:
            self._draining.on_idle()

    def _assigned(self, assigned: Assigned) -> None:
        intake = self._intakes[assigned.stage]
        if not intake.took(assigned):
            return
        try:
            assignment = Assignment.from_bytes(assigned.handed.message.body)
        except CodecError as error:
            log.error("node.bad_assignment", stage=assigned.stage, reason=str(error))
            intake.ack(assigned)  # no other node can read it either
            return
        if _repair_of(assigned) <= self._settled.get(assignment.task, -1):
            intake.ack(assigned)
        elif self._draining is not None:
            intake.requeue(assigned)
        else:
            traceparent = str(assigned.handed.message.headers.get(tracing.HEADER, ""))
            session = _Session(assignment.spec, traceparent)
            session = self._sessions.setdefault(assignment.spec.id, session)
            self._take(assigned, assignment.task, session)
            self._look_whether_full(assigned.stage)

    def _look_whether_full(self, stage: str) -> None:
        me = self.actor_ref
        if self._intakes[stage].full and stage not in self._looking_at:
            self._looking_at.add(stage)
            look = _LookWhetherFull(stage)
            self.clock.call_later(FULL_LOOK, lambda: _ignore(tell(me, look)))

    def _adapt(self, stage: str) -> None:
        self._looking_at.discard(stage)
        if self._draining is None:
            self._intakes[stage].adapt(
                sum(task.stage == stage for task in self._monitor.at_work(self.clock.now()))
            )
            self._look_whether_full(stage)

    def _take(self, assigned: Assigned, task: TaskId, session: _Session) -> None:
        crash_point("node.assignment_taken")
        spec = session.spec
        session.tags.setdefault(task, []).append(assigned)
        ref = self.child(spec.id)
        if ref is not None:
            tell(ref, StartTask(task))
        elif spec.id not in self.children:
            log.info("eof_protocol.session_hosted", session=spec.id, plan=spec.plan)
            self.start_child(spec.id, lambda parent: self._start_session(parent, spec))
        # Otherwise it is about to be restarted, and is told all its tasks then.

    def _start_session(self, parent: Parent, spec: SessionSpec) -> Ref:
        ref = SessionActor.start(
            parent,
            spec,
            self._transport,
            self.clock,
            intensity=self._config.session,
            backoff=self._config.backoff,
            monitor=self._monitor,
            traceparent=self._sessions[spec.id].traceparent,
        )
        for task in self._sessions[spec.id].tags:
            tell(ref, StartTask(task))
        return ref

    def _task_settled(self, task: TaskId) -> None:
        self._settled_in_all += 1
        session = self._sessions.get(task.session)
        tags = [] if session is None else session.tags.pop(task, [])
        # What a request misses, the attempt may have sent before: it serves the one it began with.
        served = max([self._settled.get(task, 0), *map(_repair_of, tags[:1])])
        self._settled[task] = served
        if session is None:
            return
        for assigned in tags:
            if _repair_of(assigned) <= served:
                crash_point("node.before_ack")
                self._intakes[assigned.stage].ack(assigned)
                crash_point("node.after_ack")
            elif self._draining is not None:
                self._intakes[assigned.stage].requeue(assigned)
            else:
                self._take(assigned, task, session)
        if not session.tags:
            self._leave(task.session)

    def _leave(self, session: str) -> None:
        del self._sessions[session]
        self.stop_child(session)
        log.info("eof_protocol.session_left", session=session)


def _repair_of(assigned: Assigned) -> int:
    """Which request led to it; 0 for a task's first assignment."""
    number = assigned.handed.message.headers.get(REPAIR, 0)
    return number if isinstance(number, int) else 0


def _ignore(_: bool) -> None:
    """A node that has ended looks at nothing."""


def _teller(ref: Ref) -> Callable[[Assigned], None]:
    def say(assigned: Assigned) -> None:
        tell(ref, assigned)

    return say
