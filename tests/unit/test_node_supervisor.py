"""A node: assignments in, sessions supervised, assignments acked last of all."""

from __future__ import annotations

from dataclasses import replace

import pykka
import pytest

from coffeeshop.actors import NodeStatus
from coffeeshop.actors import node as node_module
from coffeeshop.actors.session import SessionActor
from coffeeshop.actors.task import TaskActor
from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId
from coffeeshop.pipeline.plan import PLANS, plan_named
from coffeeshop.pipeline.task import Output, TaskCore
from coffeeshop.transport import Outcome
from tests.unit.actors import Cluster, answers, tasks
from tests.unit.helpers import ANSWER, PATIENCE, drain, eof, input_records


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize(("producers", "partitions"), [(1, 1), (3, 2)])
def test_a_node_answers_a_session_acks_its_assignments_and_leaves_it(
    cluster: Cluster, plan: str, producers: int, partitions: int
) -> None:
    spec = SessionSpec("s", plan, producers, partitions)
    node = cluster.node()
    outcome = cluster.open(spec)
    cluster.feed(spec)
    assert answers(outcome) == ANSWER
    cluster.wait_acked(tasks(spec))
    cluster.wait_idle(node)


def test_a_node_tells_what_it_hosts(cluster: Cluster) -> None:
    spec = SessionSpec("s", "fused", 1, 1)
    node = cluster.node()
    cluster.transport.declare(spec)
    cluster.transport.assign(spec, TaskId("s", "filters", 0))
    cluster.transport.reads.get(timeout=PATIENCE)
    assert cluster.hosted(node) == NodeStatus(("s",), ("filters.0",), restarts=0, settled=0)


def test_a_node_counts_settled_tasks_and_restarts_of_tasks_and_sessions(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = [MemoryError("task"), MemoryError("session")]
    feed, start = TaskCore.feed, SessionActor._start_task

    def dying_task(core: TaskCore, record: Record) -> list[Output]:
        if core.task.producer == "filters.0" and once:
            raise once.pop()
        return feed(core, record)

    def dying_session(session: SessionActor, task: TaskId) -> None:
        if len(once) == 2:
            raise once.pop()
        start(session, task)

    monkeypatch.setattr(TaskCore, "feed", dying_task)
    monkeypatch.setattr(SessionActor, "_start_task", dying_session)
    spec = SessionSpec("s", "fused", 1, 1)
    node = cluster.node()
    outcome = cluster.open(spec)
    cluster.feed(spec)
    assert answers(outcome) == ANSWER
    cluster.wait_acked(tasks(spec))
    found = cluster.hosted(node)
    assert replace(found, taken={}) == NodeStatus((), (), restarts=2, settled=tasks(spec))
    assert found.taken["filters"].records >= 4  # what is taken again counts again
    assert found.taken["filters"].bytes > 1000


def test_an_assignment_is_acked_only_after_the_outputs_and_ends_are_confirmed(
    cluster: Cluster,
) -> None:
    spec, transport = SessionSpec("s", "fused", 1, 1), cluster.transport
    aggregators = [f"in.s.aggregator_query{n}.0" for n in (1, 2, 3, 4)]
    for journal in aggregators:
        transport.held[journal] = []
    transport.declare(spec)
    transport.assign(spec, TaskId("s", "filters", 0))
    transport.put("in.s.filters.0", eof("transactions", 0), eof("transaction_items", 0))
    node = cluster.node()
    drain(transport.appended, 8)
    transport.settle()
    confirmations = [held for journal in aggregators for held in transport.held[journal]]
    assert len(confirmations) == 8
    for confirm in confirmations[:-1]:
        confirm()
    cluster.hosted(node)
    assert transport.acks.empty()
    confirmations[-1]()
    assert transport.acks.get(timeout=PATIENCE) == ("ctl.assign.filters", 1)


def test_completion_waits_for_every_producer(cluster: Cluster) -> None:
    spec = SessionSpec("s", "fused", 3, 2)
    cluster.node()
    outcome = cluster.open(spec)
    records = input_records(spec)
    last = [record for record in records if record.producer == "1"]
    cluster.feed(spec, [record for record in records if record.producer != "1"])
    cluster.transport.settle()
    assert not outcome.is_over
    assert cluster.transport.acks.empty()
    cluster.feed(spec, last)
    assert answers(outcome) == ANSWER


def test_two_nodes_that_own_the_same_tasks_give_one_right_answer(cluster: Cluster) -> None:
    spec = SessionSpec("s", "staged", 2, 2)
    nodes = [cluster.node(), cluster.node()]
    outcome = cluster.open(spec)
    for task in plan_named(spec.plan).tasks(spec):
        cluster.transport.assign(spec, task)
    cluster.feed(spec)
    assert answers(outcome) == ANSWER
    cluster.wait_acked(2 * tasks(spec))
    for node in nodes:
        cluster.wait_idle(node)


def test_outputs_without_a_confirmation_are_sent_again_and_the_answer_is_the_same(
    cluster: Cluster,
) -> None:
    spec = SessionSpec("s", "staged", 1, 1)
    journals = [task.journal for task in plan_named(spec.plan).tasks(spec)] + ["out.s"]
    for journal in journals:
        cluster.transport.script[journal].extend(
            [Outcome.UNKNOWN, Outcome.NACKED, Outcome.UNKNOWN, Outcome.CONFIRMED, Outcome.NACKED]
        )
        cluster.transport.script[journal].remove(Outcome.CONFIRMED)
    cluster.node()
    outcome = cluster.open(spec)
    cluster.feed(spec)
    assert answers(outcome) == ANSWER
    cluster.wait_acked(tasks(spec))


def test_word_of_a_session_already_left_is_harmless(cluster: Cluster) -> None:
    node = cluster.node()
    node.tell(node_module.TaskSettled(TaskId("nobody", "filters", 0)))
    node.tell("what nobody says")
    cluster.wait_idle(node)
    spec = SessionSpec("s", "fused", 1, 1)
    outcome = cluster.open(spec)
    cluster.feed(spec)
    assert answers(outcome) == ANSWER


def test_no_actor_of_a_finished_session_is_left(cluster: Cluster) -> None:
    of_other_tests = pykka.ActorRegistry.get_all()  # such as operators that never return
    spec = SessionSpec("s", "fused", 1, 2)
    node = cluster.node()
    outcome = cluster.open(spec)
    cluster.feed(spec)
    answers(outcome)
    cluster.wait_acked(tasks(spec))
    cluster.wait_idle(node)
    for kind in (TaskActor, SessionActor):
        for ref in pykka.ActorRegistry.get_by_class(kind):
            assert ref in of_other_tests or ref.actor_stopped.wait(PATIENCE)
