"""The answers: partial aggregates merged, the top taken, and only then joined with names.

A result is a batch in its canonical order. Its schema's metadata carries ``warnings``: a JSON list
of sentences about ids that have no row in their table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.operators.calendar import YEARS, Years, half_name, month_name
from coffeeshop.operators.dense import DenseSums
from coffeeshop.operators.grouping import PairCounts
from coffeeshop.operators.partial import PARTIAL, sorted_rows

MONEY = pa.decimal128(18, 2)
EXACT = pa.decimal128(18, 3)
RESULTS: dict[str, pa.Schema] = {
    "query1": pa.schema([("transaction_id", pa.string()), ("final_amount", EXACT)]),
    "query2_best_selling": pa.schema(
        [
            ("year_month_created_at", pa.string()),
            ("item_name", pa.string()),
            ("sellings_qty", pa.int64()),
        ]
    ),
    "query2_most_profitable": pa.schema(
        [
            ("year_month_created_at", pa.string()),
            ("item_name", pa.string()),
            ("profit_sum", MONEY),
        ]
    ),
    "query3": pa.schema(
        [("year_half_created_at", pa.string()), ("store_name", pa.string()), ("tpv", MONEY)]
    ),
    "query4": pa.schema(
        [("store_name", pa.string()), ("birthdate", pa.date32()), ("purchases_qty", pa.int64())]
    ),
}
TOP_USERS = 3
_CENT = Decimal("0.01")
_PER_UNIT = Decimal(1000)


class Names:
    """A dimension table by id. Of rows that share an id the least value counts, in any order."""

    def __init__(self, table: str, key: str, value: str) -> None:
        self._table = table
        self._key = key
        self._value = value
        self._batches: list[pa.RecordBatch] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep a batch of the dimension table."""
        self._batches.append(batch)

    def of(self, ids: Iterable[int]) -> tuple[dict[int, Any], list[str]]:
        """The values of the given ids, and a warning for those without a row."""
        wanted = sorted(set(ids))
        found: dict[int, Any] = {}
        for batch in self._batches:
            rows = batch.filter(pc.is_in(batch[self._key], pa.array(wanted, pa.int64())))
            for key, value in zip(
                rows[self._key].to_pylist(), rows[self._value].to_pylist(), strict=True
            ):
                known = found.get(key)
                if known is None or (value is not None and value < known):
                    found[key] = value
        missing = [key for key in wanted if key not in found]
        if not missing:
            return found, []
        shown = ", ".join(map(str, missing[:5])) + (", …" if len(missing) > 5 else "")
        return found, [f"{len(missing)} {self._key} without a row in {self._table}: {shown}"]


class FinalQuery1:
    """Large transactions, by id."""

    def __init__(self) -> None:
        self._batches: list[pa.RecordBatch] = []

    def on_batch(self, stream: str, batch: pa.RecordBatch) -> None:
        """Keep a partial result."""
        self._batches.append(batch)

    def on_end(self) -> pa.RecordBatch:
        """The rows sorted, the amounts as decimals."""
        rows = sorted_rows(self._batches)
        # A decimal64 has the bits of an int64 of its unscaled value.
        amounts = rows["final_amount"].view(pa.decimal64(18, 3)).cast(EXACT)
        return pa.record_batch(
            [rows["transaction_id"], amounts], schema=_with_warnings("query1", [])
        )


class FinalQuery2:
    """Per month the item that leads by ``measure``; of equals the lowest item_id."""

    def __init__(self, measure: str, years: Years = YEARS) -> None:
        self._measure = measure
        self._items = Names("menu_items", "item_id", "item_name")
        self._groups = DenseSums(PARTIAL["query2"], years.months)

    def on_batch(self, stream: str, batch: pa.RecordBatch) -> None:
        """Take menu items or a partial result."""
        if stream == "menu_items":
            self._items.add(batch)
        else:
            self._groups.add(*(column.to_numpy() for column in batch.columns))

    def on_end(self) -> pa.RecordBatch:
        """One row a month."""
        best: dict[int, tuple[int, int]] = {}  # month -> (-measure, item_id): the least leads
        groups = self._groups.sorted()
        for month, item, measure in zip(
            groups["month"].to_pylist(),
            groups["item_id"].to_pylist(),
            groups[self._measure].to_pylist(),
            strict=True,
        ):
            candidate = (-measure, item)
            best[month] = min(best.get(month, candidate), candidate)
        names, warnings = self._items.of(item for _, item in best.values())
        rows = [
            (month_name(month), names.get(item) or "", -negated)
            for month, (negated, item) in sorted(best.items())
        ]
        if self._measure == "quantity":
            return _result("query2_best_selling", rows, warnings)
        return _result("query2_most_profitable", [(m, n, money(v)) for m, n, v in rows], warnings)


