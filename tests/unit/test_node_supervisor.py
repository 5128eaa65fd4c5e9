"""A node: assignments in, sessions supervised, assignments acked last of all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from queue import SimpleQueue
from typing import Any

import pykka
import pytest

from coffeeshop.actors import Clock, Hosted, NodeSupervisor, Supervision, SystemClock, WhatIsHosted
from coffeeshop.actors import node as node_module
from coffeeshop.actors.node import Drain
from coffeeshop.actors.restarts import Backoff, Intensity
from coffeeshop.actors.session import SessionActor
from coffeeshop.actors.supervision import Ref
from coffeeshop.actors.task import TaskActor
from coffeeshop.errors import SessionFailed
from coffeeshop.gateway.results import Follower
from coffeeshop.messages import Assignment, Record, SessionSpec, TaskId, assign_queue
from coffeeshop.plan import PLANS, destinations, plan_named
from coffeeshop.task import Output, TaskCore
from coffeeshop.testing.clock import VirtualClock
from coffeeshop.transport import Outcome
from tests.unit.helpers import ANSWER, PATIENCE, drain, eof, input_records, tuples
from tests.unit.spies import SpyTransport, Tap

STAGES = tuple(dict.fromkeys(stage.name for plan in PLANS.values() for stage in plan.stages))
QUICK = Supervision(backoff=Backoff(0.001, 0.01))
PATIENT = Supervision(Intensity(1000, 60), Intensity(1000, 60), Backoff(0.001, 0.01))


class Cluster:
    """Nodes over one transport, and sessions to give them."""

    def __init__(
        self, transport: SpyTransport, actors: list[pykka.ActorRef[pykka.Actor]], clock: Clock
    ) -> None:
        self.transport = transport
        self.failures: SimpleQueue[str] = SimpleQueue()
        self.clock = clock
        self._actors = actors

    def node(self, supervision: Supervision | None = None, clock: Clock | None = None) -> Ref:
        ref: Ref = NodeSupervisor.start(
            self.transport, STAGES, clock or self.clock, supervision or QUICK, self.failures.put
        )
        self._actors.append(ref)
        return ref

    def open(self, spec: SessionSpec) -> Follower:
        """Declare a session and put its tasks up, in this order."""
        self.transport.declare(spec)
        for task in plan_named(spec.plan).tasks(spec):
            self.transport.assign(spec, task)
        return Follower(self.transport.inner, spec)

    def feed(self, spec: SessionSpec, records: list[Record] | None = None) -> None:
        """Store a session's input."""
        for record in input_records(spec) if records is None else records:
            number = record.number if record.kind == "batch" else None
            for journal in destinations(plan_named(spec.plan), spec, record.stream, number):
                self.transport.put(journal, record)

    def wait_acked(self, number: int) -> None:
        drain(self.transport.acks, number)

    def hosted(self, ref: Ref) -> Hosted:
        answer: Hosted = ref.ask(WhatIsHosted(), timeout=PATIENCE)
        return answer

    def wait_idle(self, ref: Ref) -> None:
        """After its last ack a node leaves the session in the same breath."""
        hosted = self.hosted(ref)
        assert (hosted.sessions, hosted.tasks) == ((), ())


@pytest.fixture
def cluster(
    transport: SpyTransport, actors: list[pykka.ActorRef[pykka.Actor]], system: SystemClock
) -> Cluster:
    for stage in STAGES:
        transport.declare_queue(assign_queue(stage))
    return Cluster(transport, actors, system)


@pytest.fixture
def system() -> Iterator[SystemClock]:
    """Real time, ended after the actors."""
    clock = SystemClock()
    yield clock
    clock.close()


def answers(follower: Follower) -> dict[str, list[tuple[Any, ...]]]:
    return {name: tuples(table) for name, table in follower.result(PATIENCE).tables.items()}


def tasks(spec: SessionSpec) -> int:
    return len(plan_named(spec.plan).tasks(spec))


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize(("producers", "partitions"), [(1, 1), (3, 2)])
def test_a_node_answers_a_session_acks_its_assignments_and_leaves_it(
    cluster: Cluster, plan: str, producers: int, partitions: int
) -> None:
    spec = SessionSpec("s", plan, producers, partitions)
    node = cluster.node()
    follower = cluster.open(spec)
    cluster.feed(spec)
    assert answers(follower) == ANSWER
    cluster.wait_acked(tasks(spec))
    cluster.wait_idle(node)


def test_a_node_tells_what_it_hosts(cluster: Cluster) -> None:
    spec = SessionSpec("s", "fused", 1, 1)
    node = cluster.node()
    cluster.transport.declare(spec)
    cluster.transport.assign(spec, TaskId("s", "filters", 0))
    cluster.transport.reads.get(timeout=PATIENCE)
    assert cluster.hosted(node) == Hosted(("s",), ("filters.0",), restarts=0, settled=0)


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
    follower = cluster.open(spec)
    cluster.feed(spec)
    assert answers(follower) == ANSWER
    cluster.wait_acked(tasks(spec))
    found = cluster.hosted(node)
    assert replace(found, taken={}) == Hosted((), (), restarts=2, settled=tasks(spec))
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
    follower = cluster.open(spec)
    records = input_records(spec)
    last = [record for record in records if record.producer == "1"]
    cluster.feed(spec, [record for record in records if record.producer != "1"])
    cluster.transport.settle()
    assert not follower.ended
    assert cluster.transport.acks.empty()
    cluster.feed(spec, last)
    assert answers(follower) == ANSWER


