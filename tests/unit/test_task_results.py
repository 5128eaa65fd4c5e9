"""When a task gives the results of its folds: each when its own streams are complete."""

from __future__ import annotations

from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.pipeline.task import TaskCore
from tests.unit.helpers import input_records

SPEC = SessionSpec("s", "fused", 1, 1)
FILTERS = TaskId("s", "filters", 0)
OF_TRANSACTIONS = {"query1_partial", "query3_partial", "query4_partial"}


def records_of(table: str) -> list[Record]:
    return [record for record in input_records(SPEC) if record.stream == table]


def told(core: TaskCore, records: list[Record]) -> list[Record]:
    return [output.record for record in records for output in core.feed(record)]


def ended(records: list[Record]) -> set[str]:
    return {record.stream for record in records if record.kind == "eof"}


def test_a_fold_gives_its_result_when_its_own_streams_are_complete() -> None:
    core = TaskCore(SPEC, FILTERS)
    assert ended(told(core, records_of("transactions"))) == OF_TRANSACTIONS
    assert not core.finished
    assert ended(told(core, records_of("transaction_items"))) == {"query2_partial"}
    assert core.finished


def test_a_result_is_given_once() -> None:
    core = TaskCore(SPEC, FILTERS)
    transactions = records_of("transactions")
    told(core, transactions)
    assert told(core, transactions) == []


def test_results_are_the_same_whichever_table_ends_first() -> None:
    tables = records_of("transactions"), records_of("transaction_items")
    one, other = TaskCore(SPEC, FILTERS), TaskCore(SPEC, FILTERS)
    first = told(one, [*tables[0], *tables[1]])
    second = told(other, [*tables[1], *tables[0]])
    order = lambda record: (record.stream, record.kind, record.number)  # noqa: E731
    assert sorted(first, key=order) == sorted(second, key=order)
    assert first != second


def test_a_fold_waits_for_every_stream_that_it_reads() -> None:
    core = TaskCore(SPEC, FILTERS)
    partials = told(core, [*records_of("transactions"), *records_of("transaction_items")])
    final = TaskCore(SPEC, TaskId("s", "aggregator_query4", 0))
    of_query4 = [record for record in partials if record.stream == "query4_partial"]
    assert told(final, of_query4) == []
    assert told(final, records_of("stores")) == []
    assert ended(told(final, records_of("users"))) == {"query4"}
    assert final.finished


def test_a_stage_knows_of_which_inputs_a_stream_is_made() -> None:
    stage = plan_of(SPEC).stage("filters")
    assert stage.inputs_of("query1_partial") == {"transactions"}
    assert stage.inputs_of("query2_partial") == {"transaction_items"}
    final = plan_of(SPEC).stage("aggregator_query4")
    assert final.inputs_of("query4") == {"query4_partial", "stores", "users"}
