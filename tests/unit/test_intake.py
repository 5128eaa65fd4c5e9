"""How many assignments a node takes at once."""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from coffeeshop.actors.intake import MOST, STEP, Assigned, Intake
from coffeeshop.pipeline.messages import SessionSpec, TaskId, assign_queue
from coffeeshop.transport import Message
from coffeeshop.transport.memory import MemoryTransport
from tests.unit.actors import Cluster
from tests.unit.helpers import PATIENCE, drain

STAGE = "filters"


class Bench:
    """An intake and what it was handed."""

    def __init__(self, store: MemoryTransport) -> None:
        self.handed: SimpleQueue[Assigned] = SimpleQueue()
        self.intake = Intake(store, STAGE, self.handed.put, lambda: None)
        self.held: list[Assigned] = []
        self.intake.start()

    def wait(self, number: int) -> None:
        """Take that many."""
        for assigned in drain(self.handed, number):
            assert self.intake.took(assigned)
            self.held.append(assigned)

    def end(self, number: int) -> None:
        """Settle the oldest."""
        for assigned in self.held[:number]:
            self.intake.ack(assigned)
        del self.held[:number]


@pytest.fixture
def store() -> Iterator[MemoryTransport]:
    made = MemoryTransport()
    made.declare_queue(assign_queue(STAGE))
    yield made
    made.close()


def put(store: MemoryTransport, number: int) -> None:
    confirmed: SimpleQueue[object] = SimpleQueue()
    for _ in range(number):
        store.publish(assign_queue(STAGE), Message(), confirmed.put)
    drain(confirmed, number)


def test_what_one_node_does_not_take_is_left_for_one_that_starts_later(
    store: MemoryTransport,
) -> None:
    put(store, 2 * STEP)
    first = Bench(store)
    first.wait(STEP)
    second = Bench(store)
    second.wait(STEP)
    assert (first.handed.empty(), second.handed.empty()) == (True, True)


def test_a_node_whose_tasks_wait_for_input_takes_more_up_to_a_bound(
    store: MemoryTransport,
) -> None:
    put(store, MOST + STEP)
    bench = Bench(store)
    for _ in range(MOST // STEP):
        bench.wait(STEP)
        bench.intake.adapt(busy=0)
    assert (bench.intake.held, bench.intake.full) == (MOST, False)
    assert bench.handed.empty()


def test_a_node_whose_tasks_are_busy_takes_no_more(store: MemoryTransport) -> None:
    put(store, 2 * STEP)
    bench = Bench(store)
    bench.wait(STEP)
    assert bench.intake.full
    bench.intake.adapt(busy=STEP // 2)
    assert bench.intake.room == STEP


def test_the_room_for_tasks_that_waited_is_given_back_when_they_end(
    store: MemoryTransport,
) -> None:
    put(store, 3 * STEP)
    bench = Bench(store)
    for _ in range(2):
        bench.wait(STEP)
        bench.intake.adapt(busy=0)
    bench.wait(STEP)
    bench.end(2 * STEP)
    assert bench.intake.room == 2 * STEP
    bench.end(STEP)
    assert (bench.intake.room, bench.intake.held) == (STEP, 0)
    put(store, STEP + 1)
    bench.wait(STEP)
    assert bench.handed.empty()


def test_an_assignment_that_comes_when_its_room_is_given_back_goes_back_too(
    store: MemoryTransport,
) -> None:
    put(store, STEP)
    bench = Bench(store)
    bench.wait(STEP)
    bench.intake.adapt(busy=0)
    put(store, 1)
    (late,) = drain(bench.handed, 1)
    bench.end(STEP)
    assert not bench.intake.took(late)
    bench.wait(1)  # by the consumer that is left


def test_a_node_takes_more_of_a_stage_by_itself_when_its_tasks_have_nothing_to_do(
    cluster: Cluster,
) -> None:
    specs = [SessionSpec(str(number), "fused", 1, 1) for number in range(STEP + 2)]
    for spec in specs:
        cluster.transport.declare(spec)
        cluster.transport.assign(spec, TaskId(spec.id, STAGE, 0))
    cluster.node()
    reads = {cluster.transport.reads.get(timeout=PATIENCE) for _ in specs}
    assert len(reads) == len(specs)
