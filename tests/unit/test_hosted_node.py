"""A node as its process sees it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from coffeeshop.actors import NodeStatus, hosted
from coffeeshop.actors.hosted import HostedNode
from coffeeshop.actors.node import NodeSupervisor
from coffeeshop.pipeline.messages import SessionSpec, TaskId, assign_queue
from tests.unit.helpers import PATIENCE, eof
from tests.unit.spies import SpyTransport

SPEC, TASK = SessionSpec("s", "fused", 1, 1), TaskId("s", "filters", 0)


@pytest.fixture
def failures() -> SimpleQueue[str]:
    return SimpleQueue()


@pytest.fixture
def node(transport: SpyTransport, failures: SimpleQueue[str]) -> Iterator[HostedNode]:
    """A node with one running task."""
    transport.declare(SPEC)
    transport.assign(SPEC, TASK)
    made = HostedNode(transport, ["filters"], failures.put)
    transport.reads.get(timeout=PATIENCE)
    yield made
    made.close(0)


def kill(node: HostedNode, failures: SimpleQueue[str], patch: pytest.MonkeyPatch) -> None:
    """Let the root actor fail."""

    def bug(actor: NodeSupervisor, message: object) -> None:
        raise RuntimeError("a bug of ours")

    with patch.context() as context:
        context.setattr(NodeSupervisor, "received", bug)
        node._root.tell("anything")
        assert failures.get(timeout=PATIENCE) == "RuntimeError: a bug of ours"
    assert node._root.actor_stopped.wait(PATIENCE)


def test_a_process_sees_what_its_node_works_on(node: HostedNode) -> None:
    assert node.hosted() == NodeStatus(("s",), ("filters.0",))
    figures = node.status()
    assert figures.pop("actors") >= 3
    assert figures.pop("actor_threads") >= 1
    assert figures == {
        "sessions": 1,
        "tasks": 1,
        "stages": {"filters": 1},
        "hosted": {"all": True, "sessions": {"s": {"filters": 1}}},
        "restarts_total": 0,
        "tasks_settled_total": 0,
        "actors_waiting_for_threads": 0,
        "threads_refused_total": 0,
    }


def test_closing_waits_for_the_tasks_to_end(node: HostedNode, transport: SpyTransport) -> None:
    closed = threading.Event()

    def close() -> None:
        node.close(PATIENCE)
        closed.set()

    threading.Thread(target=close, daemon=True).start()
    transport.put(TASK.journal, eof("transactions", 0), eof("transaction_items", 0))
    assert closed.wait(PATIENCE)
    assert transport.acks.get(timeout=PATIENCE)[0] == assign_queue("filters")


def test_closing_hands_back_what_does_not_end_in_time(
    node: HostedNode, transport: SpyTransport, logged: list[dict[str, Any]]
) -> None:
    node.close(0.01)
    assert [e["tasks"] for e in logged if e["event"] == "node.hands_back"] == [["filters.0"]]
    other = HostedNode(transport, ["filters"], lambda reason: None)
    assert transport.reads.get(timeout=PATIENCE) == TASK.journal
    assert transport.acks.empty()
    other.close(0)


def test_a_node_that_failed_hosts_nothing_and_closes_all_the_same(
    node: HostedNode,
    failures: SimpleQueue[str],
    monkeypatch: pytest.MonkeyPatch,
    logged: list[dict[str, Any]],
) -> None:
    kill(node, failures, monkeypatch)
    assert node.hosted() == NodeStatus((), ())
    node.close(PATIENCE)
    assert "node.ended_before" in [entry["event"] for entry in logged]


def test_a_node_that_does_not_answer_or_stop_in_time_is_left_behind(
    node: HostedNode, monkeypatch: pytest.MonkeyPatch, logged: list[dict[str, Any]]
) -> None:
    monkeypatch.setattr(hosted, "ANSWER_TIMEOUT", 0.01)
    monkeypatch.setattr(hosted, "STOP_TIMEOUT", 0.01)
    gate = threading.Event()

    def stuck(actor: NodeSupervisor, message: object) -> None:
        assert gate.wait(PATIENCE)

    with monkeypatch.context() as context:
        context.setattr(NodeSupervisor, "received", stuck)
        node._root.tell("anything")
        assert node.hosted() == NodeStatus((), ())
        node.close(0.01)
        gate.set()
        assert node._root.actor_stopped.wait(PATIENCE)
    assert "node.does_not_stop" in [entry["event"] for entry in logged]