class FinalQuery3:
    """Total payment value per half-year and store."""

    def __init__(self, years: Years = YEARS) -> None:
        self._stores = Names("stores", "store_id", "store_name")
        self._groups = DenseSums(PARTIAL["query3"], years.halves)

    def on_batch(self, stream: str, batch: pa.RecordBatch) -> None:
        """Take stores or a partial result."""
        if stream == "stores":
            self._stores.add(batch)
        else:
            self._groups.add(*(column.to_numpy() for column in batch.columns))

    def on_end(self) -> pa.RecordBatch:
        """One row a half-year and store, by half-year, then name, then store_id."""
        groups = self._groups.sorted()
        names, warnings = self._stores.of(groups["store_id"].to_pylist())
        rows = sorted(
            (half, str(names.get(store) or ""), store, tpv)
            for half, store, tpv in zip(*(groups[i].to_pylist() for i in range(3)), strict=True)
        )
        return _result(
            "query3",
            [(half_name(half), name, money(tpv)) for half, name, _, tpv in rows],
            warnings,
        )


class FinalQuery4:
    """Per store the users with the most purchases, three or ``top``; of equals the lowest
    user_id."""

    def __init__(self, top: int = TOP_USERS) -> None:
        self._top = top
        self._stores = Names("stores", "store_id", "store_name")
        self._users = Names("users", "user_id", "birthdate")
        self._groups = PairCounts(PARTIAL["query4"])

    def on_batch(self, stream: str, batch: pa.RecordBatch) -> None:
        """Take stores, users or a partial result."""
        if stream == "stores":
            self._stores.add(batch)
        elif stream == "users":
            self._users.add(batch)
        else:
            self._groups.add(batch)

    def on_end(self) -> pa.RecordBatch:
        """Up to ``top`` rows a store, by store name, store_id, purchases falling, user_id."""
        top = [leader for rows in self._groups.by_first() for leader in _leaders(rows, self._top)]
        stores, store_warnings = self._stores.of(store for store, _, _ in top)
        users, user_warnings = self._users.of(user for _, _, user in top)
        rows_out = sorted(
            (str(stores.get(store) or ""), store, negated, user) for store, negated, user in top
        )
        return _result(
            "query4",
            [(name, users.get(user), -negated) for name, _, negated, user in rows_out],
            store_warnings + user_warnings,
        )


def _leaders(rows: pa.RecordBatch, top: int) -> list[tuple[int, int, int]]:
    """The top users of one store as (store_id, -purchases, user_id)."""
    order = [("purchases", "descending"), ("user_id", "ascending")]
    leaders = rows.take(pc.select_k_unstable(rows, top, order)).to_pylist()
    return [(row["store_id"], -row["purchases"], row["user_id"]) for row in leaders]


def money(thousandths: int) -> Decimal:
    """Thousandths as units with two decimals, half up (away from zero)."""
    return (Decimal(thousandths) / _PER_UNIT).quantize(_CENT, ROUND_HALF_UP)


def _result(name: str, rows: Sequence[tuple[object, ...]], warnings: list[str]) -> pa.RecordBatch:
    schema = RESULTS[name]
    columns = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(schema)]
    return pa.record_batch(columns, schema=_with_warnings(name, warnings))


def _with_warnings(name: str, warnings: list[str]) -> pa.Schema:
    return RESULTS[name].with_metadata({"warnings": json.dumps(warnings)})
