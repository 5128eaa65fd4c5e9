"""The answers of the four queries, against values worked by hand."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from decimal import Decimal
from functools import partial
from typing import Any

import pyarrow as pa
import pytest

from coffeeshop import operators as ops
from coffeeshop.operators.final import RESULTS, Names
from coffeeshop.operators.partial import PARTIAL
from tests.unit.helpers import rows_of, tuples

Given = tuple[str, pa.RecordBatch]
JAN, FEB = 2024 * 12, 2024 * 12 + 1
H1, H2 = 2024 * 2, 2024 * 2 + 1


def _partial(query: str, *rows: tuple[Any, ...]) -> Given:
    schema = PARTIAL[query]
    arrays = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(schema)]
    return f"{query}_partial", pa.record_batch(arrays, schema=schema)


def _table(table: str, *rows: tuple[Any, ...]) -> Given:
    return table, rows_of(table, rows)


def _fold(fold: ops.Fold, *given: Given) -> pa.RecordBatch:
    for stream, batch in given:
        fold.on_batch(stream, batch)
    return fold.on_end()


def _warnings(batch: pa.RecordBatch) -> list[str]:
    found: list[str] = json.loads(batch.schema.metadata[b"warnings"])
    return found


best_selling = partial(ops.FinalQuery2, "quantity")
most_profitable = partial(ops.FinalQuery2, "subtotal")


def test_query_1_is_sorted_and_exact() -> None:
    found = _fold(
        ops.FinalQuery1(),
        _partial("query1", ("b", 75_000)),
        _partial("query1", ("a", 10**15 + 1), ("c", 75_001)),
    )
    assert tuples(found) == [
        ("a", Decimal("1000000000000.001")),
        ("b", Decimal("75.000")),
        ("c", Decimal("75.001")),
    ]
    assert found.schema.equals(RESULTS["query1"])
    assert _warnings(found) == []


def test_query_1_keeps_transactions_that_share_an_id() -> None:
    found = _fold(ops.FinalQuery1(), _partial("query1", ("a", 76_000), ("a", 75_000)))
    assert tuples(found) == [("a", Decimal("75.000")), ("a", Decimal("76.000"))]


def test_query_2_takes_the_leader_of_the_sums_of_all_partitions() -> None:
    given = [
        _table("menu_items", (1, "Espresso"), (2, "Latte")),
        _partial("query2", (JAN, 1, 3, 9_000), (FEB, 1, 1, 1_000)),
        _partial("query2", (JAN, 2, 2, 9_004), (JAN, 1, 1, 1)),
        _partial("query2", (JAN, 2, 3, 1)),
    ]
    assert tuples(_fold(best_selling(), *given)) == [
        ("2024-01", "Latte", 5),
        ("2024-02", "Espresso", 1),
    ]
    assert tuples(_fold(most_profitable(), *given)) == [
        ("2024-01", "Latte", Decimal("9.01")),
        ("2024-02", "Espresso", Decimal("1.00")),
    ]


def test_query_2_gives_a_tie_to_the_lowest_item_id() -> None:
    given = [
        _table("menu_items", (2, "A"), (10, "B"), (9, "C")),
        _partial("query2", (JAN, 10, 5, 50), (JAN, 9, 5, 50), (JAN, 2, 4, 49)),
    ]
    assert tuples(_fold(best_selling(), *given)) == [("2024-01", "C", 5)]
    assert tuples(_fold(most_profitable(), *given)) == [("2024-01", "C", Decimal("0.05"))]


def test_query_2_has_a_leader_also_below_zero() -> None:
    given = [_table("menu_items", (1, "A"), (2, "B"))]
    given += [_partial("query2", (JAN, 1, -3, -3_005), (JAN, 2, -2, -4_000))]
    assert tuples(_fold(best_selling(), *given)) == [("2024-01", "B", -2)]
    assert tuples(_fold(most_profitable(), *given)) == [("2024-01", "A", Decimal("-3.01"))]


def test_query_2_names_an_unknown_item_with_nothing_and_warns() -> None:
    found = _fold(best_selling(), _partial("query2", (JAN, 7, 1, 1)))
    assert tuples(found) == [("2024-01", "", 1)]
    assert _warnings(found) == ["1 item_id without a row in menu_items: 7"]


def test_an_item_that_does_not_lead_needs_no_name() -> None:
    found = _fold(
        best_selling(),
        _table("menu_items", (1, "A")),
        _partial("query2", (JAN, 1, 2, 1), (JAN, 7, 1, 1)),
    )
    assert _warnings(found) == []


def test_query_3_rounds_the_sum_once_and_sorts_by_half_name_and_store() -> None:
    found = _fold(
        ops.FinalQuery3(),
        _partial("query3", (H2, 1, -5), (H1, 2, 4), (H1, 3, 1_000)),
        _partial("query3", (H1, 2, 4), (H1, 1, 10)),
        _table("stores", (1, "Zoo"), (2, "Alp")),
        _table("stores", (3, "Alp")),
    )
    assert tuples(found) == [
        ("2024-H1", "Alp", Decimal("0.01")),
        ("2024-H1", "Alp", Decimal("1.00")),
        ("2024-H1", "Zoo", Decimal("0.01")),
        ("2024-H2", "Zoo", Decimal("-0.01")),
    ]


def test_query_3_warns_once_of_a_store_without_a_row() -> None:
    found = _fold(ops.FinalQuery3(), _partial("query3", (H1, 5, 1_000), (H2, 5, 2_000)))
    assert tuples(found) == [
        ("2024-H1", "", Decimal("1.00")),
        ("2024-H2", "", Decimal("2.00")),
    ]
    assert _warnings(found) == ["1 store_id without a row in stores: 5"]


def test_a_warning_shows_five_ids() -> None:
    found = _fold(ops.FinalQuery3(), _partial("query3", *((H1, n, 1) for n in range(6))))
    assert _warnings(found) == ["6 store_id without a row in stores: 0, 1, 2, 3, 4, …"]


def test_a_store_whose_name_is_null_has_no_name_and_no_warning() -> None:
    found = _fold(
        ops.FinalQuery3(), _table("stores", (5, None)), _partial("query3", (H1, 5, 1_000))
    )
    assert tuples(found) == [("2024-H1", "", Decimal("1.00"))]
    assert _warnings(found) == []


BORN = [dt.date(1990, 1, day) for day in range(1, 10)]


def test_query_4_takes_three_users_a_store_and_ties_go_to_the_lowest_id() -> None:
    found = _fold(
        ops.FinalQuery4(),
        _partial("query4", (1, 4, 2), (1, 3, 2), (1, 2, 1), (1, 1, 2)),
        _partial("query4", (1, 5, 3), (2, 5, 1)),
        _table("stores", (1, "Zoo"), (2, "Alp")),
        _table("users", *((n, BORN[n]) for n in range(1, 6))),
    )
    assert tuples(found) == [
        ("Alp", BORN[5], 1),
        ("Zoo", BORN[5], 3),
        ("Zoo", BORN[1], 2),
        ("Zoo", BORN[3], 2),
    ]
    assert _warnings(found) == []


def test_query_4_adds_up_partitions_before_it_takes_the_top() -> None:
    rows = [(1, n, 2) for n in (1, 2, 3)]
    found = _fold(
        ops.FinalQuery4(),
        _partial("query4", *rows, (1, 9, 1)),
        _partial("query4", (1, 9, 2)),
        _table("stores", (1, "A")),
        _table("users", *((n, BORN[n - 1]) for n in (1, 2, 3, 9))),
    )
    assert tuples(found) == [("A", BORN[8], 3), ("A", BORN[0], 2), ("A", BORN[1], 2)]


def test_query_4_leaves_an_unknown_birthdate_empty_and_warns_of_both_tables() -> None:
    found = _fold(ops.FinalQuery4(), _partial("query4", (1, 4, 2)))
    assert tuples(found) == [("", None, 2)]
    assert _warnings(found) == [
        "1 store_id without a row in stores: 1",
        "1 user_id without a row in users: 4",
    ]


def test_stores_that_share_a_name_stay_apart_by_their_id() -> None:
    found = _fold(
        ops.FinalQuery4(),
        _partial("query4", (1, 1, 1), (1, 2, 1), (2, 1, 9)),
        _table("stores", (1, "A"), (2, "A")),
        _table("users", (1, BORN[1]), (2, BORN[2])),
    )
    assert tuples(found) == [("A", BORN[1], 1), ("A", BORN[2], 1), ("A", BORN[1], 9)]


FINALS: dict[str, Any] = {
    "query1": (ops.FinalQuery1, [_partial("query1", (c, 75_000)) for c in "bca"]),
    "query2_best_selling": (
        best_selling,
        [_partial("query2", (JAN, n, 1, 1)) for n in (3, 1)] + [_table("menu_items", (1, "A"))],
    ),
    "query2_most_profitable": (
        most_profitable,
        [_partial("query2", (JAN, n, 1, 1)) for n in (3, 1)] + [_table("menu_items", (1, "A"))],
    ),
    "query3": (
        ops.FinalQuery3,
        [_partial("query3", (H1, n, 5)) for n in (2, 1, 2)] + [_table("stores", (1, "A"))],
    ),
    "query4": (
        ops.FinalQuery4,
        [_partial("query4", (1, n, 1)) for n in (2, 1)]
        + [_table("stores", (1, "A")), _table("users", (1, BORN[1]), (3, BORN[3]))],
    ),
}


@pytest.mark.parametrize("query", FINALS)
def test_an_answer_does_not_depend_on_the_order(query: str) -> None:
    make, given = FINALS[query]
    first = _fold(make(), *given)
    assert first.num_rows
    for order in itertools.permutations(given):
        assert _fold(make(), *order).equals(first, check_metadata=True)


@pytest.mark.parametrize("query", FINALS)
def test_an_answer_to_nothing_has_its_columns_and_no_rows(query: str) -> None:
    make, given = FINALS[query]
    for empty in (_fold(make()), _fold(make(), *((s, b.slice(0, 0)) for s, b in given))):
        assert empty.num_rows == 0
        assert empty.schema.equals(RESULTS[query])
        assert _warnings(empty) == []


@pytest.mark.parametrize(
    ("values", "least"),
    [
        (("b", "a"), "a"),
        ((None, "b"), "b"),
        ((None, None), None),
        (("a", "a"), "a"),
        ((None, "b", "a"), "a"),
        (("", "b"), ""),
        (("", None, "b"), ""),
    ],
)
def test_of_rows_that_share_an_id_the_least_value_counts_in_any_order(
    values: tuple[str | None, ...], least: str | None
) -> None:
    for order in itertools.permutations(values):
        for split_at in range(len(order)):
            table = Names("stores", "store_id", "store_name")
            table.add(rows_of("stores", [(1, value) for value in order[:split_at]]))
            table.add(rows_of("stores", [(1, value) for value in order[split_at:]]))
            assert table.of([1, 1]) == ({1: least}, [])
