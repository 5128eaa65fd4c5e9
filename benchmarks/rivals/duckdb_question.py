"""Questions of the gallery in DuckDB: ``duckdb_question.py FOLDER OUT NAME...`` writes a file each.

The text is the gallery's. Nothing is loaded: a query scans the CSV files for the columns it reads.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
from duckdb_rival import source

from coffeeshop.questions.gallery import ready_one
from coffeeshop.schema import CATALOG, Kind

TYPES = {
    Kind.ID: "BIGINT",
    Kind.COUNT: "BIGINT",
    Kind.AMOUNT: "DECIMAL(18,3)",
    Kind.INSTANT: "TIMESTAMP",
    Kind.DATE: "DATE",
    Kind.TEXT: "VARCHAR",
}
WRITTEN_WITH_POINT = ("user_id", "voucher_id")
"""Ids that one dialect writes ``17272.0``; exact below 2**53."""


def main(folder: Path, out: Path, names: list[str]) -> None:
    """Answer the questions."""
    out.mkdir(parents=True, exist_ok=True)
    database = duckdb.connect()
    database.execute("SET preserve_insertion_order = false")
    for table, catalogued in CATALOG.items():
        types = {
            column.name: "DOUBLE" if column.name in WRITTEN_WITH_POINT else TYPES[column.kind]
            for column in catalogued.columns
        }
        database.execute(
            f"CREATE VIEW {table} AS SELECT {', '.join(types)} FROM read_csv("
            f"'{source(folder, table)}', header = true, delim = ',', quote = '\"', escape = '\"',"
            f" nullstr = ['', 'NULL'], types = {types},"
            " timestampformat = '%Y-%m-%d %H:%M:%S')"
        )
    for name in names:
        text = ready_one(name).text
        database.execute(f"COPY ({text}) TO '{out / f'{name}.csv'}' (HEADER)")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
