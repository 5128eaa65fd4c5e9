"""Tasks that claim themselves before they begin, and a node that notices one that hangs."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Any
from unittest.mock import ANY

import pykka
import pytest

from coffeeshop.actors import NodeConfig, NodeSupervisor
from coffeeshop.actors.monitor import TaskMonitor
from coffeeshop.actors.session import SessionActor, StartTask, TaskSettled
from coffeeshop.actors.supervised import Parent, Ref
from coffeeshop.actors.task import TaskActor, TaskDone, TaskGivenUp, TaskOver
from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId
from coffeeshop.pipeline.poison import Claim
from coffeeshop.pipeline.task import Output, TaskCore
from coffeeshop.testing.clock import VirtualClock
from coffeeshop.transport import Message, Outcome
from tests.running import eventually
from tests.unit.helpers import PATIENCE, TRANSACTIONS, batch, eof
from tests.unit.spies import Listener, SpyTransport, Tap

SPEC = SessionSpec("s", "fused", producers=1, partitions=1)
TASK = TaskId("s", "filters", 0)
INPUT = (batch("transactions", 0, TRANSACTIONS[0]), eof("transactions", 1))
END = eof("transaction_items", 0)


class Attempts:
    """Attempts of one task under a listener, all sharing one node's monitor."""

    def __init__(
        self,
        transport: SpyTransport,
        clock: VirtualClock,
        actors: list[pykka.ActorRef[pykka.Actor]],
    ) -> None:
        self.heard: SimpleQueue[Any] = SimpleQueue()
        self.monitor = TaskMonitor(claims=True)
        self._listener = Listener.start(self.heard)
        self._transport = transport
        self._clock = clock
        self._actors = actors
        actors.append(self._listener)

    def start(self, task: TaskId = TASK) -> Ref:
        parent = Parent(self._listener, task.producer, 1)
        ref: Ref = TaskActor.start(parent, SPEC, task, self._transport, self._clock, self.monitor)
        self._actors.append(ref)
        return ref

    def told(self) -> Any:
        return self.heard.get(timeout=PATIENCE)


@pytest.fixture
def attempts(
    transport: SpyTransport, clock: VirtualClock, actors: list[pykka.ActorRef[pykka.Actor]]
) -> Attempts:
    transport.declare(SPEC)
    return Attempts(transport, clock, actors)


def died(transport: SpyTransport, *in_progress: str, task: str = TASK.producer) -> None:
    """Claims of attempts that are no more."""
    for number, record in enumerate(in_progress):
        transport.put("out.s", Claim(task, f"dead {number}", record).record())


def claims(transport: SpyTransport) -> list[str]:
    """The records named by living attempts, in order."""
    found = [Claim.of(r) for r in transport.records("out.s") if r.kind == "claim"]
    return [claim.in_progress for claim in found if not claim.attempt.startswith("dead")]


def test_a_first_attempt_claims_its_task_once_and_goes_on(
    attempts: Attempts, transport: SpyTransport
) -> None:
    transport.put(TASK.journal, *INPUT, END)
    attempts.start()
    assert attempts.told() == TaskDone(TASK)
    assert claims(transport) == [""]
    assert transport.closed["out.s"].is_set(), "nobody needs the claims any more"


def test_nothing_is_read_before_the_claim_is_stored(
    attempts: Attempts, transport: SpyTransport, clock: VirtualClock
) -> None:
    transport.script["out.s"].append(Outcome.NACKED)
    transport.put(TASK.journal, *INPUT, END)
    attempts.start()
    clock.wait_for(1, PATIENCE)
    transport.settle()
    assert transport.delivered[TASK.journal] == 0
    clock.next(PATIENCE)
    assert attempts.told() == TaskDone(TASK)


def test_a_third_attempt_names_each_record_and_says_that_it_survived(
    attempts: Attempts, transport: SpyTransport
) -> None:
    died(transport, "", "")
    transport.put(TASK.journal, *INPUT, END)
    attempts.start()
    assert attempts.told() == TaskDone(TASK)
    said = claims(transport)
    assert said[:4] == ["", "batch transactions/0/0", "", "eof transactions/0/1"]
    # The end comes before word that the last record was survived, or after.
    assert set(said[4:]) == {"", "eof transaction_items/0/0"}


def test_isolated_tasks_take_turns(attempts: Attempts, transport: SpyTransport) -> None:
    other = TaskId("s", "aggregator_query3", 0)
    died(transport, "", "")
    died(transport, "", "", task=other.producer)
    transport.held["out.s"] = []
    holder = object()
    attempts.monitor.turnstile.ask(holder, lambda: None)
    transport.put(TASK.journal, INPUT[0])
    attempts.start()
    transport.settle()
    assert claims(transport) == [""], "nothing is named out of turn"
    del transport.held["out.s"]
    attempts.monitor.turnstile.give_back(holder)
    transport.put(TASK.journal, INPUT[1], END)
    assert attempts.told() == TaskDone(TASK)
    attempts.monitor.turnstile.ask(other, (had := threading.Event()).set)
    assert had.is_set(), "a task that has ended holds no turn"


