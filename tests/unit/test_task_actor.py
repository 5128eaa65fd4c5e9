"""One task actor between its journal and the next ones."""

from __future__ import annotations

import threading
from unittest.mock import ANY

import pyarrow as pa
import pytest

from coffeeshop.actors.supervised import ChildFailed
from coffeeshop.actors.task import CREDIT, WINDOW, TaskDone, TaskOver
from coffeeshop.codec import decode
from coffeeshop.operators.partial import PARTIAL
from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId
from coffeeshop.pipeline.task import Output, TaskCore
from coffeeshop.testing.clock import VirtualClock
from coffeeshop.transport import Outcome
from coffeeshop.transport.outbox import RESEND
from tests.running import eventually
from tests.unit.actors import Stage
from tests.unit.helpers import PATIENCE, TRANSACTIONS, batch, drain, eof
from tests.unit.spies import SpyTransport

YEARS = TaskId("s", "filter_year", 0)
QUERY1 = TaskId("s", "aggregator_query1", 0)
HOURS = "in.s.filter_hour.0"
OUT = "out.s"
END = (eof("transactions", 2), eof("transaction_items", 0))
PARTIAL_QUERY1 = pa.record_batch([["t1"], [75_000]], schema=PARTIAL["query1"])


def test_a_task_folds_its_journal_into_the_next_ones_and_is_done(
    stage: Stage, transport: SpyTransport
) -> None:
    transport.put(YEARS.journal, batch("transactions", 0, TRANSACTIONS[0]))
    transport.put(YEARS.journal, batch("transactions", 1, TRANSACTIONS[1]), *END)
    ref = stage.start(YEARS)
    assert stage.told() == TaskDone(YEARS)
    said = transport.records(HOURS)
    assert [(r.kind, r.stream, r.producer, r.number) for r in said] == [
        ("batch", "transactions_in_years", "0", 0),
        ("batch", "transactions_in_years", "0", 1),
        ("eof", "transactions_in_years", "0", 2),
    ]
    assert decode(said[1].body)["transaction_id"].to_pylist() == ["t5"]
    assert transport.records("in.s.aggregator_query4.0")[-1] == eof(
        "query4_partial", 1, YEARS.producer
    )
    assert transport.closed[YEARS.journal].wait(PATIENCE)
    assert ref.actor_stopped.wait(PATIENCE)


def test_a_task_is_done_only_when_its_last_output_is_confirmed(
    stage: Stage, transport: SpyTransport
) -> None:
    transport.held[OUT] = []
    transport.put(QUERY1.journal, batch("query1_partial", 0, PARTIAL_QUERY1, "filter_amount.0"))
    transport.put(QUERY1.journal, eof("query1_partial", 1, "filter_amount.0"))
    stage.start(QUERY1)
    drain(transport.appended, 2)
    transport.settle()
    first, last = transport.held[OUT]
    last()
    assert stage.heard.empty()
    first()
    assert stage.told() == TaskDone(QUERY1)


@pytest.mark.parametrize("outcome", [Outcome.NACKED, Outcome.UNKNOWN])
def test_an_output_without_confirmation_is_sent_again_under_its_id(
    stage: Stage, transport: SpyTransport, clock: VirtualClock, outcome: Outcome
) -> None:
    transport.script[OUT].extend([outcome, outcome])
    transport.put(QUERY1.journal, batch("query1_partial", 0, PARTIAL_QUERY1, "filter_amount.0"))
    transport.put(QUERY1.journal, eof("query1_partial", 1, "filter_amount.0"))
    stage.start(QUERY1)
    clock.wait_for(2, PATIENCE)
    assert all(0 < delay <= RESEND.first for delay in clock.delays)
    assert stage.heard.empty()
    clock.run_until_idle()
    assert stage.told() == TaskDone(QUERY1)
    sent = [record for _, record in drain(transport.appended, 4)]
    assert sorted(record.id for record in sent) == [
        "batch query1/aggregator_query1.0/0",
        "batch query1/aggregator_query1.0/0",
        "eof query1/aggregator_query1.0/1",
        "eof query1/aggregator_query1.0/1",
    ]
    assert len({record for record in sent if record.kind == "batch"}) == 1


def test_an_output_confirmed_twice_changes_nothing(stage: Stage, transport: SpyTransport) -> None:
    transport.held[HOURS] = []
    transport.put(YEARS.journal, batch("transactions", 0, TRANSACTIONS[0]))
    ref = stage.start(YEARS)
    assert drain(transport.appended, 1)[0][0] == HOURS
    transport.settle()
    eventually(lambda: transport.held[HOURS], "the output waits for its confirmation")
    transport.held[HOURS][0]()
    transport.held[HOURS][0]()
    transport.put(YEARS.journal, batch("transactions", 1, TRANSACTIONS[1]), *END)
    drain(transport.appended, 2)
    transport.settle()
    for confirm in list(transport.held[HOURS][1:]):
        confirm()
    assert stage.told() == TaskDone(YEARS)
    assert ref.actor_stopped.wait(PATIENCE)


