"""Generated data sets: seeded, streaming, with every oddity of the real exports.

``generate`` writes the five tables of a chain as CSV. The same arguments always write the same
bytes. Memory is bounded by ``CHUNK`` rows, whatever the number of transactions.

numpy is imported here only: nothing on the path of an analysis needs it.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

CHUNK = 200_000
ITEMS_PER_TRANSACTION = 2
MENU = (
    ("Espresso", "coffee", 6.0),
    ("Americano", "coffee", 7.0),
    ("Latte", "coffee", 8.0),
    ("Cappuccino", "coffee", 8.0),
    ("Flat White", "coffee", 9.0),
    ("Mocha, dark", "coffee", 9.5),
    ("Hot Chocolate", "non-coffee", 9.0),
    ("Matcha Latte", "non-coffee", 10.0),
)
STORES = (
    "G Coffee @ USJ 89q",
    "G Coffee @ Kondominium Putra",
    "G Coffee @ USJ 57W",
    "G Coffee @ Kampung Changkat",
    "G Coffee @ Seksyen 21",
    "G Coffee @ Alam Tun Hussein Onn",
    "G Coffee @ Damansara Saujana",
    'G Coffee "Mulia", Bandar Seri',
    "G Coffee @ PJS8",
    "G Coffee @ Taman Damansara",
)
# Both sides of every limit the queries draw: years, hours to the second, half-years, months.
BOUNDARY_TIMES = (
    "2023-12-31 23:59:59",
    "2024-01-01 00:00:00",
    "2024-01-01 05:59:59",
    "2024-01-01 06:00:00",
    "2024-06-30 23:00:00",
    "2024-06-30 23:00:01",
    "2024-07-01 06:00:00",
    "2024-12-31 23:59:59",
    "2025-01-01 06:00:00",
    "2025-12-31 23:00:00",
    "2025-12-31 23:59:59",
    "2026-01-01 00:00:00",
)
BOUNDARY_AMOUNTS = (74_999, 75_000, 75_001)  # thousandths
FIRST_DAY = np.datetime64("2023-12-01T00:00:00", "s").astype(np.int64)
LAST_DAY = np.datetime64("2026-01-15T00:00:00", "s").astype(np.int64)
DASHES = (8, 13, 18, 23)


def generate(
    out: Path,
    *,
    transactions: int,
    seed: int,
    dialect: str = "kaggle",
    layout: str = "dirs",
    users: int | None = None,
    progress: Callable[[str, int], None] = lambda table, rows: None,
) -> dict[str, int]:
    """Write a data folder below ``out`` and return the number of rows of each table.

    ``dialect`` is ``kaggle`` (``38.0``, ``17272.0``, empty nulls) or ``export`` (``38``,
    ``17272``, ``NULL``, quoted timestamps); ``layout`` is ``dirs`` (one folder a table, several
    files) or ``flat`` (one file a table). ``users`` defaults to a seventh of the transactions.
    """
    if transactions < 0:
        raise ValueError("transactions must not be negative")
    number_of_users = max(1, transactions // 7) if users is None else users
    rng = np.random.default_rng(seed)
    tables: dict[str, Iterator[pa.Table]] = {
        "menu_items": iter([_menu()]),
        "stores": iter([_stores()]),
        "users": _users(rng, number_of_users),
        "transactions": _transactions(rng, transactions, number_of_users),
        "transaction_items": _items(rng, transactions),
    }
    rows = {}
    for name, chunks in tables.items():
        rows[name] = _write(out, name, chunks, dialect, layout, progress)
    return rows


def _write(
    out: Path,
    table: str,
    chunks: Iterator[pa.Table],
    dialect: str,
    layout: str,
    progress: Callable[[str, int], None],
) -> int:
    total = 0
    for number, chunk in enumerate(chunks):
        if layout == "dirs":
            target = out / table / f"{table}_{number:04d}.csv"
            header = True
        else:
            target = out / f"{table}.csv"
            header = number == 0
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb" if header else "ab") as file:
            _write_csv(file, _in_dialect(chunk, dialect), dialect, header)
        total += chunk.num_rows
        progress(table, chunk.num_rows)
    return total


def _write_csv(file: Any, table: pa.Table, dialect: str, header: bool) -> None:
    if header:
        file.write((",".join(table.column_names) + "\n").encode())
    if table.num_rows == 0:
        return
    if dialect == "kaggle" and table.num_rows <= 64:
        # Names with commas and quotes: the csv module quotes exactly those.
        text = _Text()
        csv.writer(text, lineterminator="\n").writerows(
            ["" if value is None else value for value in row.values()] for row in table.to_pylist()
        )
        file.write("".join(text.parts).encode())
        return
    style = "none" if dialect == "kaggle" or "store_name" not in table.column_names else "needed"
    options = pacsv.WriteOptions(include_header=False, quoting_style=style)
    if dialect == "export":
        _write_export(file, table)
        return
    pacsv.write_csv(table, file, write_options=options)


class _Text:
    def __init__(self) -> None:
        self.parts: list[str] = []

    def write(self, part: str) -> int:
        self.parts.append(part)
        return len(part)
