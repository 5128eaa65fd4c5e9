"""The answers as one sentence a question, for readers who do not want tables first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def headlines(tables: Mapping[str, pa.Table]) -> list[str]:
    """A sentence a question: of the four, where ``tables`` are their results, else of each table.

    Names are as they are in the data, but for characters that are not printable.
    """
    if "query1" not in tables:
        return [f"{name}: {table.num_rows:,} rows" for name, table in tables.items()]
    return [
        _large_purchases(tables["query1"]),
        _best_items(tables["query2_best_selling"], tables["query2_most_profitable"]),
        _revenue(tables["query3"]),
        _best_customer(tables["query4"]),
    ]


def _large_purchases(table: pa.Table) -> str:
    return f"{table.num_rows:,} purchases of 75 or more, 06:00 to 23:00, in 2024 and 2025"


def _best_items(sold: pa.Table, earned: pa.Table) -> str:
    if not (sold.num_rows and earned.num_rows):
        return "no item was sold in 2024 and 2025"
    most, richest = _rows(sold, -1)[0], _rows(earned, -1)[0]  # the last month's
    return (
        f"best seller of {most['year_month_created_at']}: "
        f"{_name(most['item_name'])}, {most['sellings_qty']:,} sold; "
        f"highest revenue: {_name(richest['item_name'])}, {richest['profit_sum']:,}"
    )


def _revenue(table: pa.Table) -> str:
    if not table.num_rows:
        return "no revenue between 06:00 and 23:00 in 2024 and 2025"
    half = pc.max(table["year_half_created_at"]).as_py()
    stores = table.filter(pc.equal(table["year_half_created_at"], half))
    best = _rows(stores, pc.index(stores["tpv"], pc.max(stores["tpv"])).as_py())[0]
    total = pc.sum(stores["tpv"]).as_py()
    return f"revenue of {half}: {total:,}; best store: {_name(best['store_name'])}, {best['tpv']:,}"


def _best_customer(table: pa.Table) -> str:
    if not table.num_rows:
        return "no purchase by a known customer in 2024 and 2025"
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
