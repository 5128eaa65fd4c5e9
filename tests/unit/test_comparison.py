"""Two results side by side: values worked out by hand, and DuckDB's."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import coffeeshop
from coffeeshop.client.result_files import read_results
from coffeeshop.client.results import write_results
from coffeeshop.comparison import key_columns, side_by_side

MONEY = pa.decimal128(38, 2)


def revenue(**stores: str | None) -> pa.Table:
    """A result with an amount for each store."""
    amounts = [None if each is None else Decimal(each) for each in stores.values()]
    return pa.table({"store": list(stores), "revenue": pa.array(amounts, MONEY)})


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def test_stores_of_two_periods_meet_by_name_and_missing_ones_are_blank() -> None:
    last = revenue(Centre="100.00", North="80.00", Old="5.00")
    this = revenue(Centre="125.50", New="7.00", North="72.00")
    found = coffeeshop.compare({"sales": last}, {"sales": this})["sales"]
    assert found.column_names == [
        "store",
        "revenue_a",
        "revenue_b",
        "revenue_difference",
        "revenue_percent",
    ]
    D = Decimal
    assert rows(found) == [
        ("Centre", D("100.00"), D("125.50"), D("25.50"), D("25.50")),
        ("New", None, D("7.00"), None, None),
        ("North", D("80.00"), D("72.00"), D("-8.00"), D("-10.00")),
        ("Old", D("5.00"), None, None, None),
    ]


@pytest.mark.parametrize(
    ("a", "b", "difference", "percent"),
    [
        ("3.00", "4.00", "1.00", "33.33"),
        ("800.00", "801.00", "1.00", "0.13"),  # 0.125
        ("800.00", "799.00", "-1.00", "-0.13"),
        ("-2.00", "1.00", "3.00", "150.00"),
        ("0.00", "1.00", "1.00", None),
        ("5.00", "0.00", "-5.00", "-100.00"),
        (None, "1.00", None, None),
        ("1.00", None, None, None),
        ("99999999999999999.01", "99999999999999999.02", "0.01", "0.00"),
    ],
)
def test_differences_are_exact_and_per_cents_are_rounded_half_away_from_0(
    a: str | None, b: str | None, difference: str | None, percent: str | None
) -> None:
    (row,) = rows(side_by_side(revenue(s=a), revenue(s=b), ["store"]))
    wanted = [None if each is None else Decimal(each) for each in (a, b, difference, percent)]
    assert row == ("s", *wanted)


def test_rows_are_in_the_order_of_a_unless_both_sides_are_sorted() -> None:
    a = pa.table({"k": ["z", "m"], "n": [9, 8]})
    b = pa.table({"k": ["m", "a"], "n": [5, 4]})
    assert rows(side_by_side(a, b, ["k"])) == [
        ("z", 9, None, None, None),
        ("m", 8, 5, -3, Decimal("-37.50")),
        ("a", None, 4, None, None),
    ]


def test_rows_with_equal_keys_are_taken_in_their_order_and_a_null_is_a_key() -> None:
    a = pa.table({"k": [None, "x", "x"], "n": [1, 2, 3]})
    b = pa.table({"k": ["x", None], "n": [20, 10]})
    assert rows(side_by_side(a, b, ["k"])) == [
        (None, 1, 10, 9, Decimal("900.00")),
        ("x", 2, 20, 18, Decimal("900.00")),
        ("x", 3, None, None, None),
    ]


def test_texts_that_are_no_keys_are_shown_without_a_difference() -> None:
    a, b = (pa.table({"store_id": [1], "best": [item], "n": [2]}) for item in ("Tea", "Latte"))
    found = side_by_side(a, b, ["store_id"])
    assert found.column_names == [
        "store_id",
        "best_a",
        "best_b",
        "n_a",
        "n_b",
        "n_difference",
        "n_percent",
    ]
    assert rows(found) == [(1, "Tea", "Latte", 2, 2, 0, Decimal("0.00"))]


@pytest.mark.parametrize(
    ("columns", "keys"),
    [
        ({"n": [5, 6], "store_id": [1, 2]}, ("store_id",)),
        ({"weekday": [1, 1], "hour": [7, 8], "sales": [3, 3]}, ("weekday", "hour")),
        ({"band": [1, 2], "sales": [3, 3]}, ("band",)),
        ({"x": [1, 1], "y": [1, 2], "sales": [3, 3]}, ("x", "y")),
        ({"sales": [3], "name": ["a"]}, ("name",)),
    ],
)
def test_keys_are_what_tells_rows_apart(columns: dict[str, Any], keys: tuple[str, ...]) -> None:
    table = pa.table(columns)
    assert key_columns(table, table) == keys


MONTHS = pa.table(
    {
        "month": ["2024-01", "2024-02", "2025-01", "2025-03"],
        "sales": [10, 20, 15, 30],
    }
)


def test_years_meet_month_by_month() -> None:
    found = coffeeshop.compare(MONTHS, years=(2024, 2025))["result"]
    assert rows(found) == [
        ("01", 10, 15, 5, Decimal("50.00")),
        ("02", 20, None, None, None),
        ("03", None, 30, None, None),
    ]


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [
        (["2024-H1"], ["2025-H1"], ["H1"]),
        (pa.array([19723], pa.date32()), pa.array([20089], pa.date32()), ["01-01"]),
        (
            pa.array([1704067200], pa.timestamp("s")),
            pa.array([1735689600], pa.timestamp("s")),
            ["01-01"],
        ),
    ],
)
def test_what_is_left_of_a_year_is_the_key(first: Any, second: Any, left: list[str]) -> None:
    a, b = (pa.table({"when": each, "n": [1]}) for each in (first, second))
    found = coffeeshop.compare(a, b, years=(2024, 2025))["result"]
    assert rows(found) == [(left[0], 1, 1, 0, Decimal("0.00"))]


def test_a_column_that_is_the_year_is_no_key_any_more() -> None:
    table = pa.table({"year": [2024, 2025], "n": [4, 5]})
    found = coffeeshop.compare(table, years=(2024, 2025), keys=["year"])["result"]
    assert rows(found) == [(4, 5, 1, Decimal("25.00"))]


def test_a_column_names_the_period() -> None:
    table = pa.table({"quarter": [1, 1, 2], "store": ["N", "S", "N"], "n": [4, 5, 6]})
    found = coffeeshop.compare(table, period=("quarter", "1", "2"))["result"]
    assert rows(found) == [
        ("N", 4, 6, 2, Decimal("50.00")),
        ("S", 5, None, None, None),
    ]


def test_what_cannot_be_compared_says_why() -> None:
    with pytest.raises(coffeeshop.UsageError, match="none of its key columns tells the year"):
        coffeeshop.compare(revenue(N="1"), years=(2024, 2025))
    with pytest.raises(coffeeshop.UsageError, match="it has no column quarter"):
        coffeeshop.compare(MONTHS, period=("quarter", "1", "2"))
    with pytest.raises(coffeeshop.UsageError, match="x: only A has it; y: only B has it"):
        coffeeshop.compare({"x": MONTHS}, {"y": MONTHS})
    with pytest.raises(coffeeshop.UsageError, match="years are two, each of four digits"):
        coffeeshop.compare(MONTHS, years=(2024,))


@pytest.mark.parametrize("file_format", ["csv", "json", "parquet"])
def test_folders_of_results_compare_as_the_results_do(tmp_path: Path, file_format: str) -> None:
    tables = {
        "by_day": pa.table(
            {
                "day": pa.array([19723, None, 19800], pa.date32()),
                "store_name": ['with "quotes"', "a,b", None],
                "revenue": pa.array([Decimal("1.500"), None, Decimal("12.000")], MONEY),
                "average": pa.array([Decimal("1.123456")] * 3, pa.decimal128(38, 6)),
                "sales": [3, 4, 5],
            }
        )
    }
    write_results(tables, tmp_path, file_format)
    found = coffeeshop.compare(tmp_path, tables)["by_day"]
    assert found.num_rows == 3
    assert set(found["sales_difference"].to_pylist()) == {0}
    assert found["revenue_difference"].to_pylist() == [0, None, 0]
    assert set(found["average_percent"].to_pylist()) == {0}


def test_a_folder_without_results_is_refused_and_sheets_are_not_read(tmp_path: Path) -> None:
    with pytest.raises(coffeeshop.UsageError, match="no results in"):
        read_results(tmp_path)
    write_results({"x": MONTHS}, tmp_path, "es.csv")
    with pytest.raises(
        coffeeshop.UsageError, match=r"x\.es\.csv is for spreadsheets, and not exact"
    ):
        read_results(tmp_path)
    (tmp_path / "bad.csv").write_text("a,b\n1\n")
    with pytest.raises(coffeeshop.UsageError, match=r"bad\.csv has a row that is not as long"):
        read_results(tmp_path)


JOINED = """
SELECT coalesce(a.x, b.x), coalesce(a.y, b.y), a.v, b.v, b.v - a.v,
       CASE WHEN a.v <> 0 THEN sign(b.v - a.v) * ((20000 * abs(b.v - a.v) + abs(a.v))
            // (2 * abs(a.v))) END
FROM a FULL JOIN b ON a.x IS NOT DISTINCT FROM b.x AND a.y IS NOT DISTINCT FROM b.y
ORDER BY 1 NULLS LAST, 2 NULLS LAST
"""
"""Amounts as whole hundredths, per cents as hundredths of one."""


@pytest.mark.parametrize("seed", range(20))
def test_random_results_compare_as_duckdb_compares_them(seed: int, tmp_path: Path) -> None:
    chance = random.Random(f"comparison {seed}")
    sides = [_random_rows(chance) for _ in "ab"]
    for name, side in zip("ab", sides, strict=True):
        x, y, v = zip(*side, strict=True)
        amounts = [None if each is None else Decimal(each).scaleb(-2) for each in v]
        table = pa.table({"x": x, "y_id": y, "v": pa.array(amounts, MONEY)})
        write_results({"q": table}, tmp_path / name, chance.choice(["csv", "json", "parquet"]))
    found = coffeeshop.compare(tmp_path / "a", tmp_path / "b")["q"]
    with duckdb.connect() as database:
        for name, side in zip("ab", sides, strict=True):
            database.execute(f"CREATE TABLE {name} (x TEXT, y BIGINT, v HUGEINT)")
            database.executemany(f"INSERT INTO {name} VALUES (?, ?, ?)", side)
        wanted = database.execute(JOINED).fetchall()
    shown = [
        (x, y, *(None if each is None else int(each.scaleb(2)) for each in amounts))
        for x, y, *amounts in rows(found)
    ]
    assert sorted(shown, key=str) == sorted(wanted, key=str)


def _random_rows(chance: random.Random) -> list[tuple[str | None, int | None, int | None]]:
    """Rows with distinct keys, some of which are null."""
    keys = {
        (chance.choice(["a", "b", "c", "ñ", None]), chance.choice([1, 2, 3, None]))
        for _ in range(chance.randint(1, 15))
    }
    return [
        (x, y, chance.choice([None, 0, chance.randint(-500, 500), chance.randint(0, 10**15)]))
        for x, y in sorted(keys, key=str)
    ]
