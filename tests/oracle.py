"""The five answer files of a data folder by an independent engine: DuckDB over the CSV."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import duckdb

TYPES = {
    "menu_items": {"item_id": "DOUBLE", "item_name": "VARCHAR"},
    "stores": {"store_id": "DOUBLE", "store_name": "VARCHAR"},
    "users": {"user_id": "DOUBLE", "birthdate": "DATE"},
    "transactions": {
        "transaction_id": "VARCHAR",
        "store_id": "DOUBLE",
        "user_id": "DOUBLE",
        "final_amount": "DECIMAL(18,3)",
        "created_at": "TIMESTAMP",
    },
    "transaction_items": {
        "item_id": "DOUBLE",
        "quantity": "DOUBLE",
        "subtotal": "DECIMAL(18,3)",
        "created_at": "TIMESTAMP",
    },
}
YEARS = "year(created_at) BETWEEN 2024 AND 2025"
HOURS = "created_at::TIME BETWEEN TIME '06:00:00' AND TIME '23:00:00'"


def _best(measure: str) -> str:
    return f"""
        SELECT month, coalesce(item_name, ''), total FROM (
            SELECT month, item_id, total,
                   row_number() OVER (PARTITION BY month ORDER BY total DESC, item_id) AS place
            FROM (SELECT strftime(created_at, '%Y-%m') AS month, item_id, sum({measure}) AS total
                  FROM transaction_items WHERE {YEARS} GROUP BY month, item_id))
        LEFT JOIN menu_items USING (item_id) WHERE place = 1 ORDER BY month"""


QUERIES = {
    "query1": (
        "transaction_id,final_amount",
        f"""SELECT transaction_id, final_amount FROM transactions
            WHERE {YEARS} AND {HOURS} AND final_amount >= 75 ORDER BY ALL""",
    ),
    "query2_best_selling": ("year_month_created_at,item_name,sellings_qty", _best("quantity")),
    "query2_most_profitable": ("year_month_created_at,item_name,profit_sum", _best("subtotal")),
    "query3": (
        "year_half_created_at,store_name,tpv",
        f"""SELECT half, coalesce(store_name, '') AS name, total FROM (
                SELECT year(created_at) || '-H' || if(month(created_at) <= 6, 1, 2) AS half,
                       store_id, sum(final_amount) AS total
                FROM transactions WHERE {YEARS} AND {HOURS} GROUP BY half, store_id)
            LEFT JOIN stores USING (store_id) ORDER BY half, name, store_id""",
    ),
    "query4": (
        "store_name,birthdate,purchases_qty",
        f"""SELECT coalesce(store_name, '') AS name, birthdate, bought FROM (
                SELECT store_id, user_id, bought,
                       row_number() OVER (PARTITION BY store_id ORDER BY bought DESC, user_id) AS p
                FROM (SELECT store_id, user_id, count(*) AS bought FROM transactions
                      WHERE {YEARS} AND user_id IS NOT NULL GROUP BY store_id, user_id))
            LEFT JOIN stores USING (store_id) LEFT JOIN users USING (user_id)
            WHERE p <= 3 ORDER BY name, store_id, bought DESC, user_id""",
    ),
}


def with_parameters(
    query: str, years: tuple[int, int], hours: tuple[str, str], amount: str, top: int
) -> str:
    """The same query with other parameters than it has always had."""
    query = query.replace("BETWEEN 2024 AND 2025", f"BETWEEN {years[0]} AND {years[1]}")
    query = query.replace("'06:00:00'", f"'{hours[0]}'").replace("'23:00:00'", f"'{hours[1]}'")
    query = query.replace("final_amount >= 75", f"final_amount >= {amount}")
    return query.replace("p <= 3", f"p <= {top}")


def answers(folder: Path, changed: Callable[[str], str] = str) -> dict[str, str]:
    """File name to content. ``changed`` makes another query of each."""
    with duckdb.connect(config={"threads": 2}) as database:
        for table, types in TYPES.items():
            in_dirs = (folder / table).is_dir()
            source = folder / table / "*.csv" if in_dirs else folder / f"{table}.csv"
            database.execute(
                f"CREATE TABLE {table} AS SELECT {', '.join(types)} FROM read_csv('{source}',"
                " header = true, nullstr = ['', 'NULL'], delim = ',', quote = '\"', escape = '\"',"
                f" types = {types})"
            )
        return {
            f"{name}.csv": _text(name, header, database.execute(changed(query)).fetchall())
            for name, (header, query) in QUERIES.items()
        }


def _text(name: str, header: str, rows: list[tuple[Any, ...]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in rows:
        writer.writerow([_cell(name, value) for value in row])
    return header + "\n" + out.getvalue()


def _cell(query: str, value: Any) -> str:
    match value:
        case None:
            return ""
        case float():
            return str(int(value))
        case dt.date():
            return value.isoformat()
        case Decimal() if query == "query1":
            whole, decimals = f"{value:.3f}".split(".")
            return f"{whole}.{decimals.rstrip('0') or '0'}"
        case Decimal():
            # Plus nothing: a small sum below zero is written without a sign.
            return str(value.quantize(Decimal("0.01"), ROUND_HALF_UP) + 0)
    return str(value)
