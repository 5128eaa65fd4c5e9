"""Random small data sets of all seven tables, as plain CSV and in the dialects that are read."""

from __future__ import annotations

import csv
import datetime as dt
import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

Row = list[str | None]
Tables = dict[str, tuple[list[str], list[Row]]]
TYPES = {
    "_id": "BIGINT",
    "quantity": "BIGINT",
    "amount": "DECIMAL(18,3)",
    "unit_price": "DECIMAL(18,3)",
    "price": "DECIMAL(18,3)",
    "subtotal": "DECIMAL(18,3)",
    "discount_applied": "DECIMAL(18,3)",
    "discount_value": "DECIMAL(18,3)",
    "_at": "TIMESTAMP",
    "birthdate": "DATE",
}
NAMES = ("North", "Café Sur", 'The "Mill", old', "", "a;b", "Größe", "north", "Zed")
AMOUNTS = {
    "original_amount", "final_amount", "discount_applied", "unit_price", "subtotal", "price",
    "discount_value",
}  # fmt: skip


def _maybe(chance: random.Random, value: str, share: float = 0.2) -> str | None:
    return None if chance.random() < share else value


def _amount(chance: random.Random, least: int) -> str:
    thousandths = chance.choice([0, 75_000, 74_999, 500, chance.randrange(-5_000, 200_000)])
    thousandths -= thousandths % least
    sign, number = ("-", -thousandths) if thousandths < 0 else ("", thousandths)
    return f"{sign}{number // 1000}.{number % 1000:03d}"


def _moment(chance: random.Random) -> str:
    edges = ("2024-01-01 00:00:00", "2023-12-31 23:59:59", "2024-02-29 06:00:00")
    if chance.random() < 0.2:
        return chance.choice((*edges, "2024-12-30 23:00:00", "1969-12-31 23:59:59"))
    start = dt.datetime(2023, 12, 1)
    return str(start + dt.timedelta(seconds=chance.randrange(400 * 86_400)))


def tables(chance: random.Random, dialect: str = "plain") -> Tables:
    """Rows of all tables; ids may have no row in their table. Amounts are such that the dialect
    can tell decimals from thousands."""
    least = 10 if dialect in UNSURE else 1
    ids = [str(each) for each in range(1, chance.choice([3, 5, 9]))]
    rows = chance.choice([0, 1, 7, 60, 150])

    def an_id() -> str:
        return chance.choice([*ids, *ids, "77", "400000"])

    def an_amount() -> str:
        return _amount(chance, least)

    def some(make: Callable[[], Row], count: int) -> list[Row]:
        return [make() for _ in range(count)]

    known = [each for each in ids if chance.random() < 0.8]
    return {
        "stores": (
            ["store_id", "store_name", "street", "postal_code", "city", "state"],
            [
                [i, _maybe(chance, chance.choice(NAMES)), "x", "50000", chance.choice(NAMES), "S"]
                for i in known
            ],
        ),
        "menu_items": (
            ["item_id", "item_name", "category", "price", "is_seasonal"],
            [
                [i, chance.choice(NAMES), _maybe(chance, "coffee"), an_amount(), "False"]
                for i in known
            ],
        ),
        "users": (
            ["user_id", "gender", "birthdate", "registered_at"],
            [
                [i, chance.choice(["male", "female"]), _maybe(chance, _moment(chance)[:10]),
                 _moment(chance)]
                for i in known
            ],
        ),
        "payment_methods": (
            ["method_id", "method_name", "category"],
            [[i, chance.choice(NAMES), "card"] for i in known],
        ),
        "vouchers": (
            ["voucher_id", "voucher_code", "discount_type", "discount_value"],
            [[i, f"v{i}", "percentage", an_amount()] for i in known],
        ),
        "transactions": (
            ["transaction_id", "store_id", "payment_method_id", "voucher_id", "user_id",
             "original_amount", "discount_applied", "final_amount", "created_at"],
            some(
                lambda: [
                    f"t{chance.randrange(10 * rows + 1)}", an_id(), an_id(),
                    _maybe(chance, an_id()), _maybe(chance, an_id(), 0.4), an_amount(),
                    _maybe(chance, an_amount()), an_amount(), _moment(chance),
                ],
                rows,
            ),
        ),
        "transaction_items": (
            ["transaction_id", "item_id", "quantity", "unit_price", "subtotal", "created_at"],
            some(
                lambda: [
                    f"t{chance.randrange(rows + 1)}", an_id(), str(chance.randrange(1, 5)),
                    an_amount(), an_amount(), _moment(chance),
                ],
                rows,
            ),
        ),
    }  # fmt: skip


UNSURE = ("semicolons", "tabs")
"""Dialects in which three digits behind a point or comma may be thousands."""
DIALECTS = ("plain", "kaggle", "export", "semicolons", "tabs", "parquet")


def write(folder: Path, data: Tables, dialect: str, chance: random.Random) -> None:
    """The tables in a dialect, each in one file or in several."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (columns, rows) in data.items():
        order = chance.sample(range(len(columns)), len(columns))
        columns = [columns[place] for place in order]
        rows = [[row[place] for place in order] for row in rows]
        parts = chance.choice([1, 2, 3])
        for part in range(parts):
            place = folder / name / f"{part}.csv"
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(_text(columns, rows[part::parts], dialect).encode())
            if dialect == "parquet":
                kinds = {c: kind_of(c) for c in columns}
                duckdb.sql(
                    f"copy (select * from read_csv('{place}', header = true, all_varchar = false,"
                    f" nullstr = 'NULL', delim = ',', types = {kinds}))"
                    f" to '{place.with_suffix('.parquet')}' (format parquet)"
                )
                place.unlink()


def _text(columns: list[str], rows: list[Row], dialect: str) -> str:
    out = io.StringIO()
    delimiter = {"semicolons": ";", "tabs": "\t"}.get(dialect, ",")
    end = "\r\n" if dialect == "export" else "\n"
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(c, value, dialect) for c, value in zip(columns, row, strict=True)])
    return out.getvalue()


def _cell(column: str, value: str | None, dialect: str) -> str:
    if value is None:
        return "" if dialect == "kaggle" else "NULL"
    if dialect == "kaggle" and column.endswith("_id") and column != "transaction_id":
        return f"{value}.0"
    if dialect in UNSURE and column in AMOUNTS:
        return value.replace(".", "," if dialect == "semicolons" else ".")[:-1]
    return value


def kind_of(column: str) -> str:
    """DuckDB's type of a column."""
    if column == "transaction_id":
        return "VARCHAR"
    return next((kind for end, kind in TYPES.items() if column.endswith(end)), "VARCHAR")


def database_of(data: Tables) -> duckdb.DuckDBPyConnection:
    """The same rows in an engine of its own, from plain CSV."""
    database = duckdb.connect(config={"threads": 1})
    for name, (columns, rows) in data.items():
        kinds = ", ".join(f"{column} {kind_of(column)}" for column in columns)
        database.execute(f"create table {name} ({kinds})")
        if rows:
            marks = ", ".join("?" * len(columns))
            values: list[list[Any]] = [[cell or None for cell in row] for row in rows]
            database.executemany(f"insert into {name} values ({marks})", values)
    return database
