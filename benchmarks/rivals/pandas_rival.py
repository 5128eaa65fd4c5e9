"""The four queries in pandas: ``pandas_rival.py FOLDER OUT`` writes the five answer files.

The needed columns of all files are read by pandas' Arrow engine, its fastest. Amounts are exact:
integer thousandths. Dask and Ray Data group elsewhere and finish their few rows with `finish`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pandas as pd

COLUMNS = {
    "transactions": ["transaction_id", "store_id", "user_id", "final_amount", "created_at"],
    "transaction_items": ["item_id", "quantity", "subtotal", "created_at"],
    "users": ["user_id", "birthdate"],
    "stores": ["store_id", "store_name"],
    "menu_items": ["item_id", "item_name"],
}
FIRST, END = pd.Timestamp("2024-01-01"), pd.Timestamp("2026-01-01")
MONTHLY = ["month", "item_id"]
HALF_YEARLY = ["half", "store_id"]
CUSTOMERS = ["store_id", "user_id"]


@dataclass(frozen=True)
class Grouped:
    """What is left once the large tables are filtered and grouped; amounts in thousandths."""

    large: pd.DataFrame
    """``transaction_id``, ``final_amount``: query 1, not yet sorted."""
    months: pd.DataFrame
    """`MONTHLY` (202401 is January), sums of ``quantity`` and ``subtotal``."""
    halves: pd.DataFrame
    """`HALF_YEARLY` (``2024-H1``), the sum of ``final_amount``."""
    customers: pd.DataFrame
    """`CUSTOMERS`, ``purchases_qty``."""


def files(folder: Path, table: str) -> list[Path]:
    """A table's files, in either layout."""
    directory = folder / table
    return sorted(directory.glob("*.csv")) if directory.is_dir() else [folder / f"{table}.csv"]


def read(file: Path, table: str) -> pd.DataFrame:
    """A file's needed columns; of the two large tables the rows of 2024 and 2025."""
    rows = pd.read_csv(file, usecols=COLUMNS[table], engine="pyarrow")
    if "created_at" not in rows:
        return rows
    rows["created_at"] = pd.to_datetime(rows["created_at"])
    amount = "final_amount" if table == "transactions" else "subtotal"
    # The nearest double of three decimals, times 1000, is nearest to the right integer.
    rows[amount] = (rows[amount] * 1000).round().astype("int64")
    return rows[(rows["created_at"] >= FIRST) & (rows["created_at"] < END)]


def with_month(items: pd.DataFrame) -> pd.DataFrame:
    """The months of `MONTHLY`."""
    created = items["created_at"].dt
    return items.assign(month=created.year * 100 + created.month)


def opened(transactions: pd.DataFrame) -> pd.DataFrame:
    """The transactions between 06:00 and 23:00, with the halves of `HALF_YEARLY`."""
    created = transactions["created_at"].dt
    seconds = created.hour * 3600 + created.minute * 60 + created.second
    rows = transactions[(seconds >= 6 * 3600) & (seconds <= 23 * 3600)]
    created = rows["created_at"].dt
    return rows.assign(half=created.year * 10 + (created.month > 6) + 1)


def finish(grouped: Grouped, folder: Path, out: Path) -> None:
    """Choose, name, sort and round the few rows that are left, and write them."""
    out.mkdir(parents=True, exist_ok=True)
    users, stores, menu = (
        pd.concat(read(file, table) for file in files(folder, table))
        for table in ("users", "stores", "menu_items")
    )
    large = grouped.large.sort_values(["transaction_id", "final_amount"])
    answers = {
        "query1": large.assign(final_amount=decimals(large["final_amount"])),
        "query2_best_selling": best(grouped.months, menu, "quantity", "sellings_qty"),
        "query2_most_profitable": best(grouped.months, menu, "subtotal", "profit_sum"),
        "query3": values(grouped.halves, stores),
        "query4": top(grouped.customers, stores, users),
    }
    answers["query2_most_profitable"]["profit_sum"] = cents(
        answers["query2_most_profitable"]["profit_sum"]
    )
    for name, frame in answers.items():
        frame.to_csv(out / f"{name}.csv", index=False)


def decimals(thousandths: pd.Series) -> pd.Series:
    """Exact amounts."""
    return thousandths.map(lambda value: Decimal(int(value)).scaleb(-3))


def cents(thousandths: pd.Series) -> pd.Series:
    """Sums with two decimals, half up."""
    return decimals(thousandths).map(lambda v: v.quantize(Decimal("0.01"), ROUND_HALF_UP))


def best(months: pd.DataFrame, menu: pd.DataFrame, measure: str, name: str) -> pd.DataFrame:
    """The item with most of a measure in each month."""
    first = months.sort_values(["month", measure, "item_id"], ascending=[True, False, True])
    named = first.drop_duplicates("month").merge(menu, on="item_id", how="left")
    named = named.sort_values("month")
    month = named["month"].map(lambda number: f"{number // 100}-{number % 100:02d}")
    return pd.DataFrame(
        {"year_month_created_at": month, "item_name": named["item_name"], name: named[measure]}
    )


def values(halves: pd.DataFrame, stores: pd.DataFrame) -> pd.DataFrame:
    """The payment value of each half-year and store."""
    named = halves.merge(stores, on="store_id", how="left").fillna({"store_name": ""})
    named = named.sort_values(["half", "store_name", "store_id"])
    half = named["half"].map(lambda number: f"{number // 10}-H{number % 10}")
    tpv = cents(named["final_amount"])
    return pd.DataFrame(
        {"year_half_created_at": half, "store_name": named["store_name"], "tpv": tpv}
    )


def top(customers: pd.DataFrame, stores: pd.DataFrame, users: pd.DataFrame) -> pd.DataFrame:
    """The three users with most purchases in each store."""
    order = ["store_id", "purchases_qty", "user_id"]
    three = customers.sort_values(order, ascending=[True, False, True]).groupby("store_id").head(3)
    named = three.merge(stores, on="store_id", how="left").merge(users, on="user_id", how="left")
    named = named.fillna({"store_name": ""})
    order.insert(0, "store_name")
    named = named.sort_values(order, ascending=[True, True, False, True])
    return named[["store_name", "birthdate", "purchases_qty"]]


def main(folder: Path, out: Path) -> None:
    """Answer all queries."""
    rows = pd.concat(read(file, "transactions") for file in files(folder, "transactions"))
    counts = rows.dropna(subset=["user_id"]).groupby(CUSTOMERS, as_index=False).size()
    rows = opened(rows)
    large = rows.loc[rows["final_amount"] >= 75_000, ["transaction_id", "final_amount"]]
    halves = rows.groupby(HALF_YEARLY, as_index=False)["final_amount"].sum()
    del rows
    items = pd.concat(
        read(file, "transaction_items") for file in files(folder, "transaction_items")
    )
    months = with_month(items).groupby(MONTHLY, as_index=False)[["quantity", "subtotal"]].sum()
    counts = counts.rename(columns={"size": "purchases_qty"})
    finish(Grouped(large, months, halves, counts), folder, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
