"""The four queries in Ray Data: ``ray_rival.py FOLDER OUT`` writes the five answer files.

A local Ray of its own that uses every processor; expressions filter, group-bys aggregate; pandas
finishes the rows that are left. Amounts are exact: integer thousandths.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
from pandas_rival import COLUMNS, CUSTOMERS, HALF_YEARLY, MONTHLY, Grouped, finish
from pyarrow import csv
from ray.data.aggregate import Count, Sum
from ray.data.expressions import col

AMOUNT = pa.decimal128(18, 3)
TYPES = {
    "transaction_id": pa.string(),
    "store_id": pa.int64(),
    "user_id": pa.float64(),  # `17272.0` in one dialect; exact below 2**53
    "final_amount": AMOUNT,
    "created_at": pa.timestamp("s"),
    "item_id": pa.int64(),
    "quantity": pa.int64(),
    "subtotal": AMOUNT,
}


def table(folder: Path, name: str) -> ray.data.Dataset:
    """A large table's needed columns."""
    directory = folder / name
    source = directory if directory.is_dir() else folder / f"{name}.csv"
    columns = COLUMNS[name]
    convert = csv.ConvertOptions(
        include_columns=columns,
        column_types={column: TYPES[column] for column in columns},
        null_values=["", "NULL"],
    )
    return ray.data.read_csv(str(source.resolve()), convert_options=convert, partitioning=None)


def of_years(rows: pa.Table) -> pa.Table:
    """The rows of 2024 and 2025."""
    return rows.filter(pc.is_in(pc.year(rows["created_at"]), pa.array([2024, 2025])))


def thousandths(amounts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Exact integers."""
    return pc.cast(pc.multiply(amounts, pa.scalar(1000, pa.decimal128(4, 0))), pa.int64())


def transactions(rows: pa.Table) -> pa.Table:
    """Filtered by year; amounts in thousandths."""
    rows = of_years(rows)
    return rows.set_column(3, "final_amount", thousandths(rows["final_amount"]))


def opened(rows: pa.Table) -> pa.Table:
    """Those between 06:00 and 23:00, with the halves of `HALF_YEARLY`."""
    created = rows["created_at"]
    seconds = pc.add(
        pc.multiply(pc.hour(created), 3600),
        pc.add(pc.multiply(pc.minute(created), 60), pc.second(created)),
    )
    open_ = pc.and_(pc.greater_equal(seconds, 6 * 3600), pc.less_equal(seconds, 23 * 3600))
    rows = rows.filter(open_)
    created = rows["created_at"]
    second = pc.cast(pc.greater(pc.month(created), 6), pa.int64())
    half = pc.add(pc.multiply(pc.year(created), 10), pc.add(second, 1))
    return rows.append_column("half", half)


def items(rows: pa.Table) -> pa.Table:
    """Filtered by year, with the months of `MONTHLY`; amounts in thousandths."""
    rows = of_years(rows)
    created = rows["created_at"]
    month = pc.add(pc.multiply(pc.year(created), 100), pc.month(created))
    return pa.table(
        {
            "month": month,
            "item_id": rows["item_id"],
            "quantity": rows["quantity"],
            "subtotal": thousandths(rows["subtotal"]),
        }
    )


def main(folder: Path, out: Path) -> None:
    """Answer all queries."""
    as_arrow = {"batch_format": "pyarrow", "batch_size": None}
    # The default, for a cluster, is 200 partitions: minutes here.
    parts = {"num_partitions": os.cpu_count()}
    every = table(folder, "transactions").map_batches(transactions, **as_arrow).materialize()
    rows = every.map_batches(opened, **as_arrow).materialize()
    large = rows.filter(expr=col("final_amount") >= 75_000).select_columns(
        ["transaction_id", "final_amount"]
    )
    halves = rows.groupby(HALF_YEARLY, **parts).aggregate(
        Sum("final_amount", alias_name="final_amount")
    )
    customers = (
        every.filter(expr=col("user_id").is_not_null())
        .groupby(CUSTOMERS, **parts)
        .aggregate(Count(alias_name="purchases_qty"))
    )
    months = (
        table(folder, "transaction_items")
        .map_batches(items, **as_arrow)
        .groupby(MONTHLY, **parts)
        .aggregate(Sum("quantity", alias_name="quantity"), Sum("subtotal", alias_name="subtotal"))
    )
    grouped = (each.to_pandas() for each in (large, months, halves, customers))
    finish(Grouped(*grouped), folder, out)


if __name__ == "__main__":
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with tempfile.TemporaryDirectory(prefix="ray-") as scratch:
        ray.init(
            num_cpus=os.cpu_count(),
            include_dashboard=False,
            _temp_dir=scratch,
            _node_ip_address="127.0.0.1",
        )
        try:
            main(Path(sys.argv[1]), Path(sys.argv[2]))
        finally:
            ray.shutdown()
