"""The filters and the partial aggregates, against values worked by hand."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from coffeeshop import operators as ops
from coffeeshop.codec import encode, opened
from coffeeshop.operators import grouping
from coffeeshop.operators.calendar import YEARS, half_name, month_name
from coffeeshop.operators.dense import PLACES, DenseSums
from coffeeshop.operators.final import money
from coffeeshop.operators.grouping import GroupedSums, PairCounts
from coffeeshop.operators.partial import PARTIAL
from tests.unit.helpers import instant, items, transactions, tuples

T0 = "2024-01-01 07:00:00"


def _at(*instants: str, amount: str = "1") -> pa.RecordBatch:
    return transactions(*((text, 1, 1, amount, text) for text in instants))


def _ids(batch: pa.RecordBatch) -> list[Any]:
    return batch["transaction_id"].to_pylist()


def kept_by(keep: ops.Map, batch: pa.RecordBatch) -> pa.RecordBatch:
    """What a filter keeps of a batch, narrowed or not."""
    kept = keep(ops.Rows(batch)).batch()
    assert keep(ops.Rows(opened(encode(batch)))).batch().equals(kept)
    return kept


@pytest.mark.parametrize(
    ("moment", "kept"),
    [
        ("2023-12-31 23:59:59", False),
        ("2024-01-01 00:00:00", True),
        ("2024-02-29 12:00:00", True),
        ("2025-12-31 23:59:59", True),
        ("2026-01-01 00:00:00", False),
        ("1969-12-31 23:59:59", False),
    ],
)
def test_the_years_2024_and_2025_are_kept_to_the_second(moment: str, kept: bool) -> None:
    assert _ids(kept_by(ops.filter_year, _at(moment))) == ([moment] if kept else [])


@pytest.mark.parametrize("day", ["2024-01-01", "2024-02-29", "2025-12-31"])
@pytest.mark.parametrize(
    ("time", "kept"),
    [
        ("00:00:00", False),
        ("05:59:59", False),
        ("06:00:00", True),
        ("12:34:56", True),
        ("22:59:59", True),
        ("23:00:00", True),
        ("23:00:01", False),
        ("23:59:59", False),
    ],
)
def test_the_hours_from_six_to_eleven_are_kept_both_included(
    day: str, time: str, kept: bool
) -> None:
    moment = f"{day} {time}"
    assert _ids(kept_by(ops.filter_hour, _at(moment))) == ([moment] if kept else [])


@pytest.mark.parametrize(
    ("amount", "kept"),
    [("74.999", False), ("75", True), ("75.001", True), ("-75", False), ("0", False)],
)
def test_amounts_from_75_are_kept(amount: str, kept: bool) -> None:
    batch = _at("2024-01-01 07:00:00", amount=amount)
    assert kept_by(ops.filter_amount, batch).num_rows == int(kept)


@pytest.mark.parametrize("keep", [ops.filter_year, ops.filter_hour, ops.filter_amount])
def test_a_filter_takes_an_empty_batch(keep: ops.Map) -> None:
    assert kept_by(keep, transactions()).num_rows == 0


def test_a_batch_that_loses_no_row_is_not_copied() -> None:
    batch = _at("2024-01-01 06:00:00", amount="75")
    for keep in (ops.filter_year, ops.filter_hour, ops.filter_amount):
        kept = kept_by(keep, batch)
        addresses = [column.buffers()[1].address for column in batch.columns]
        assert [column.buffers()[1].address for column in kept.columns] == addresses


def test_a_filter_keeps_the_order_and_the_other_columns() -> None:
    batch = transactions(
        ("a", 1, 2, "75", "2024-01-01 07:00:00"),
        ("b", 1, None, "74", "2024-01-01 07:00:00"),
        ("c", 3, None, "76", "2024-01-01 07:00:00"),
    )
    kept = kept_by(ops.filter_amount, batch)
    assert _ids(kept) == ["a", "c"]
    assert kept["user_id"].to_pylist() == [2, None]


INT64 = -(1 << 63), (1 << 63) - 1


@pytest.mark.parametrize("largest", [5, 127, 128, 40_000, 3_000_000_000])
@pytest.mark.parametrize("least", [-3_000_000_000, -129, -128, 0, 7, 127, 128, 40_000])
@pytest.mark.parametrize("modulus", [0, 7, 86_400])
def test_a_range_means_the_same_of_a_column_of_any_width(
    least: int, largest: int, modulus: int
) -> None:
    edges = [0, 1, 5, 6, 7, 8, 126, 127, 128, 129, 32_767, 40_000, 86_399, 86_400, 2**31, *INT64]
    values = sorted({*edges, *(-edge for edge in edges if edge != INT64[0])})
    asked = ops.Range("value", least, largest, modulus)
    for bits in (8, 16, 32, 64):
        fit = [v for v in values if -(1 << bits - 1) <= v < 1 << bits - 1]
        column = pa.array([*fit, None], pa.int64()).cast(f"int{bits}")
        found = asked.mask(pa.record_batch([column], ["value"])).tolist()
        taken = [v % modulus if modulus else v for v in fit]
        assert found == [*(least <= v <= largest for v in taken), False], bits


@pytest.mark.parametrize("seed", range(20))
def test_a_selection_of_selections_has_the_rows_that_all_of_them_have(seed: int) -> None:
    rng = random.Random(seed)
    rows = [(f"t{i}", rng.randrange(9), rng.choice([None, i]), str(i), T0) for i in range(50)]
    batch = opened(encode(transactions(*rows)))
    selected, expected = ops.Rows(batch), list(range(50))
    for _ in range(3):
        mask = np.array([rng.random() < 0.8 for _ in rows])
        selected = selected.only(mask)
        expected = [i for i in expected if mask[i]]
    assert selected.batch().equals(transactions(*rows).take(pa.array(expected, pa.int64())))
    names = ("user_id", "store_id")
    assert selected.batch(names).schema.names == ["store_id", "user_id"]


def test_months_and_halves_agree_with_the_calendar_on_every_day() -> None:
    first = dt.datetime(2024, 1, 1)
    moments = [first + dt.timedelta(days=n, seconds=s) for n in range(731) for s in (0, 86399)]
    assert moments[-1] == instant("2025-12-31 23:59:59")
    array = pa.array(moments, pa.timestamp("s"))
    assert YEARS.months_of(array).tolist() == [m.year * 12 + m.month - 1 for m in moments]
    assert YEARS.halves_of(array).tolist() == [m.year * 2 + (m.month >= 7) for m in moments]


def test_months_and_halves_have_names() -> None:
    assert month_name(2024 * 12) == "2024-01"
    assert month_name(2025 * 12 + 11) == "2025-12"
    assert half_name(2024 * 2) == "2024-H1"
    assert half_name(2025 * 2 + 1) == "2025-H2"


@pytest.mark.parametrize(
    ("thousandths", "text"),
    [
        (0, "0.00"),
        (4, "0.00"),
        (5, "0.01"),
        (15, "0.02"),
        (25, "0.03"),
        (1004, "1.00"),
        (1005, "1.01"),
        (-4, "0.00"),
        (-5, "-0.01"),
        (-15, "-0.02"),
        (-1005, "-1.01"),
        (999_995, "1000.00"),
        (10**17 + 5, "100000000000000.01"),
    ],
)
def test_money_rounds_half_up_away_from_zero(thousandths: int, text: str) -> None:
    assert money(thousandths) == Decimal(text)


def test_money_agrees_with_decimal_and_is_rounded_after_the_sum() -> None:
    for n in range(-2_500, 2_500, 7):
        exact = Decimal(n).scaleb(-3)
        assert money(n) == exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert money(sum([5, 5])) == Decimal("0.01") != money(5) + money(5)


def _fold(fold: ops.Fold, *batches: pa.RecordBatch) -> pa.RecordBatch:
    for batch in batches:
        fold.on_batch("any", batch)
    return fold.on_end()


PARTIALS: dict[str, tuple[Any, list[pa.RecordBatch], list[tuple[Any, ...]]]] = {
    "query1": (
        ops.partial_query1,
        [
            transactions(("b", 1, 1, "80", "2024-01-01 07:00:00")),
            transactions(),
            transactions(
                ("a", 1, 1, "75.001", "2024-01-01 07:00:00"),
                ("a", 1, 1, "75", "2024-01-01 07:00:00"),
            ),
        ],
        [("a", 75_000), ("a", 75_001), ("b", 80_000)],
    ),
    "query2": (
        ops.partial_query2,
        [
            items((2, 1, "0.001", "2024-01-31 23:59:59"), (1, 2, "1", "2024-02-01 00:00:00")),
            items((2, 4, "-0.004", "2024-01-01 00:00:00"), (2, 1, "9", "2025-01-01 00:00:00")),
            items(),
        ],
        [(24288, 2, 5, -3), (24289, 1, 2, 1000), (24300, 2, 1, 9000)],
    ),
    "query3": (
        ops.partial_query3,
        [
            transactions(
                ("a", 2, 1, "0.005", "2024-06-30 23:00:00"), ("b", 2, 1, "1", "2024-07-01 06:00:00")
            ),
            transactions(("c", 2, 1, "0.005", "2024-01-01 06:00:00")),
            transactions(("d", 1, None, "-2", "2025-12-31 23:00:00")),
        ],
        [(4048, 2, 10), (4049, 2, 1000), (4051, 1, -2000)],
    ),
    "query4": (
        ops.partial_query4,
        [
            transactions(
                ("a", 2, 9, "1", "2024-01-01 07:00:00"), ("b", 2, 9, "1", "2024-01-01 07:00:00")
            ),
            transactions(
                ("c", 1, None, "1", "2024-01-01 07:00:00"), ("d", 1, 9, "1", "2024-01-01 07:00:00")
            ),
            transactions(("e", 1, None, "1", "2024-01-01 07:00:00")),
        ],
        [(1, 9, 1), (2, 9, 2)],
    ),
}


@pytest.mark.parametrize("query", PARTIALS)
def test_a_partial_result_is_as_worked_by_hand(query: str) -> None:
    make, batches, expected = PARTIALS[query]
    found = _fold(make(), *batches)
    assert found.schema.equals(PARTIAL[query])
    assert tuples(found) == expected


@pytest.mark.parametrize("query", PARTIALS)
def test_a_partial_result_does_not_depend_on_the_order(query: str) -> None:
    make, batches, _ = PARTIALS[query]
    chance = random.Random(5)
    first = _fold(make(), *batches)
    for _ in range(10):
        chance.shuffle(batches)
        shuffled = [
            b.take(pa.array(chance.sample(range(b.num_rows), b.num_rows), pa.int64()))
            for b in batches
        ]
        assert _fold(make(), *shuffled).equals(first)


@pytest.mark.parametrize("query", PARTIALS)
def test_a_partial_result_of_nothing_has_no_rows(query: str) -> None:
    make, batches, _ = PARTIALS[query]
    for given in ([], [batches[0].slice(0, 0)]):
        empty = _fold(make(), *given)
        assert empty.num_rows == 0
        assert empty.schema.equals(PARTIAL[query])


def test_a_partial_result_of_users_unknown_throughout_has_no_rows() -> None:
    batch = transactions(("a", 1, None, "1", "2024-01-01 07:00:00"))
    assert _fold(ops.partial_query4(), batch).num_rows == 0


def test_rows_are_folded_together_when_they_outgrow_the_slack(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grouping, "_SLACK", 4)
    groups = GroupedSums(PARTIAL["query3"], ["half", "store_id"], ["tpv"])
    for n in range(50):
        rows = [{"half": 1, "store_id": n % 3, "tpv": 1}, {"half": 0, "store_id": 0, "tpv": -n}]
        groups.add(pa.Table.from_pylist(rows, schema=PARTIAL["query3"]))
    assert tuples(groups.sorted()) == [(0, 0, -1225), (1, 0, 17), (1, 1, 17), (1, 2, 16)]
    assert sum(table.num_rows for table in groups._kept) <= 12


FAR_STORES = (0, 1, 2**20 - 1, 2**20, -1, 2**53 - 1)
FAR_USERS = (0, 1, 2**43 - 1, 2**43, -1, 2**53 - 1)


def _pairs(pairs: list[tuple[int, int]]) -> pa.RecordBatch:
    columns = [pa.array([pair[i] for pair in pairs], pa.int64()) for i in (0, 1)]
    return pa.record_batch(columns, names=["store_id", "user_id"])


@pytest.mark.parametrize("slack", [1, 7, 1 << 20])
@pytest.mark.parametrize("seed", range(5))
def test_pairs_of_any_ids_are_counted_and_added_up(
    monkeypatch: pytest.MonkeyPatch, slack: int, seed: int
) -> None:
    monkeypatch.setattr(grouping, "_SLACK", slack)
    chance = random.Random(seed)
    counted = Counter[tuple[int, int]]()
    whole, again = PairCounts(PARTIAL["query4"]), PairCounts(PARTIAL["query4"])
    for _ in range(4):
        part = PairCounts(PARTIAL["query4"])
        for _ in range(chance.randrange(6)):
            near = chance.random() < 0.5  # a batch whose ids are all of a common size
            ends = 3 if near else len(FAR_USERS)
            pairs = [
                (FAR_STORES[chance.randrange(ends)], FAR_USERS[chance.randrange(ends)])
                for _ in range(chance.randrange(9))
            ]
            counted.update(pairs)
            part.count(_pairs(pairs))
        found = part.sorted()
        half = found.num_rows // 2
        for each in (whole, again):
            each.add(found.slice(0, half))
            each.add(found.slice(half))
    expected = [(store, user, n) for (store, user), n in sorted(counted.items())]
    assert tuples(whole.sorted()) == expected
    by_store = list(again.by_first())
    assert [row for batch in by_store for row in tuples(batch)] == expected
    assert [batch["store_id"][0].as_py() for batch in by_store] == sorted({s for s, _ in counted})


def test_counted_pairs_do_not_depend_on_the_order() -> None:
    pairs = [(s, u) for s in FAR_STORES for u in FAR_USERS] * 2
    first = PairCounts(PARTIAL["query4"])
    first.count(_pairs(pairs))
    second = PairCounts(PARTIAL["query4"])
    for pair in random.Random(3).sample(pairs, len(pairs)):
        second.count(_pairs([pair]))
    assert first.sorted().equals(second.sorted())
    assert first.sorted().schema.equals(PARTIAL["query4"])


def test_pairs_of_no_rows_are_none() -> None:
    empty = PairCounts(PARTIAL["query4"])
    assert empty.sorted().num_rows == 0
    empty.count(_pairs([]))
    empty.add(empty.sorted())
    assert empty.sorted().num_rows == 0


@pytest.mark.parametrize("seed", range(6))
def test_dense_sums_are_those_of_grouping(seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    schema = PARTIAL["query2"]
    dense = DenseSums(schema, range(10, 14))
    grouped = GroupedSums(schema, schema.names[:2], schema.names[2:])
    ids = [0, 1, 2, 7, PLACES - 1] if seed < 4 else [-1, 0, 5, PLACES, 2**53 - 1]
    for _ in range(5):
        rows = [
            (
                chance.randrange(10, 14),
                chance.choice(ids),
                chance.choice([0, -1, 10**9]),
                chance.choice([1, -(2**45), 2**52]),
            )
            for _ in range(chance.randrange(20))
        ]
        columns = [
            pa.array([row[place] for row in rows], kind) for place, kind in enumerate(schema.types)
        ]
        grouped.add(pa.table(columns, schema=schema))
        dense.add(*(column.to_numpy() for column in columns))
    assert dense.sorted().equals(grouped.sorted())


def test_dense_sums_of_no_rows_are_none() -> None:
    found = DenseSums(PARTIAL["query3"], range(3)).sorted()
    assert found.num_rows == 0
    assert found.schema.equals(PARTIAL["query3"])
