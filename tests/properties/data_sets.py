"""Data sets with everything odd that the tables may hold, and their files."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from hypothesis import strategies as st

from coffeeshop.schema import TABLES

Row = tuple[str | None, ...]
Data = dict[str, list[Row]]
COLUMNS = {
    name: [column.name for column in table.columns] + ["unused"] for name, table in TABLES.items()
}
FAR = (2**20 - 1, 2**20, 2**43 - 1, 2**43, 2**53 - 1, -1)
"""Ids at the ends of what fits into one word together with another one."""
IDS = st.one_of(st.integers(0, 2), st.integers(0, 9), st.sampled_from(FAR)).map(str)
TRANSACTION_IDS = st.sampled_from(["a", "B", "b", "é", "0", "10", "9", "ab", "t,1"])
AMOUNTS = st.one_of(
    st.sampled_from(["74.999", "75", "75.0", "75.001", "0.005", "-0.005", "0.004", "9999999.999"]),
    st.integers(-100_000, 100_000).map(lambda n: f"{n / 1000:.3f}"),
)
DAYS = ("2023-12-31", "2024-01-01", "2024-06-30", "2024-07-01", "2025-12-31", "2026-01-01")
TIMES = ("00:00:00", "05:59:59", "06:00:00", "12:00:00", "23:00:00", "23:00:01", "23:59:59")
MOMENTS = st.one_of(
    st.tuples(st.sampled_from(DAYS), st.sampled_from(TIMES)).map(" ".join),
    st.sampled_from(["2024-02-29 12:00:00", "1969-12-31 23:59:59", "0001-01-01 12:00:00"]),
)
NAMES = st.sampled_from(
    ["North", "a,b", 'say "a"', "two\nlines", "Café №5", "", "NULL", "null", " ", "Z", "a", "é"]
)
BIRTHDATES = st.one_of(
    st.sampled_from(["1969-12-31", "1970-01-01", "2000-02-29", "0001-01-01", "", "NULL"]),
    st.dates().map(str),
)


def _rows(*columns: st.SearchStrategy[str], most: int) -> st.SearchStrategy[list[Row]]:
    """Some rows, and some of them again: real tables hold equal rows."""
    row = st.tuples(*columns, st.just("x,y"))
    rows = st.one_of(st.lists(row, max_size=5), st.lists(row, min_size=most // 2, max_size=most))
    return st.tuples(rows, st.integers(0, 3)).map(lambda drawn: drawn[0] + drawn[0][: drawn[1]])


def _points(whole: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(whole, st.sampled_from(["", ".0"])).map("".join)


DATA_SETS = st.fixed_dictionaries(
    {
        "menu_items": _rows(_points(IDS), NAMES, most=16),
        "stores": _rows(_points(IDS), NAMES, most=16),
        "users": _rows(_points(IDS), BIRTHDATES, most=16),
        "transactions": _rows(
            TRANSACTION_IDS,
            _points(IDS),
            st.one_of(st.sampled_from(["", "NULL"]), _points(IDS)),
            AMOUNTS,
            MOMENTS,
            most=40,
        ),
        "transaction_items": _rows(
            _points(IDS), _points(st.integers(-1, 5).map(str)), AMOUNTS, MOMENTS, most=40
        ),
    }
)


def write(file: Path, table: str, rows: Sequence[Row]) -> None:
    with file.open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS[table])
        writer.writerows(rows)


def write_flat(folder: Path, data: Data) -> Path:
    """The data as ``<table>.csv``."""
    folder.mkdir(exist_ok=True)
    for table, rows in data.items():
        write(folder / f"{table}.csv", table, rows)
    return folder