def test_a_task_whose_next_journal_is_gone_is_over(stage: Stage, transport: SpyTransport) -> None:
    transport.delete_journal(HOURS)
    transport.put(YEARS.journal, batch("transactions", 0, TRANSACTIONS[0]))
    ref = stage.start(YEARS)
    assert stage.told() == TaskOver(YEARS, ANY)
    assert ref.actor_stopped.wait(PATIENCE)
    assert HOURS not in transport.inner.names()


def test_a_task_without_a_journal_is_over(stage: Stage, transport: SpyTransport) -> None:
    transport.delete_journal(YEARS.journal)
    stage.start(YEARS)
    assert stage.told() == TaskOver(YEARS, ANY)
    assert YEARS.journal not in transport.inner.names()


def test_a_task_whose_journal_is_deleted_under_it_is_over(
    stage: Stage, transport: SpyTransport
) -> None:
    stage.start(YEARS)
    transport.reads.get(timeout=PATIENCE)
    transport.delete_journal(YEARS.journal)
    assert stage.told() == TaskOver(YEARS, ANY)


def test_credit_bounds_what_waits_for_a_busy_task(
    stage: Stage, transport: SpyTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, busy = threading.Event(), threading.Event()
    feed = TaskCore.feed

    def slow(core: TaskCore, record: Record) -> list[Output]:
        busy.set()
        assert gate.wait(PATIENCE)
        return feed(core, record)

    monkeypatch.setattr(TaskCore, "feed", slow)
    transport.put(YEARS.journal, *(batch("transactions", n, TRANSACTIONS[0]) for n in range(40)))
    transport.put(YEARS.journal, eof("transactions", 40), END[1])
    stage.start(YEARS)
    assert busy.wait(PATIENCE)
    transport.settle()
    assert transport.delivered[YEARS.journal] == CREDIT
    gate.set()
    assert stage.told() == TaskDone(YEARS)
    assert transport.delivered[YEARS.journal] == 42


def test_a_task_takes_no_more_input_while_its_window_of_outputs_is_full(
    stage: Stage, transport: SpyTransport
) -> None:
    transport.held[HOURS] = []
    transport.put(YEARS.journal, *(batch("transactions", n, TRANSACTIONS[0]) for n in range(40)))
    transport.put(YEARS.journal, eof("transactions", 40), END[1])
    ref = stage.start(YEARS)
    drain(transport.appended, WINDOW)
    for _ in range(2 * WINDOW):  # until nothing moves: the actor's inbox, then the transport
        ref.ask("nothing", timeout=PATIENCE)
        transport.settle()
    assert WINDOW <= transport.delivered[YEARS.journal] < WINDOW + CREDIT
    assert sum(transport.credits[YEARS.journal]) == transport.delivered[YEARS.journal]
    done = 0
    while stage.heard.empty():
        transport.settle()
        for confirm in transport.held[HOURS][done:]:
            confirm()
            done += 1
    assert stage.told() == TaskDone(YEARS)
    assert transport.delivered[YEARS.journal] == 42


def test_a_killed_task_replays_its_journal_and_says_the_same(
    stage: Stage, transport: SpyTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport.put(YEARS.journal, batch("transactions", 0, TRANSACTIONS[0]))
    transport.put(YEARS.journal, batch("transactions", 1, TRANSACTIONS[1]), *END)
    with monkeypatch.context() as patch:
        feed = TaskCore.feed

        def dying(core: TaskCore, record: Record) -> list[Output]:
            outputs = feed(core, record)
            if record == END[0]:
                raise MemoryError("on purpose")
            return outputs

        patch.setattr(TaskCore, "feed", dying)
        stage.start(YEARS)
        assert stage.told() == ChildFailed(
            "filter_year.0", 1, "MemoryError: on purpose", "eof transactions/0/2"
        )
        transport.settle()
    before = transport.records(HOURS)
    assert len(before) == 2
    stage.start(YEARS, incarnation=2)
    assert stage.told() == TaskDone(YEARS)
    after = transport.records(HOURS)
    assert after == [*before, *before, eof("transactions_in_years", 2)]


def test_repeats_are_dropped_and_do_not_hold_up_the_task(
    stage: Stage, transport: SpyTransport
) -> None:
    record = batch("transactions", 0, TRANSACTIONS[0])
    transport.put(YEARS.journal, *[record] * 20, batch("transactions", 1, TRANSACTIONS[1]))
    transport.put(YEARS.journal, END[0], END[0], *END)
    stage.start(YEARS)
    assert stage.told() == TaskDone(YEARS)
    assert [record.number for record in transport.records(HOURS)] == [0, 1, 2]


def test_a_task_waits_for_every_announced_producer(stage: Stage, transport: SpyTransport) -> None:
    spec = SessionSpec("s", "staged", producers=3, partitions=1)
    ref = stage.start(YEARS, spec)
    for producer in "02":
        transport.put(YEARS.journal, eof("transactions", 0, producer))
        transport.put(YEARS.journal, eof("transaction_items", 0, producer))
    transport.settle()
    ref.ask("nothing", timeout=PATIENCE)
    assert stage.heard.empty()
    transport.put(YEARS.journal, batch("transactions", 0, TRANSACTIONS[0], "1"))
    transport.put(YEARS.journal, eof("transactions", 1, "1"), eof("transaction_items", 0, "1"))
    assert stage.told() == TaskDone(YEARS)
