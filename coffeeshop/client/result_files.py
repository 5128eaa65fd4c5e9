"""Results read back from the files that `coffeeshop.client.results` wrote."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from coffeeshop.client.results import REJECTED
from coffeeshop.comparison import typed
from coffeeshop.errors import UsageError

FOR_SPREADSHEETS = (".sheet.csv", ".es.csv", ".xlsx")


def read_results(place: Path) -> dict[str, pa.Table]:
    """The results in a folder, or in one file, by name.

    Of several formats of one result the most exact is read: Parquet, then JSON, then CSV; what is
    written for spreadsheets is not. Raises `UsageError` where there are none, or where they cannot
    be read.
    """
    found: dict[str, pa.Table] = {}
    try:
        files = [place] if place.is_file() else sorted(place.iterdir())
        for suffix, read in READERS.items():
            for file in files:
                if file.name.endswith(suffix) and not _is_none(file):
                    found[file.name.removesuffix(suffix)] = read(file)
    except (OSError, pa.ArrowInvalid, csv.Error, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"cannot read the results in {place}: {error}") from error
    if not found:
        sheets = [file.name for file in files if file.name.endswith(FOR_SPREADSHEETS)]
        also = f"; {sheets[0]} is for spreadsheets, and not exact" if sheets else ""
        raise UsageError(f"no results in {place}: no file .csv, .json or .parquet{also}")
    return {name: found[name] for name in sorted(found)}


def _is_none(file: Path) -> bool:
    return file.name == REJECTED or file.name.endswith(FOR_SPREADSHEETS)


def _read_csv(file: Path) -> pa.Table:
    with file.open(encoding="utf-8", newline="") as opened:
        lines = list(csv.reader(opened, strict=True))
    if not lines:
        raise ValueError(f"{file.name} has no header")
    header, *rows = (line or [""] for line in lines)  # one column that is empty is an empty line
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"{file.name} has a row that is not as long as its header")
    columns = [pa.array([row[place] for row in rows], pa.string()) for place in range(len(header))]
    return typed(pa.table(columns, header))


def _read_json(file: Path) -> pa.Table:
    rows = json.loads(file.read_bytes())
    names = list(rows[0]) if rows else []
    columns = [[None if row[name] is None else str(row[name]) for row in rows] for name in names]
    return typed(pa.table([pa.array(column, pa.string()) for column in columns], names))


def _read_parquet(file: Path) -> pa.Table:
    import pyarrow.parquet as pq  # slow to import, and seldom needed

    return pq.read_table(file)


READERS: dict[str, Callable[[Path], pa.Table]] = {
    ".csv": _read_csv,
    ".json": _read_json,
    ".parquet": _read_parquet,
}
"""The later ones count."""
