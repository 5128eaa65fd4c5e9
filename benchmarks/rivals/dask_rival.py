"""The four queries in Dask: ``dask_rival.py FOLDER OUT`` writes the five answer files.

Dask DataFrame on a local cluster, one process a processor. Everything is asked for by a single
``compute``, so that common reads are shared; pandas finishes the rows that are left. Amounts are
exact: integer thousandths.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import dask
import dask.dataframe as dd
from distributed import Client, LocalCluster
from pandas_rival import (
    CUSTOMERS,
    HALF_YEARLY,
    MONTHLY,
    Grouped,
    files,
    finish,
    opened,
    read,
    with_month,
)


def table(folder: Path, name: str) -> dd.DataFrame:
    """A large table, one partition a file."""
    return dd.from_map(read, files(folder, name), table=name)


def main(folder: Path, out: Path) -> None:
    """Answer all queries."""
    transactions = table(folder, "transactions")
    items = table(folder, "transaction_items").map_partitions(with_month)
    rows = transactions.map_partitions(opened)
    large = rows[rows["final_amount"] >= 75_000][["transaction_id", "final_amount"]]
    halves = rows.groupby(HALF_YEARLY)["final_amount"].sum()
    months = items.groupby(MONTHLY)[["quantity", "subtotal"]].sum()
    counts = transactions.dropna(subset=["user_id"]).groupby(CUSTOMERS).size()
    computed = dask.compute(large, months, halves, counts)
    large, months, halves, counts = computed
    customers = counts.rename("purchases_qty").reset_index()
    finish(Grouped(large, months.reset_index(), halves.reset_index(), customers), folder, out)


if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory(prefix="dask-") as scratch,
        LocalCluster(
            n_workers=os.cpu_count(),
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            local_directory=scratch,
        ) as cluster,
        Client(cluster),
    ):
        main(Path(sys.argv[1]), Path(sys.argv[2]))
