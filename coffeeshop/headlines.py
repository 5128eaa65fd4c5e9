"""The answers as one sentence a question, for readers who do not want tables first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.names import FOUR, QUALITY
from coffeeshop.parameters import Parameters


def headlines(
    tables: Mapping[str, pa.Table], parameters: Parameters | None = None, currency: str = ""
) -> list[str]:
    """A sentence a question: of the four where ``tables`` has all their results, of other tables.
    Amounts are followed by their ``currency``.

    Names are as they are in the data, but for characters that are not printable.
    """
    if not set(tables) >= FOUR:
        return _counted(tables)
    asked = parameters or Parameters()
    unit = currency and f" {currency}"
    return [
        _large_purchases(tables["query1"], asked, unit),
        _best_items(tables["query2_best_selling"], tables["query2_most_profitable"], asked, unit),
        _revenue(tables["query3"], asked, unit),
        _best_customer(tables["query4"], asked),
        *_counted({name: table for name, table in tables.items() if name not in FOUR}),
    ]


def _counted(tables: Mapping[str, pa.Table]) -> list[str]:
    return [f"{name}: {table.num_rows:,} rows" for name, table in tables.items() if name != QUALITY]


def _years(asked: Parameters) -> str:
    first, last = asked.first_year, asked.last_year
    if last - first > 1:
        return f"from {first} to {last}"
    return f"in {first}" if first == last else f"in {first} and {last}"


def _hours(asked: Parameters) -> tuple[str, str]:
    opening, closing = (each.removesuffix(":00") for each in asked.hours.split("-"))
    return opening, closing


def _large_purchases(table: pa.Table, asked: Parameters, unit: str) -> str:
    hours = " to ".join(_hours(asked))
    least = f"{asked.min_amount}{unit}"
    return f"{table.num_rows:,} purchases of {least} or more, {hours}, {_years(asked)}"


def _best_items(sold: pa.Table, earned: pa.Table, asked: Parameters, unit: str) -> str:
    if not (sold.num_rows and earned.num_rows):
        return f"no item was sold {_years(asked)}"
    most, richest = _rows(sold, -1)[0], _rows(earned, -1)[0]  # the last month's
    return (
        f"best seller of {most['year_month_created_at']}: "
        f"{_name(most['item_name'])}, {most['sellings_qty']:,} sold; "
        f"highest revenue: {_name(richest['item_name'])}, {richest['profit_sum']:,}{unit}"
    )


def _revenue(table: pa.Table, asked: Parameters, unit: str) -> str:
    if not table.num_rows:
        return f"no revenue between {' and '.join(_hours(asked))} {_years(asked)}"
    half = pc.max(table["year_half_created_at"]).as_py()
    stores = table.filter(pc.equal(table["year_half_created_at"], half))
    best = _rows(stores, pc.index(stores["tpv"], pc.max(stores["tpv"])).as_py())[0]
    total = pc.sum(stores["tpv"]).as_py()
    return (
        f"revenue of {half}: {total:,}{unit}; "
        f"best store: {_name(best['store_name'])}, {best['tpv']:,}{unit}"
    )


def _best_customer(table: pa.Table, asked: Parameters) -> str:
    if not table.num_rows:
        return f"no purchase by a known customer {_years(asked)}"
    most = pc.max(table["purchases_qty"])
    best = _rows(table, pc.index(table["purchases_qty"], most).as_py())[0]
    others = pc.sum(pc.equal(table["purchases_qty"], most)).as_py() - 1
    born = "" if best["birthdate"] is None else f", born {best['birthdate']}"
    as_many = f" ({others:,} more have as many)" if others else ""
    return (
        f"most purchases by one customer in one store: {most.as_py():,}, "
        f"at {_name(best['store_name'])}{born}{as_many}"
    )


def _rows(table: pa.Table, place: int) -> list[dict[str, Any]]:
    start = place if place >= 0 else table.num_rows + place
    rows: list[dict[str, Any]] = table.slice(start, 1).to_pylist()
    return rows


def _name(text: str | None) -> str:
    # A name may hold what a terminal would obey.
    return "".join(c if c.isprintable() else "\ufffd" for c in text) if text else "(no name)"
