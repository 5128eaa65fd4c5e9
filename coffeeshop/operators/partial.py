"""Map-side partial aggregates: what one partition can say before anybody else spoke.

Each is a fold whose result has the schema ``PARTIAL[query]`` and is sorted by its keys, so two
attempts that saw the same batches in different orders say the same bytes.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.errors import ProtocolError
from coffeeshop.operators.base import Fold
from coffeeshop.operators.calendar import YEARS, Years
from coffeeshop.operators.dense import DenseSums
from coffeeshop.operators.grouping import PairCounts, one_batch
from coffeeshop.operators.rows import Rows

PARTIAL: dict[str, pa.Schema] = {
    "query1": pa.schema(
        [
            pa.field("transaction_id", pa.string(), nullable=False),
            pa.field("final_amount", pa.int64(), nullable=False),
        ]
    ),
    "query2": pa.schema(
        [
            ("month", pa.int16()),
            ("item_id", pa.int64()),
            ("quantity", pa.int64()),
            ("subtotal", pa.int64()),
        ]
    ),
    "query3": pa.schema([("half", pa.int16()), ("store_id", pa.int64()), ("tpv", pa.int64())]),
    "query4": pa.schema(
        [("store_id", pa.int64()), ("user_id", pa.int64()), ("purchases", pa.int64())]
    ),
}


class _LargeTransactions:
    """Collects the rows of query 1: there is nothing to add up."""

    def __init__(self) -> None:
        self._kept: list[pa.RecordBatch] = []

    def on_batch(self, stream: str, batch: pa.RecordBatch) -> None:
        if batch.num_rows:
            # The id may come as a nullable column: rows that are kept have one nevertheless.
            columns = [batch[name] for name in PARTIAL["query1"].names]
            if columns[0].null_count:
                raise ProtocolError("a transaction that query 1 keeps came without its id")
            self._kept.append(pa.RecordBatch.from_arrays(columns, schema=PARTIAL["query1"]))

    def on_end(self) -> pa.RecordBatch:
        return sorted_rows(self._kept)


def sorted_rows(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Query 1's rows in its order: by transaction_id, then by amount. The list is emptied."""
    rows = one_batch(pa.Table.from_batches(batches, PARTIAL["query1"]))
    batches.clear()  # they are as large as the result
    order = [("transaction_id", "ascending"), ("final_amount", "ascending")]
    return rows.take(pc.sort_indices(rows, order))


def partial_query1() -> Fold:
    """Of large transactions: their ids and exact amounts."""
    return _LargeTransactions()


class _Items:
    """Query 2's sums."""

    def __init__(self, years: Years) -> None:
        self._years = years
        self._sums = DenseSums(PARTIAL["query2"], years.months)

    def on_rows(self, stream: str, rows: Rows) -> None:
        names, sums = ("created_at", "item_id"), ("quantity", "subtotal")
        years = self._years
        if not self._sums.add_rows(rows, names, sums, years.first_day, years.month_of_day):
            self.on_batch(stream, rows.batch((*names, *sums)))

    def on_batch(self, stream: str, batch: pa.RecordBatch) -> None:
        numbers = [batch[name].to_numpy() for name in ("item_id", "quantity", "subtotal")]
        self._sums.add(self._years.months_of(batch["created_at"]), *numbers)

    def on_end(self) -> pa.RecordBatch:
        return self._sums.sorted()


def partial_query2(years: Years = YEARS) -> Fold:
    """Of items: quantity and subtotal (thousandths) per month and item."""
    return _Items(years)


class _Payments:
    """Query 3's sums."""

    def __init__(self, years: Years) -> None:
        self._years = years
        self._sums = DenseSums(PARTIAL["query3"], years.halves)

    def on_rows(self, stream: str, rows: Rows) -> None:
        names, sums = ("created_at", "store_id"), ("final_amount",)
        years = self._years
        if not self._sums.add_rows(rows, names, sums, years.first_day, years.half_of_day):
            self.on_batch(stream, rows.batch((*names, *sums)))

    def on_batch(self, stream: str, batch: pa.RecordBatch) -> None:
        numbers = [batch[name].to_numpy() for name in ("store_id", "final_amount")]
        self._sums.add(self._years.halves_of(batch["created_at"]), *numbers)

    def on_end(self) -> pa.RecordBatch:
        return self._sums.sorted()


def partial_query3(years: Years = YEARS) -> Fold:
    """Of transactions: total payment value (thousandths) per half-year and store."""
    return _Payments(years)


class _Purchases:
    """Counts query 4's purchases."""

    def __init__(self) -> None:
        self._pairs = PairCounts(PARTIAL["query4"])

    def on_rows(self, stream: str, rows: Rows) -> None:
        names = "store_id", "user_id"
        if not self._pairs.count_rows(rows, names):
            self.on_batch(stream, rows.batch(names))

    def on_batch(self, stream: str, batch: pa.RecordBatch) -> None:
        pairs = batch.select(["store_id", "user_id"])
        users = pairs["user_id"]
        self._pairs.count(pairs if users.null_count == 0 else pairs.filter(users.is_valid()))

    def on_end(self) -> pa.RecordBatch:
        return self._pairs.sorted()


def partial_query4() -> Fold:
    """Of transactions with a user: purchases per store and user."""
    return _Purchases()