def test_two_nodes_that_own_the_same_tasks_give_one_right_answer(cluster: Cluster) -> None:
    spec = SessionSpec("s", "staged", 2, 2)
    nodes = [cluster.node(), cluster.node()]
    follower = cluster.open(spec)
    for task in plan_named(spec.plan).tasks(spec):
        cluster.transport.assign(spec, task)
    cluster.feed(spec)
    assert answers(follower) == ANSWER
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
    follower = cluster.open(spec)
    cluster.feed(spec)
    assert answers(follower) == ANSWER
    cluster.wait_acked(tasks(spec))


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
    followers = cluster.open(spec), cluster.open(other)
    cluster.feed(spec)
    cluster.feed(other)
    assert answers(followers[0]) == ANSWER
    assert answers(followers[1]) == ANSWER
    cluster.wait_acked(tasks(spec) + tasks(other))
    cluster.wait_idle(node)
    assert len(died) > 15


def test_a_poison_batch_fails_its_session_only(cluster: Cluster) -> None:
    spec, other = SessionSpec("s", "fused", 1, 1), SessionSpec("other", "fused", 1, 1)
    node = cluster.node()
    poisoned, healthy = cluster.open(spec), cluster.open(other)
    cluster.feed(spec, [Record("batch", "transactions", "0", 0, b"garbage")])
    with pytest.raises(SessionFailed, match=r"batch transactions/0/0 failed twice in filters\.0"):
        poisoned.result(PATIENCE)
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
    node = cluster.node(Supervision(Intensity(0, 60), Intensity(0, 60), Backoff(0.001, 0.01)))
    failing, healthy = cluster.open(spec), cluster.open(other)
    out = Tap(cluster.transport, "out.s")
    cluster.feed(spec)
    cluster.feed(other)
    with pytest.raises(SessionFailed, match="failed too often, lastly: RuntimeError: never again"):
        failing.result(PATIENCE)
    assert answers(healthy) == ANSWER
    cluster.wait_acked(tasks(spec) + tasks(other))
    cluster.wait_idle(node)
    cluster.transport.settle()
    assert out.next().kind == "failed"
    assert out.empty()


def test_a_settled_task_is_not_started_again_by_a_late_assignment(cluster: Cluster) -> None:
    spec, other = SessionSpec("s", "fused", 1, 1), SessionSpec("other", "fused", 1, 1)
    node = cluster.node()
    follower = cluster.open(spec)
    cluster.feed(spec)
    assert answers(follower) == ANSWER
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


def test_a_late_assignment_after_the_clean_up_starts_nothing_on_a_fresh_node(
    cluster: Cluster,
) -> None:
    spec = SessionSpec("s", "fused", 1, 1)
    node = cluster.node()
    for task in plan_named(spec.plan).tasks(spec):
        cluster.transport.assign(spec, task)
    cluster.wait_acked(tasks(spec))
    cluster.wait_idle(node)
    assert not [name for name in cluster.transport.inner.names() if name.startswith("in.")]


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


def test_a_stopping_node_hands_unfinished_tasks_to_another(cluster: Cluster) -> None:
    spec = SessionSpec("s", "fused", 1, 2)
    first = cluster.node()
    follower = cluster.open(spec)
    records = input_records(spec)
    cluster.feed(spec, records[:5])
    drain(cluster.transport.reads, tasks(spec))
    first.stop(timeout=PATIENCE)
    assert all(event.wait(PATIENCE) for event in list(cluster.transport.closed.values()))
    assert cluster.transport.acks.empty()
    cluster.node()
    cluster.feed(spec, records[5:])
    assert answers(follower) == ANSWER
    cluster.wait_acked(tasks(spec))


def test_a_draining_node_finishes_what_it_has_and_takes_nothing_more(cluster: Cluster) -> None:
    spec, later = SessionSpec("s", "fused", 1, 1), SessionSpec("later", "fused", 1, 1)
    first = cluster.node()
    follower = cluster.open(spec)
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
    assert answers(follower) == ANSWER
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
    follower = cluster.open(known)
    cluster.feed(known)
    assert answers(follower) == ANSWER


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
    node = cluster.node(Supervision(Intensity(2, 60), backoff=Backoff(0.001, 0.01)))
    cluster.open(SessionSpec("s", "fused", 1, 1))
    assert cluster.failures.get(timeout=PATIENCE) == (
        "GaveUp: s failed too often, lastly with RuntimeError: a bug of ours"
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


def test_word_of_a_session_already_left_is_harmless(cluster: Cluster) -> None:
    node = cluster.node()
    node.tell(node_module.TaskSettled(TaskId("nobody", "filters", 0)))
    node.tell("what nobody says")
    cluster.wait_idle(node)
    assert node.is_alive()


def test_no_actor_of_a_finished_session_is_left(cluster: Cluster) -> None:
    of_other_tests = pykka.ActorRegistry.get_all()  # such as operators that never return
    spec = SessionSpec("s", "fused", 1, 2)
    node = cluster.node()
    follower = cluster.open(spec)
    cluster.feed(spec)
    answers(follower)
    cluster.wait_acked(tasks(spec))
    cluster.wait_idle(node)
    for kind in (TaskActor, SessionActor):
        for ref in pykka.ActorRegistry.get_by_class(kind):
            assert ref in of_other_tests or ref.actor_stopped.wait(PATIENCE)
