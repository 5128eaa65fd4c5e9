"""One session on one node: its tasks, their failures, and its own one failure."""

from __future__ import annotations

import pytest

from coffeeshop.actors.restarts import Intensity
from coffeeshop.actors.session import StartTask, TaskRestarts, TaskSettled
from coffeeshop.pipeline.messages import Record, TaskId
from coffeeshop.pipeline.task import Output, TaskCore
from coffeeshop.testing.clock import VirtualClock
from coffeeshop.transport import Message, Outcome
from tests.unit.actors import Session
from tests.unit.helpers import PATIENCE, TRANSACTIONS, batch, eof
from tests.unit.spies import SpyTransport, Tap

FIRST, SECOND = TaskId("s", "filters", 0), TaskId("s", "filters", 1)
EMPTY = (eof("transactions", 0), eof("transaction_items", 0))
GARBAGE = Record("batch", "transactions", "0", 0, b"garbage")


def test_a_finished_task_is_settled_and_forgotten(
    session: Session, transport: SpyTransport
) -> None:
    transport.put(FIRST.journal, *EMPTY)
    ref = session.start(FIRST, SECOND)
    assert session.told() == TaskSettled(FIRST)
    transport.put(SECOND.journal, *EMPTY)
    assert session.told() == TaskSettled(SECOND)
    assert ref.is_alive()


def test_a_task_asked_for_twice_is_started_once(session: Session, transport: SpyTransport) -> None:
    ref = session.start(FIRST, FIRST, FIRST)
    ref.ask("nothing", timeout=PATIENCE)
    assert transport.reads.get(timeout=PATIENCE) == FIRST.journal
    assert transport.reads.empty()


def test_a_task_whose_journal_is_gone_is_settled(session: Session, transport: SpyTransport) -> None:
    transport.delete_journal(FIRST.journal)
    session.start(FIRST)
    assert session.told() == TaskSettled(FIRST)


def test_a_killed_task_is_restarted_and_settled_once(
    session: Session, transport: SpyTransport, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport.put(FIRST.journal, batch("transactions", 0, TRANSACTIONS[0]))
    with monkeypatch.context() as patch:

        def dying(core: TaskCore, record: Record) -> list[Output]:
            raise SystemExit(3)

        patch.setattr(TaskCore, "feed", dying)
        session.start(FIRST, SECOND)
        clock.wait_for(1, PATIENCE)
    clock.next(PATIENCE)
    transport.put(FIRST.journal, eof("transactions", 1), eof("transaction_items", 0))
    assert session.told() == TaskSettled(FIRST)
    transport.put(SECOND.journal, *EMPTY)
    assert session.told() == TaskSettled(SECOND)
    assert session.restarts == 1


def test_a_batch_that_fails_two_incarnations_fails_the_session_and_is_named(
    session: Session, transport: SpyTransport, clock: VirtualClock
) -> None:
    out = Tap(transport, "out.s")
    transport.put(FIRST.journal, GARBAGE)
    session.start(FIRST, SECOND)
    clock.next(PATIENCE)
    failure = out.next()
    assert (failure.kind, failure.stream) == ("failed", "session")
    assert failure.body.decode().startswith(
        "batch transactions/0/0 failed twice in filters.0: CodecError: not an Arrow batch"
    )
    assert {session.told(), session.told()} == {TaskSettled(FIRST), TaskSettled(SECOND)}
    assert clock.planned == 0


def test_an_entry_that_is_no_record_fails_the_session_as_poison(
    session: Session, transport: SpyTransport, clock: VirtualClock
) -> None:
    out = Tap(transport, "out.s")
    transport.inner.append(FIRST.journal, Message({"kind": "what"}, b""), lambda _: None)
    session.start(FIRST)
    clock.next(PATIENCE)
    assert out.next().body.decode().startswith("entry 0 failed twice in filters.0: CodecError")


def test_too_many_failures_fail_the_session_with_one_record(
    session: Session, transport: SpyTransport, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(core: TaskCore, record: Record) -> list[Output]:
        raise MemoryError("all of it")

    out = Tap(transport, "out.s")
    monkeypatch.setattr(TaskCore, "feed", dying)
    transport.put(FIRST.journal, eof("transactions", 0))
    session.start(FIRST, SECOND, intensity=Intensity(0, 30))
    assert out.next() == Record(
        "failed",
        "session",
        "filters.0+filters.1",
        0,
        b"filters.0 failed too often; last reason: MemoryError: all of it",
    )
    transport.settle()
    assert out.empty()
    assert clock.planned == 0


def test_a_task_of_an_unknown_stage_fails_the_session_only(
    session: Session, transport: SpyTransport
) -> None:
    out = Tap(transport, "out.s")
    nonsense = TaskId("s", "nonsense", 0)
    ref = session.start(nonsense, intensity=Intensity(0, 30))
    assert "plan fused has no stage nonsense" in out.next().body.decode()
    assert session.told() == TaskSettled(nonsense)
    assert ref.is_alive()


@pytest.mark.parametrize("outcome", [Outcome.NACKED, Outcome.UNKNOWN])
def test_a_failure_is_sent_until_it_is_confirmed_and_only_then_tasks_are_settled(
    session: Session, transport: SpyTransport, clock: VirtualClock, outcome: Outcome
) -> None:
    transport.script["out.s"].append(outcome)
    transport.put(FIRST.journal, GARBAGE)
    session.start(FIRST)
    clock.next(PATIENCE)  # the restart; it fails again
    clock.wait_for(1, PATIENCE)
    assert session.heard.get(timeout=PATIENCE) == TaskRestarts("filters.0")
    assert session.heard.empty()
    clock.next(PATIENCE)  # the failure, once more
    assert session.told() == TaskSettled(FIRST)
    first, second = (transport.appended.get(timeout=PATIENCE) for _ in range(2))
    assert first == second


def test_the_failure_of_a_session_that_is_over_settles_its_tasks(
    session: Session, transport: SpyTransport, clock: VirtualClock
) -> None:
    transport.delete_journal("out.s")
    transport.put(FIRST.journal, GARBAGE)
    session.start(FIRST)
    clock.next(PATIENCE)
    assert session.told() == TaskSettled(FIRST)
    assert "out.s" not in transport.inner.names()


def test_tasks_that_come_to_a_failed_session_are_settled_without_being_started(
    session: Session, transport: SpyTransport, clock: VirtualClock
) -> None:
    transport.held["out.s"] = []
    transport.put(FIRST.journal, GARBAGE)
    ref = session.start(FIRST)
    clock.next(PATIENCE)
    transport.appended.get(timeout=PATIENCE)
    transport.settle()
    ref.tell(StartTask(SECOND))
    ref.ask("nothing", timeout=PATIENCE)
    assert session.heard.get(timeout=PATIENCE) == TaskRestarts("filters.0")
    assert session.heard.empty()
    transport.held["out.s"][0]()
    assert {session.told(), session.told()} == {TaskSettled(FIRST), TaskSettled(SECOND)}
    late = TaskId("s", "aggregator_query1", 0)
    ref.tell(StartTask(late))
    assert session.told() == TaskSettled(late)
    reads = [transport.reads.get(timeout=PATIENCE) for _ in range(2)]
    assert reads == [FIRST.journal] * 2
    assert transport.reads.empty()
