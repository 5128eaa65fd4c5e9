"""The root actor of a process: takes assignments, supervises the sessions it hosts."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coffeeshop import tracing
from coffeeshop.actors.care import Care, Hanging, Taken
from coffeeshop.actors.clock import Clock
from coffeeshop.actors.restarts import NODE_INTENSITY, SESSION_INTENSITY, Backoff, Intensity
from coffeeshop.actors.session import SessionActor, StartTask, TaskHangs, TaskRestarts, TaskSettled
from coffeeshop.actors.supervised import Parent, Ref, tell
from coffeeshop.actors.supervision import Supervisor
from coffeeshop.crashpoints import crash_point
from coffeeshop.errors import CodecError, CoffeeshopError
from coffeeshop.logs import get_logger
from coffeeshop.messages import Assignment, SessionSpec, TaskId, assign_queue
from coffeeshop.transport import Consumer, Handed, Transport

log = get_logger()
PREFETCH = 256
"""Tasks of one stage a node works on at once."""
QUEUE_DELAY = 1.0
"""Seconds until a queue that was deleted is made again, if that fails at first."""
TOMBSTONES = 10_000
"""Settled tasks a node remembers, so that a repeated assignment starts nothing."""


@dataclass(frozen=True)
class Supervision:
    """How patient the node's supervisors are."""

    node: Intensity = NODE_INTENSITY
    session: Intensity = SESSION_INTENSITY
    backoff: Backoff = field(default_factory=Backoff)
    claims: bool = False
    """Whether attempts claim their tasks: of use where another process may take them next."""
    hang_timeout: float = math.inf
    """Seconds a task may be at one record. A thread cannot be ended: the session fails, and the
    node asks to be replaced."""


@dataclass(frozen=True)
class _Assigned:
    stage: str
    handed: Handed


@dataclass(frozen=True)
class Hosted:
    """`NodeSupervisor`'s answer to an ``ask`` for `WhatIsHosted`."""

    sessions: tuple[str, ...]
    tasks: tuple[str, ...]
    restarts: int = 0
    settled: int = 0
    taken: Mapping[str, Taken] = field(default_factory=dict)
    """What its tasks took, by stage."""
    feeding: Mapping[TaskId, tuple[str, float]] = field(default_factory=dict)
    """What each task is at, and for how many seconds."""


@dataclass(frozen=True)
class Drain:
    """Tell a node to take no more assignments; ``on_idle`` is called when its tasks have ended."""

    on_idle: Callable[[], None]


class _LookForHanging:
    """See whether a task hangs."""


@dataclass(frozen=True)
class _QueueGone:
    """The queue of a stage's assignments is gone."""

    stage: str


class WhatIsHosted:
    """Ask a node which sessions and tasks it works on."""


@dataclass
class _Session:
    spec: SessionSpec
    traceparent: str = ""
    tags: dict[TaskId, list[tuple[str, int]]] = field(default_factory=dict)