def test_a_record_that_three_attempts_did_not_survive_is_given_up_with_its_session(
    attempts: Attempts, transport: SpyTransport
) -> None:
    died(transport, "", "", *["batch transactions/0/0"] * 3)
    transport.put(TASK.journal, *INPUT, END)
    ref = attempts.start()
    told = attempts.told()
    assert isinstance(told, TaskGivenUp)
    assert told.reason.endswith("of filters.0 died while working on batch transactions/0/0")
    assert ref.actor_stopped.wait(PATIENCE)
    assert transport.delivered[TASK.journal] == 0


def test_a_task_whose_out_journal_is_gone_is_over(
    attempts: Attempts, transport: SpyTransport
) -> None:
    transport.delete_journal("out.s")
    attempts.start()
    assert attempts.told() == TaskOver(TASK, ANY)


def test_a_claim_that_nobody_can_read_counts_as_none(
    attempts: Attempts, transport: SpyTransport
) -> None:
    transport.put("out.s", Record("claim", "claims", TASK.producer, 0, b"what"))
    transport.put(TASK.journal, *INPUT, END)
    attempts.start()
    assert attempts.told() == TaskDone(TASK)


def test_an_entry_that_is_no_record_has_a_name_too(
    attempts: Attempts, transport: SpyTransport
) -> None:
    died(transport, "", "")
    transport.inner.append(TASK.journal, Message({}, b"what"), lambda _: None)
    attempts.start()
    assert attempts.told().culprit == "entry 0"
    transport.settle()
    assert "entry ?/?/?" in claims(transport)
    eventually(lambda: claims(transport)[-1] == "", "it clears its name in a living process")


def test_a_session_with_a_task_that_gives_up_fails_once_for_that_reason(
    transport: SpyTransport, clock: VirtualClock, actors: list[pykka.ActorRef[pykka.Actor]]
) -> None:
    transport.declare(SPEC)
    other = TaskId("s", "aggregator_query3", 0)
    for task in (TASK, other):
        died(transport, "", "", "x", "x", "x", task=task.producer)
    heard: SimpleQueue[Any] = SimpleQueue()
    listener = Listener.start(heard)
    actors.append(listener)
    ref = SessionActor.start(
        Parent(listener, "s", 1), SPEC, transport, clock, monitor=TaskMonitor(claims=True)
    )
    actors.append(ref)
    for task in (TASK, other):
        ref.tell(StartTask(task))
    settled = {heard.get(timeout=PATIENCE), heard.get(timeout=PATIENCE)}
    assert settled == {TaskSettled(TASK), TaskSettled(other)}
    failures = [r for r in transport.records("out.s") if r.kind == "failed"]
    assert len(failures) == 1
    reasons = [f"3 attempts of {task.producer} died".encode() for task in (TASK, other)]
    assert any(reason in failures[0].body for reason in reasons)  # whichever came first


def test_a_task_that_hangs_fails_its_session_and_its_node_asks_to_be_replaced(
    transport: SpyTransport,
    clock: VirtualClock,
    actors: list[pykka.ActorRef[pykka.Actor]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hangs, gate = threading.Event(), threading.Event()
    feed = TaskCore.feed

    def hanging(core: TaskCore, record: Record) -> list[Output]:
        if core.task == TASK:
            hangs.set()
            assert gate.wait(6 * PATIENCE)
        return feed(core, record)

    monkeypatch.setattr(TaskCore, "feed", hanging)
    transport.declare(SPEC)
    out, failures = Tap(transport, "out.s"), SimpleQueue[str]()
    node = NodeSupervisor.start(
        transport, ["filters"], clock, NodeConfig(hang_timeout=8.0), failures.put
    )
    actors.append(node)
    transport.assign(SPEC, TASK)
    transport.put(TASK.journal, *INPUT, END)
    assert hangs.wait(PATIENCE)
    clock.advance(6.0)
    node.ask("nothing", timeout=PATIENCE)
    assert failures.empty()
    clock.wait_for(1, PATIENCE)
    for _ in range(3):
        clock.advance(2.0)
        node.ask("nothing", timeout=PATIENCE)
    reason = "filters.0 hangs over batch transactions/0/0 for 10 s"
    assert failures.get(timeout=PATIENCE) == reason
    failure = out.next()
    assert (failure.kind, failure.body.decode()) == ("failed", reason)
    assert transport.acks.get(timeout=PATIENCE)
    assert failures.empty(), "it is said once"
    gate.set()
