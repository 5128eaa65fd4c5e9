"""What fails on a node: tasks, sessions, the node itself, and whom it concerns."""

from __future__ import annotations

import pytest

from coffeeshop.actors import NodeConfig
from coffeeshop.actors.restarts import Intensity
from coffeeshop.actors.session import SessionActor
from coffeeshop.clock import Backoff
from coffeeshop.errors import SessionFailed
from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId
from coffeeshop.pipeline.task import Output, TaskCore
from coffeeshop.testing.clock import VirtualClock
from tests.unit.actors import Cluster, answers, tasks
from tests.unit.helpers import ANSWER, PATIENCE, drain, eof
from tests.unit.spies import SpyTransport, Tap

PATIENT = NodeConfig(Intensity(1000, 60), Intensity(1000, 60), Backoff(0.001, 0.01))


@pytest.mark.parametrize("kind", [ValueError, MemoryError, SystemExit, KeyboardInterrupt])
def test_tasks_killed_at_every_record_once_leave_the_answer_unchanged(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    feed = TaskCore.feed
    died: set[tuple[str, str]] = set()

    def dying(core: TaskCore, record: Record) -> list[Output]:
        outputs = feed(core, record)
        if core.task.session == "s" and (core.task.producer, record.id) not in died:
            died.add((core.task.producer, record.id))
            raise kind("on purpose")
        return outputs

    monkeypatch.setattr(TaskCore, "feed", dying)
    spec, other = SessionSpec("s", "fused", 1, 2), SessionSpec("other", "fused", 1, 1)
    node = cluster.node(PATIENT)
    outcomes = cluster.open(spec), cluster.open(other)
    cluster.feed(spec)
    cluster.feed(other)
    assert answers(outcomes[0]) == ANSWER
    assert answers(outcomes[1]) == ANSWER
    cluster.wait_acked(tasks(spec) + tasks(other))
    cluster.wait_idle(node)
    assert len(died) > 15


def test_a_poison_batch_fails_its_session_only(cluster: Cluster) -> None:
    spec, other = SessionSpec("s", "fused", 1, 1), SessionSpec("other", "fused", 1, 1)
    node = cluster.node()
    poisoned, healthy = cluster.open(spec), cluster.open(other)
    cluster.feed(spec, [Record("batch", "transactions", "0", 0, b"garbage")])
    with pytest.raises(SessionFailed, match=r"batch transactions/0/0 failed twice in filters\.0"):
        poisoned.completed(PATIENCE)
    cluster.feed(other)
    assert answers(healthy) == ANSWER
    assert node.is_alive()
    assert cluster.failures.empty()


def test_the_intensity_of_one_session_is_no_other_sessions_matter(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = TaskCore.feed

    def dying(core: TaskCore, record: Record) -> list[Output]:
        if core.task.session == "s":
            raise RuntimeError("never again")
        return feed(core, record)

    monkeypatch.setattr(TaskCore, "feed", dying)
    spec, other = SessionSpec("s", "fused", 1, 1), SessionSpec("other", "fused", 1, 1)
    node = cluster.node(NodeConfig(Intensity(0, 60), Intensity(0, 60), Backoff(0.001, 0.01)))
    failing, healthy = cluster.open(spec), cluster.open(other)
    out = Tap(cluster.transport, "out.s")
    cluster.feed(spec)
    cluster.feed(other)
    with pytest.raises(
        SessionFailed, match="failed too often; last reason: RuntimeError: never again"
    ):
        failing.completed(PATIENCE)
    assert answers(healthy) == ANSWER
    cluster.wait_acked(tasks(spec) + tasks(other))
    cluster.wait_idle(node)
    cluster.transport.settle()
    assert out.next().kind == "failed"
    assert out.empty()


def test_a_session_actor_that_fails_is_restarted_and_told_its_tasks_again(
    cluster: Cluster, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, transport = SessionSpec("s", "fused", 1, 2), cluster.transport
    first, second, third = (
        TaskId("s", stage, p)
        for stage, p in (("filters", 0), ("filters", 1), ("aggregator_query1", 0))
    )
    transport.declare(spec)
    transport.assign(spec, first)
    with monkeypatch.context() as patch:
        failing = 1

        def bug(session: SessionActor, task: TaskId) -> None:
            raise RuntimeError("a bug of ours")

        node = cluster.node(clock=clock)
        assert drain(transport.reads, 1) == [first.journal]
        patch.setattr(SessionActor, "_start_task", bug)
        transport.assign(spec, second)
        clock.wait_for(failing, PATIENCE)
    transport.assign(spec, third)  # while the session waits for its restart
    transport.settle()
    assert set(cluster.hosted(node).tasks) == {"filters.0", "filters.1", "aggregator_query1.0"}
    assert transport.reads.empty()
    clock.next(PATIENCE)
    assert drain(transport.reads, 3) == [first.journal, second.journal, third.journal]
    for task in (first, second):
        transport.put(task.journal, eof("transactions", 0), eof("transaction_items", 0))
    cluster.wait_acked(3)
    cluster.wait_idle(node)


def test_sessions_that_fail_again_and_again_end_the_node_which_tells_outside(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(session: SessionActor, task: TaskId) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(SessionActor, "_start_task", bug)
    node = cluster.node(NodeConfig(Intensity(2, 60), backoff=Backoff(0.001, 0.01)))
    cluster.open(SessionSpec("s", "fused", 1, 1))
    assert cluster.failures.get(timeout=PATIENCE) == (
        "GaveUp: s failed too often; last reason: RuntimeError: a bug of ours"
    )
    assert node.actor_stopped.wait(PATIENCE)
    assert cluster.failures.empty()
    assert cluster.transport.acks.empty()


def test_a_node_without_a_broker_tells_outside(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(SpyTransport, "consume")
    cluster.node()
    assert cluster.failures.get(timeout=PATIENCE).startswith("AttributeError")
