"""A task that misses something asks for it, and says when it is done."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any

import pykka
import pytest

from coffeeshop.actors.monitor import TaskMonitor
from coffeeshop.actors.supervised import Parent, Ref
from coffeeshop.actors.task import TaskActor, TaskDone
from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId
from coffeeshop.pipeline.poison import Claim
from coffeeshop.pipeline.progress import Gap
from coffeeshop.pipeline.repair import Missing
from coffeeshop.testing.clock import VirtualClock
from coffeeshop.transport import Outcome
from tests.unit.helpers import PATIENCE, TRANSACTIONS, batch, eof
from tests.unit.spies import Listener, SpyTransport

SPEC = SessionSpec("s", "fused", producers=1, partitions=1)
TASK = TaskId("s", "filters", 0)
FIRST, SECOND = (batch("transactions", n, TRANSACTIONS[n]) for n in (0, 1))
ENDS = (eof("transactions", 2), eof("transaction_items", 0))
AFTER = 5.0


class Task:
    """The filters of a session, with a monitor that lets them ask."""

    def __init__(
        self, transport: SpyTransport, clock: VirtualClock, actors: list[pykka.ActorRef[Any]]
    ) -> None:
        self.heard: SimpleQueue[Any] = SimpleQueue()
        self.monitor = TaskMonitor(claims=False, repair_after=AFTER)
        self.transport = transport
        self.clock = clock
        self._listener = Listener.start(self.heard)
        self._actors = actors
        actors.append(self._listener)

    def start(self) -> Ref:
        parent = Parent(self._listener, TASK.producer, 1)
        ref: Ref = TaskActor.start(parent, SPEC, TASK, self.transport, self.clock, self.monitor)
        self._actors.append(ref)
        return ref

    def appended(self, kind: str) -> tuple[str, Record]:
        """The next record of that kind that it appends."""
        while True:
            name, record = self.transport.appended.get(timeout=PATIENCE)
            if record.kind == kind:
                return name, record

    def in_time(self, kind: str) -> tuple[str, Record]:
        """The same, while time passes: it looks again after whatever it took last."""
        for _ in range(10):
            self.clock.next(PATIENCE)
            self.transport.settle()
            self.clock.wait_for(1, PATIENCE)  # it has looked, and will again
            while not self.transport.appended.empty():
                name, record = self.transport.appended.get()
                if record.kind == kind:
                    return name, record
        raise AssertionError(f"no {kind}")

    def told(self) -> Any:
        return self.heard.get(timeout=PATIENCE)


@pytest.fixture
def task(transport: SpyTransport, clock: VirtualClock, actors: list[pykka.ActorRef[Any]]) -> Task:
    transport.declare(SPEC)
    return Task(transport, clock, actors)


def test_a_task_asks_for_what_is_not_in_its_journal_and_goes_on_when_it_comes(
    task: Task, transport: SpyTransport
) -> None:
    transport.put(TASK.journal, FIRST, *ENDS)
    task.start()
    name, request = task.in_time("missing")
    assert name == "out.s"
    assert "marker" in [record.kind for record in transport.records(TASK.journal)]
    assert Missing.of(request) == Missing(TASK.producer, Gap("transactions", "0", 2, ((1, 1),)))
    assert task.monitor.throughput.taken()["filters"].requests > 0
    transport.put(TASK.journal, SECOND)
    assert task.appended("done")[1].producer == TASK.producer
    assert task.told() == TaskDone(TASK)


def test_a_task_whose_marker_is_lost_makes_another(task: Task, transport: SpyTransport) -> None:
    transport.put(TASK.journal, *ENDS)
    transport.script[TASK.journal].append(Outcome.NACKED)
    task.start()
    first = task.in_time("marker")[1]
    assert task.in_time("marker")[1].number > first.number
    assert Missing.of(task.in_time("missing")[1]).gap.ranges == ((0, 1),)


def test_a_task_is_done_only_when_its_word_is_confirmed(
    task: Task, transport: SpyTransport
) -> None:
    transport.held["out.s"] = []
    transport.put(TASK.journal, FIRST, SECOND, *ENDS)
    task.start()
    assert task.appended("done")[0] == "out.s"
    assert task.heard.empty()
    transport.settle()
    transport.held["out.s"][0]()
    assert task.told() == TaskDone(TASK)


def test_a_task_that_is_finished_does_not_mind_that_its_input_is_deleted(
    task: Task, transport: SpyTransport
) -> None:
    transport.held["out.s"] = []
    transport.put(TASK.journal, FIRST, SECOND, *ENDS)
    task.start()
    task.appended("done")
    transport.delete_journal(TASK.journal)
    transport.settle()
    transport.held["out.s"][0]()
    assert task.told() == TaskDone(TASK)


def test_a_claim_that_is_not_read_back_is_made_again(
    task: Task, transport: SpyTransport, clock: VirtualClock
) -> None:
    task.monitor.claims = True
    transport.script["out.s"].append(Outcome.CONFIRMED)  # and stored nowhere
    transport.put(TASK.journal, FIRST, SECOND, *ENDS)
    task.start()
    first = task.appended("claim")[1]
    clock.next(PATIENCE)
    assert task.appended("claim")[1] == first
    assert task.told() == TaskDone(TASK)


def test_attempts_that_came_to_their_end_are_none_that_died(
    task: Task, transport: SpyTransport
) -> None:
    task.monitor.claims = True
    ended = Record("done", "tasks", TASK.producer, 0)
    for number in range(40):
        transport.put("out.s", Claim(TASK.producer, f"{number}").record(), ended)
    transport.put(TASK.journal, FIRST, SECOND, *ENDS)
    task.start()
    assert task.told() == TaskDone(TASK)
    claims = [Claim.of(r) for r in transport.records("out.s") if r.kind == "claim"]
    assert {claim.in_progress for claim in claims} == {""}, "no attempt is isolated"
