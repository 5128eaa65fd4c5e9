"""Actors under test: nodes, and one session or task below a listener in its supervisor's place."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any

import pykka

from coffeeshop.actors import Clock, GetStatus, NodeConfig, NodeStatus, NodeSupervisor
from coffeeshop.actors.dispatcher import ThreadDispatcher
from coffeeshop.actors.restarts import Intensity
from coffeeshop.actors.session import SessionActor, StartTask, TaskRestarts
from coffeeshop.actors.supervised import Parent, Ref
from coffeeshop.actors.task import TaskActor
from coffeeshop.clock import Backoff
from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId, assign_queue
from coffeeshop.pipeline.plan import PLANS, destinations, plan_named
from coffeeshop.sessions.outcome import SessionOutcome
from tests.unit.helpers import PATIENCE, drain, input_records, tuples
from tests.unit.spies import Listener, SpyTransport

Actors = list[pykka.ActorRef[pykka.Actor]]
"""What a test has started; the fixture `actors` stops it."""
STAGES = tuple(dict.fromkeys(stage.name for plan in PLANS.values() for stage in plan.stages))
QUICK = NodeConfig(backoff=Backoff(0.001, 0.01))


class Cluster:
    """Nodes over one transport, and sessions to give them."""

    def __init__(self, transport: SpyTransport, clock: Clock, actors: Actors) -> None:
        for stage in STAGES:
            transport.declare_queue(assign_queue(stage))
        self.transport = transport
        self.failures: SimpleQueue[str] = SimpleQueue()
        self.clock = clock
        self._actors = actors
        self._dispatcher = ThreadDispatcher(clock)

    def node(self, config: NodeConfig | None = None, clock: Clock | None = None) -> Ref:
        ref: Ref = NodeSupervisor.start(
            self.transport,
            STAGES,
            clock or self.clock,
            config or QUICK,
            self.failures.put,
            self._dispatcher,
        )
        self._actors.append(ref)
        return ref

    def open(self, spec: SessionSpec) -> SessionOutcome:
        """Declare a session and put its tasks up, in this order."""
        self.transport.declare(spec)
        for task in plan_named(spec.plan).tasks(spec):
            self.transport.assign(spec, task)
        return SessionOutcome(self.transport.inner, spec, self.clock)

    def feed(self, spec: SessionSpec, records: list[Record] | None = None) -> None:
        """Store a session's input."""
        for record in input_records(spec) if records is None else records:
            number = record.number if record.kind == "batch" else None
            for journal in destinations(plan_named(spec.plan), spec, record.stream, number):
                self.transport.put(journal, record)

    def wait_acked(self, number: int) -> None:
        drain(self.transport.acks, number)

    def hosted(self, ref: Ref) -> NodeStatus:
        answer: NodeStatus = ref.ask(GetStatus(), timeout=PATIENCE)
        return answer

    def wait_idle(self, ref: Ref) -> None:
        """After its last ack a node leaves the session in the same breath."""
        hosted = self.hosted(ref)
        assert (hosted.sessions, hosted.tasks) == ((), ())


def answers(outcome: SessionOutcome) -> dict[str, list[tuple[Any, ...]]]:
    return {name: tuples(table) for name, table in outcome.completed(PATIENCE).tables.items()}


def tasks(spec: SessionSpec) -> int:
    return len(plan_named(spec.plan).tasks(spec))


class Below:
    """A session's journals, and a listener that stands for the supervisor of its actors."""

    def __init__(
        self, spec: SessionSpec, transport: SpyTransport, clock: Clock, actors: Actors
    ) -> None:
        transport.declare(spec)
        self.heard: SimpleQueue[Any] = SimpleQueue()
        self.parent = Listener.start(self.heard)
        self.spec = spec
        self.transport = transport
        self.clock = clock
        self._actors = actors
        actors.append(self.parent)

    def told(self) -> Any:
        """The next word to the supervisor."""
        return self.heard.get(timeout=PATIENCE)

    def stopped_at_the_end(self, ref: Ref) -> Ref:
        self._actors.append(ref)
        return ref


class Session(Below):
    """Starts session actors and hears what they tell their node."""

    restarts = 0

    def start(self, *tasks: TaskId, intensity: Intensity | None = None) -> Ref:
        ref = self.stopped_at_the_end(
            SessionActor.start(
                Parent(self.parent, "s", 1),
                self.spec,
                self.transport,
                self.clock,
                intensity=intensity or Intensity(3, 30),
                backoff=Backoff(1, 1),
            )
        )
        for task in tasks:
            ref.tell(StartTask(task))
        return ref

    def told(self) -> Any:
        """The next word to the node, other than of restarts."""
        while isinstance(word := super().told(), TaskRestarts):
            self.restarts += 1
        return word


class Stage(Below):
    """Starts task actors and hears what they tell their session."""

    def start(self, task: TaskId, spec: SessionSpec | None = None, incarnation: int = 1) -> Ref:
        parent = Parent(self.parent, task.producer, incarnation)
        return self.stopped_at_the_end(
            TaskActor.start(parent, spec or self.spec, task, self.transport, self.clock)
        )
