"""A node that stops or drains leaves what it has not done to another one."""

from __future__ import annotations

import threading

import pytest

from coffeeshop.actors import NodeSupervisor
from coffeeshop.actors.node import Drain
from coffeeshop.pipeline.messages import SessionSpec, TaskId
from tests.unit.actors import Cluster, answers, tasks
from tests.unit.helpers import ANSWER, PATIENCE, drain, input_records


def test_a_stopping_node_hands_unfinished_tasks_to_another(cluster: Cluster) -> None:
    spec = SessionSpec("s", "fused", 1, 2)
    first = cluster.node()
    outcome = cluster.open(spec)
    records = input_records(spec)
    cluster.feed(spec, records[:5])
    drain(cluster.transport.reads, tasks(spec))
    first.stop(timeout=PATIENCE)
    assert all(event.wait(PATIENCE) for event in list(cluster.transport.closed.values()))
    assert cluster.transport.acks.empty()
    cluster.node()
    cluster.feed(spec, records[5:])
    assert answers(outcome) == ANSWER
    cluster.wait_acked(tasks(spec))


def test_a_draining_node_finishes_what_it_has_and_takes_nothing_more(cluster: Cluster) -> None:
    spec, later = SessionSpec("s", "fused", 1, 1), SessionSpec("later", "fused", 1, 1)
    first = cluster.node()
    outcome = cluster.open(spec)
    drain(cluster.transport.reads, tasks(spec))
    idle = threading.Event()
    first.tell(Drain(idle.set))
    cluster.hosted(first)
    following = cluster.open(later)
    cluster.transport.settle()
    assert cluster.hosted(first).sessions == ("s",)
    assert cluster.transport.handed == tasks(spec)
    assert not idle.is_set()
    cluster.feed(spec)
    assert answers(outcome) == ANSWER
    assert idle.wait(PATIENCE)
    cluster.wait_acked(tasks(spec))
    assert cluster.transport.reads.empty()
    cluster.node()
    cluster.feed(later)
    assert answers(following) == ANSWER


def test_a_draining_node_hands_back_what_was_under_way_to_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, task = SessionSpec("s", "fused", 1, 1), TaskId("s", "filters", 0)
    cluster.transport.declare(spec)
    gate, drained = threading.Event(), NodeSupervisor._drain

    def late(node: NodeSupervisor, order: Drain) -> None:
        assert gate.wait(PATIENCE)
        drained(node, order)

    monkeypatch.setattr(NodeSupervisor, "_drain", late)
    first, idle = cluster.node(), threading.Event()
    cluster.hosted(first)
    first.tell(Drain(idle.set))
    cluster.transport.assign(spec, task)
    cluster.transport.settle()  # handed to the first node, behind the order to drain
    gate.set()
    assert idle.wait(PATIENCE)
    second = cluster.node()
    assert cluster.transport.reads.get(timeout=PATIENCE) == task.journal
    assert cluster.hosted(first).tasks == ()
    assert cluster.hosted(second).tasks == ("filters.0",)


def test_a_node_with_nothing_to_do_is_drained_at_once(cluster: Cluster) -> None:
    idle = threading.Event()
    cluster.node().tell(Drain(idle.set))
    assert idle.wait(PATIENCE)
