"""Assignments that a node gets late, twice or garbled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coffeeshop.actors import node as node_module
from coffeeshop.pipeline.messages import Assignment, SessionSpec, TaskId, assign_queue
from coffeeshop.pipeline.plan import plan_named
from coffeeshop.pipeline.repair import REPAIR
from coffeeshop.transport import Message
from tests.unit.actors import Cluster, answers, tasks
from tests.unit.helpers import ANSWER, PATIENCE, drain, eof
from tests.unit.spies import Tap


def test_a_settled_task_is_not_started_again_by_a_late_assignment(cluster: Cluster) -> None:
    spec, other = SessionSpec("s", "fused", 1, 1), SessionSpec("other", "fused", 1, 1)
    node = cluster.node()
    outcome = cluster.open(spec)
    cluster.feed(spec)
    assert answers(outcome) == ANSWER
    cluster.wait_acked(tasks(spec))
    reads = drain(cluster.transport.reads, tasks(spec))
    out = Tap(cluster.transport, "out.s")
    for task in plan_named(spec.plan).tasks(spec):
        cluster.transport.assign(spec, task)
    cluster.wait_acked(tasks(spec))
    cluster.wait_idle(node)
    assert len(reads) == len(set(reads))
    assert cluster.transport.reads.empty()
    assert len([out.next() for _ in range(10)]) == 10  # five results and their ends, once
    assert out.empty()
    following = cluster.open(other)
    cluster.feed(other)
    assert answers(following) == ANSWER  # the supervisor is alive


def test_a_settled_task_is_started_again_once_for_each_request(cluster: Cluster) -> None:
    spec = SessionSpec("s", "fused", 1, 1)
    node, task = cluster.node(), TaskId("s", "filters", 0)
    outcome = cluster.open(spec)
    cluster.feed(spec)
    assert answers(outcome) == ANSWER
    cluster.wait_acked(tasks(spec))
    drain(cluster.transport.reads, tasks(spec))
    for repair in (7, 7, 5, 9):  # once more; again; an older one; once more
        message = Message({REPAIR: repair}, Assignment(spec, task).to_bytes())
        cluster.transport.publish(assign_queue("filters"), message, lambda outcome: None)
        cluster.wait_acked(1)
    cluster.wait_idle(node)
    assert drain(cluster.transport.reads, 2) == [task.journal] * 2
    assert cluster.transport.reads.empty()


def test_a_request_that_comes_while_the_task_is_at_work_is_served_when_it_is_done(
    cluster: Cluster,
) -> None:
    # What it misses may be what the attempt has sent already.
    spec = SessionSpec("s", "fused", 1, 1)
    node, task = cluster.node(), TaskId("s", "filters", 0)
    outcome = cluster.open(spec)
    drain(cluster.transport.reads, tasks(spec))
    message = Message({REPAIR: 7}, Assignment(spec, task).to_bytes())
    cluster.transport.publish(assign_queue("filters"), message, lambda outcome: None)
    cluster.feed(spec)
    assert answers(outcome) == ANSWER
    cluster.wait_acked(tasks(spec) + 1)
    cluster.wait_idle(node)
    assert drain(cluster.transport.reads, 1) == [task.journal]
    assert cluster.transport.reads.empty()


def test_a_late_assignment_after_the_clean_up_starts_nothing_on_a_fresh_node(
    cluster: Cluster,
) -> None:
    spec = SessionSpec("s", "fused", 1, 1)
    node = cluster.node()
    before = cluster.transport.inner.names()
    for task in plan_named(spec.plan).tasks(spec):
        cluster.transport.assign(spec, task)
    cluster.wait_acked(tasks(spec))
    cluster.wait_idle(node)
    assert cluster.transport.inner.names() == before, "a node declares nothing of a session"
    assert not any(cluster.transport.delivered.values())
    (journal, failure), *more = drain(cluster.transport.appended, 1)
    assert (journal, failure.kind, more) == ("out.s", "failed", [])
    assert cluster.hosted(node).restarts == 0


def test_only_the_last_tombstones_are_kept(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "TOMBSTONES", 2)
    node = cluster.node()
    gone = [(SessionSpec(name), TaskId(name, "filters", 0)) for name in "abc"]
    for spec, task in gone:
        cluster.transport.assign(spec, task)
        cluster.wait_acked(1)
    drain(cluster.transport.reads, 3)
    for spec, task in reversed(gone):
        cluster.transport.assign(spec, task)
        cluster.wait_acked(1)
    cluster.wait_idle(node)
    assert drain(cluster.transport.reads, 1) == ["in.a.filters.0"]
    assert cluster.transport.reads.empty()


def test_a_repeated_assignment_of_a_running_task_is_acked_with_it(cluster: Cluster) -> None:
    spec, task = SessionSpec("s", "fused", 1, 1), TaskId("s", "filters", 0)
    cluster.transport.declare(spec)
    node = cluster.node()
    for _ in range(3):
        cluster.transport.assign(spec, task)
    cluster.transport.reads.get(timeout=PATIENCE)
    cluster.transport.put(task.journal, eof("transactions", 0), eof("transaction_items", 0))
    cluster.wait_acked(3)
    cluster.wait_idle(node)
    assert cluster.transport.reads.empty()


GOOD = json.loads(Assignment(SessionSpec("s"), TaskId("s", "filters", 0)).to_bytes())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[" * 100_000,
        json.dumps({**GOOD, "id": ["s"]}).encode(),
        json.dumps({**GOOD, "partition": float("inf")}).encode(),
        json.dumps({**GOOD, "producers": 0}).encode(),
    ],
)
def test_an_assignment_nobody_can_read_is_logged_and_acked(
    cluster: Cluster, body: bytes, logged: list[dict[str, Any]]
) -> None:
    node = cluster.node()
    cluster.transport.assign_bytes("filters", body)
    cluster.wait_acked(1)
    assert [e["stage"] for e in logged if e["event"] == "node.bad_assignment"] == ["filters"]
    cluster.wait_idle(node)
    assert cluster.failures.empty()


def test_an_assignment_of_a_plan_this_release_does_not_know_fails_that_session_only(
    cluster: Cluster,
) -> None:
    known, unknown = SessionSpec("s", "fused", 1, 1), SessionSpec("new", "of tomorrow")
    task = TaskId("new", "filters", 0)
    cluster.transport.declare_journal("out.new")
    node = cluster.node()
    cluster.transport.assign(unknown, task)
    out = Tap(cluster.transport, "out.new")
    assert "no plan 'of tomorrow'" in out.next().body.decode()
    cluster.wait_acked(1)
    cluster.wait_idle(node)
    outcome = cluster.open(known)
    cluster.feed(known)
    assert answers(outcome) == ANSWER
