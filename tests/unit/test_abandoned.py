"""What tasks conclude when a session's clients have left."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coffeeshop.pipeline.abandoned import AbandonedUpload
from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId, out_journal
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.pipeline.task import TaskCore
from coffeeshop.transport import Delivery
from tests.unit.helpers import STORES, TRANSACTIONS, batch, eof

LEFT = Record("client_gone", "clients", "g1", 0)
OTHER = eof("stores", 0)
SPEC = SessionSpec("s", "fused", 1, 1)
QUERY3 = TaskId("s", "aggregator_query3", 0)
FILTERS = TaskId("s", "filters", 0)


def seen(upload: AbandonedUpload, offset: int, record: Record, since: int | None = None) -> bool:
    return upload.observe(Delivery(offset, record.message(), since), record)


@settings(deadline=None)
@given(st.integers(0, 12), st.integers(0, 5), st.randoms(use_true_random=False))
def test_it_is_certain_once_when_all_before_the_word_was_taken_in_any_order(
    before: int, after: int, chance: random.Random
) -> None:
    entries = dict.fromkeys(range(before + after + 1), OTHER) | {before: LEFT}
    order = chance.sample(sorted(entries), len(entries))
    upload = AbandonedUpload()
    told = [seen(upload, offset, entries[offset]) for offset in [*order, *order]]
    needed = max(order.index(offset) for offset in range(before + 1))
    assert told == [place == needed for place in range(2 * len(order))]


def test_a_second_word_changes_nothing() -> None:
    upload = AbandonedUpload()
    assert [seen(upload, n, LEFT) for n in (0, 1)] == [True, False]


def test_an_entry_that_was_never_taken_makes_nothing_certain() -> None:
    upload = AbandonedUpload()
    assert not any(seen(upload, offset, LEFT) for offset in (1, 2, 3))


def test_an_offset_that_no_message_has_is_not_waited_for() -> None:
    upload = AbandonedUpload()
    assert not seen(upload, 0, OTHER)
    assert not seen(upload, 3, OTHER, since=1)
    assert not seen(upload, 6, LEFT, since=5)
    assert seen(upload, 4, OTHER)


def test_a_task_that_misses_a_batch_ends_the_session_with_its_name() -> None:
    core = TaskCore(SPEC, QUERY3)
    assert core.feed(batch("stores", 1, STORES)) == []
    assert core.feed(eof("stores", 3)) == []
    assert core.feed(LEFT) == []
    (output,) = core.abort_if_incomplete()
    assert (output.journal, output.record.kind) == (out_journal("s"), "failed")
    assert (output.record.stream, output.record.producer) == ("aborted", QUERY3.producer)
    assert output.record.body.decode().endswith(
        "2 of stores from producer 0 missing (batches 0, 2)"
    )


def test_a_task_that_waits_for_other_tasks_only_goes_on() -> None:
    core = TaskCore(SPEC, QUERY3)
    for record in (batch("stores", 0, STORES), eof("stores", 1), LEFT):
        core.feed(record)
    assert core.waiting()
    assert core.abort_if_incomplete() == []


def test_the_word_changes_no_result() -> None:
    records = [batch("transactions", n, each) for n, each in enumerate(TRANSACTIONS)]
    records += [eof("transactions", len(TRANSACTIONS)), eof("transaction_items", 0)]
    with_it, without = TaskCore(SPEC, FILTERS), TaskCore(SPEC, FILTERS)
    told = [output for each in records[:2] for output in with_it.feed(each)]
    told += with_it.feed(LEFT)
    told += [output for each in records[2:] for output in with_it.feed(each)]
    assert told == [output for each in records for output in without.feed(each)]
    assert with_it.finished
    assert with_it.abort_if_incomplete() == []


@pytest.mark.parametrize("plan", PLANS)
def test_no_stream_between_tasks_is_mistaken_for_a_clients(plan: str) -> None:
    emitted = {each.emits for stage in PLANS[plan].stages for each in stage.operators}
    assert not emitted & {"transactions", "transaction_items", "users", "stores", "menu_items"}
