"""The four queries in DuckDB: ``duckdb_rival.py FOLDER OUT`` writes the five answer files.

The CSV files are read once into tables of the needed columns; amounts are exact decimals.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

TYPES = {
    "transactions": {
        "transaction_id": "VARCHAR",
        "store_id": "BIGINT",
        "user_id": "DOUBLE",  # `17272.0` in one dialect; exact below 2**53
        "final_amount": "DECIMAL(18,3)",
        "created_at": "TIMESTAMP",
    },
    "transaction_items": {
        "item_id": "BIGINT",
        "quantity": "BIGINT",
        "subtotal": "DECIMAL(18,3)",
        "created_at": "TIMESTAMP",
    },
    "users": {"user_id": "DOUBLE", "birthdate": "DATE"},
    "stores": {"store_id": "BIGINT", "store_name": "VARCHAR"},
    "menu_items": {"item_id": "BIGINT", "item_name": "VARCHAR"},
}
YEARS = "created_at >= TIMESTAMP '2024-01-01' AND created_at < TIMESTAMP '2026-01-01'"
HOURS = "created_at::TIME BETWEEN TIME '06:00:00' AND TIME '23:00:00'"
# DECIMAL(38,3) to DECIMAL(38,2) rounds half away from zero.
QUERIES = {
    "query1": f"""
        SELECT transaction_id, final_amount FROM transactions
        WHERE {YEARS} AND {HOURS} AND final_amount >= 75
        ORDER BY transaction_id, final_amount""",
    "query2_best_selling": """
        SELECT month AS year_month_created_at, coalesce(item_name, '') AS item_name, sellings_qty
        FROM (SELECT month, item_id, quantity AS sellings_qty FROM item_months
              QUALIFY row_number() OVER (PARTITION BY month ORDER BY quantity DESC, item_id) = 1)
        LEFT JOIN menu_items USING (item_id)
        ORDER BY month""",
    "query2_most_profitable": """
        SELECT month AS year_month_created_at, coalesce(item_name, '') AS item_name,
               profit::DECIMAL(38,2) AS profit_sum
        FROM (SELECT month, item_id, profit FROM item_months
              QUALIFY row_number() OVER (PARTITION BY month ORDER BY profit DESC, item_id) = 1)
        LEFT JOIN menu_items USING (item_id)
        ORDER BY month""",
    "query3": f"""
        SELECT half AS year_half_created_at, coalesce(store_name, '') AS store_name,
               total::DECIMAL(38,2) AS tpv
        FROM (SELECT year(created_at) || '-H' || (1 + (month(created_at) > 6)::INT) AS half,
                     store_id, sum(final_amount) AS total
              FROM transactions WHERE {YEARS} AND {HOURS} GROUP BY ALL)
        LEFT JOIN stores USING (store_id)
        ORDER BY half, store_name, store_id""",
    "query4": f"""
        SELECT coalesce(store_name, '') AS store_name, birthdate, purchases_qty
        FROM (SELECT store_id, user_id, count(*) AS purchases_qty
              FROM transactions WHERE {YEARS} AND user_id IS NOT NULL GROUP BY store_id, user_id
              QUALIFY row_number()
                  OVER (PARTITION BY store_id ORDER BY count(*) DESC, user_id) <= 3)
        LEFT JOIN stores USING (store_id) LEFT JOIN users USING (user_id)
        ORDER BY store_name, store_id, purchases_qty DESC, user_id""",
}
ITEM_MONTHS = f"""
    CREATE TABLE item_months AS
    SELECT strftime(month, '%Y-%m') AS month, item_id, quantity, profit
    FROM (SELECT date_trunc('month', created_at) AS month, item_id,
                 sum(quantity) AS quantity, sum(subtotal) AS profit
          FROM transaction_items WHERE {YEARS} GROUP BY ALL)"""


def source(folder: Path, table: str) -> str:
    """The glob of a table's files, in either layout."""
    return str(folder / table / "*.csv") if (folder / table).is_dir() else f"{folder / table}.csv"


def main(folder: Path, out: Path, kept_as: str = "TABLE") -> None:
    """Answer all queries; ``kept_as`` is what the five tables become in DuckDB."""
    out.mkdir(parents=True, exist_ok=True)
    database = duckdb.connect()
    database.execute("SET preserve_insertion_order = false")
    for table, types in TYPES.items():
        database.execute(
            f"CREATE {kept_as} {table} AS SELECT {', '.join(types)} FROM read_csv("
            f"'{source(folder, table)}', header = true, delim = ',', quote = '\"', escape = '\"',"
            f" nullstr = ['', 'NULL'], types = {types},"
            " timestampformat = '%Y-%m-%d %H:%M:%S')"
        )
    database.execute(ITEM_MONTHS)
    for name, query in QUERIES.items():
        database.execute(f"COPY ({query}) TO '{out / f'{name}.csv'}' (HEADER)")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