class NodeSupervisor(Supervisor):
    """One per process. Its children are `SessionActor`s, one_for_one."""

    child_field = "session"

    def __init__(
        self,
        transport: Transport,
        stages: Sequence[str],
        clock: Clock,
        supervision: Supervision | None = None,
        on_failure: Callable[[str], None] | None = None,
    ) -> None:
        """``on_failure`` is called, from the actor's thread, when the root itself fails, and when
        a task hangs: the process is to be replaced."""
        supervision = supervision or Supervision()
        super().__init__(None, clock, supervision.node, supervision.backoff, on_failure)
        self._supervision = supervision
        self._care = Care(supervision.claims)
        self._on_failure = on_failure
        self._hanging: set[TaskId] = set()
        self._transport = transport
        self._stages = tuple(stages)
        self._consumers: dict[str, Consumer] = {}
        self._sessions: dict[str, _Session] = {}
        self._settled: OrderedDict[TaskId, None] = OrderedDict()
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
        self._transport.declare_queue(assign_queue(stage))
        self._consumers[stage] = self._transport.consume(
            assign_queue(stage),
            PREFETCH,
            _teller(me, stage),
            lambda: _ignore(tell(me, _QueueGone(stage))),
        )

    def _queue_gone(self, stage: str) -> None:
        """Somebody deleted it, or a policy of the broker did: make another."""
        if self._draining is not None:
            return
        log.warning("node.queue_gone", queue=assign_queue(stage))
        for session in self._sessions.values():
            for tags in session.tags.values():  # to another consumer they would mean others
                tags[:] = [each for each in tags if each[0] != stage]
        me = self.actor_ref
        try:
            self._take_assignments(stage)
        except CoffeeshopError as error:  # the broker is away, too: this is tried again
            log.warning("node.queue_not_made", queue=assign_queue(stage), reason=str(error))
            self.clock.call_later(QUEUE_DELAY, lambda: _ignore(tell(me, _QueueGone(stage))))

    def stopped(self) -> None:
        """Hand assignments back, then stop the sessions."""
        for consumer in self._consumers.values():
            consumer.close()
        super().stopped()
        log.info("node.stopped")

    def received(self, message: Any) -> None:
        """An assignment, or word of a session."""
        match message:
            case _Assigned(stage, handed):
                self._assigned(stage, handed)
            case TaskSettled(task):
                self._task_settled(task)
                self._tell_idle()
            case TaskRestarts():
                self._restarts += 1
            case Drain():
                self._drain(message)
            case _LookForHanging():
                self._look_for_hanging()
            case _QueueGone(stage):
                self._queue_gone(stage)

    def on_receive(self, message: Any) -> Any:
        """pykka's hook: `WhatIsHosted` is the one question a node answers."""
        if isinstance(message, WhatIsHosted):
            return Hosted(
                tuple(self._sessions),
                tuple(task.producer for s in self._sessions.values() for task in s.tags),
                self._restarts,
                self._settled_in_all,
                self._care.work.taken(),
                self._care.at_work(self.clock.now()),
            )
        return super().on_receive(message)

    def restarting(self, name: str) -> None:
        """Count it."""
        self._restarts += 1

    def _look_later(self) -> None:
        me, longest = self.actor_ref, self._supervision.hang_timeout
        if longest < math.inf:
            self.clock.call_later(longest / 4, lambda: _ignore(tell(me, _LookForHanging())))

    def _look_for_hanging(self) -> None:
        for each in self._care.hanging(self.clock.now(), self._supervision.hang_timeout):
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
        for consumer in self._consumers.values():
            consumer.stop_taking()
        self._tell_idle()

    def _tell_idle(self) -> None:
        if self._draining is not None and not self._sessions:
            self._draining.on_idle()

    def _assigned(self, stage: str, handed: Handed) -> None:
        try:
            assignment = Assignment.from_bytes(handed.message.body)
        except CodecError as error:
            log.error("node.bad_assignment", stage=stage, reason=str(error))
            self._consumers[stage].ack(handed.tag)  # nobody else could make sense of it
            return
        if assignment.task in self._settled:
            self._consumers[stage].ack(handed.tag)
        elif self._draining is not None:
            self._consumers[stage].requeue(handed.tag)
        else:
            traceparent = str(handed.message.headers.get(tracing.HEADER, ""))
            session = _Session(assignment.spec, traceparent)
            session = self._sessions.setdefault(assignment.spec.id, session)
            self._take(stage, handed.tag, assignment.task, session)

    def _take(self, stage: str, tag: int, task: TaskId, session: _Session) -> None:
        crash_point("node.assignment_taken")
        spec = session.spec
        session.tags.setdefault(task, []).append((stage, tag))
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
            self._supervision.session,
            self._supervision.backoff,
            self._care,
            self._sessions[spec.id].traceparent,
        )
        for task in self._sessions[spec.id].tags:
            tell(ref, StartTask(task))
        return ref

    def _task_settled(self, task: TaskId) -> None:
        self._settled[task] = None
        self._settled_in_all += 1
        while len(self._settled) > TOMBSTONES:
            self._settled.popitem(last=False)
        session = self._sessions.get(task.session)
        if session is None:
            return
        for stage, tag in session.tags.pop(task, []):
            crash_point("node.before_ack")
            self._consumers[stage].ack(tag)
            crash_point("node.after_ack")
        if not session.tags:
            self._leave(task.session)

    def _leave(self, session: str) -> None:
        del self._sessions[session]
        self.stop_child(session)
        log.info("eof_protocol.session_left", session=session)


def _ignore(_: bool) -> None:
    """A node that has ended looks at nothing."""


def _teller(ref: Ref, stage: str) -> Callable[[Handed], None]:
    def say(handed: Handed) -> None:
        tell(ref, _Assigned(stage, handed))

    return say
