"""Tables in memory as a data folder: DataFrames, Arrow tables, lists of rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from coffeeshop.errors import BadData, UsageError
from coffeeshop.reading.folder import DataFolder, open_folder
from coffeeshop.schema import CATALOG, TABLES
from coffeeshop.suggestions import did_you_mean


@contextmanager
def folder_of(
    tables: Mapping[str, Any], wanted: Collection[str] = tuple(TABLES)
) -> Iterator[DataFolder]:
    """A temporary data folder with these tables; gone at the end.

    Raises `UsageError` for names that are no tables', and for what is no table; `BadData` that was
    raised about the folder's files is raised about the tables.
    """
    _check(tables, wanted)
    import pyarrow.parquet as pq  # slow to import, and seldom needed

    with TemporaryDirectory(prefix="coffeeshop-") as directory:
        for name, table in tables.items():
            pq.write_table(_arrow(name, table), Path(directory) / f"{name}.parquet")
        try:
            yield open_folder(Path(directory), wanted)
        except BadData as error:
            name = Path(error.file or "").stem
            raise BadData(
                error.reason,
                file=f"tables[{name!r}]" if name in CATALOG else None,
                row=error.row,
                column=error.column,
                value=error.value,
            ) from None


def _check(tables: Mapping[str, Any], wanted: Collection[str]) -> None:
    for name in tables:
        if name not in CATALOG:
            meant = did_you_mean(str(name), CATALOG) or f"; there are {', '.join(wanted)}"
            raise UsageError(f"tables: no table is called {name!r}{meant}")
    if missing := [name for name in wanted if name not in tables]:
        raise UsageError(f"tables: {', '.join(missing)} missing")


def _arrow(name: str, table: Any) -> pa.Table:
    try:
        found = _converted(table)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise UsageError(f"tables[{name!r}] cannot be read as a table: {error}") from error
    if found is None:
        raise UsageError(
            f"tables[{name!r}] is a {type(table).__name__}; a table is an Arrow table, "
            "a DataFrame of pandas or polars, or a list of dicts"
        )
    # Parquet knows no views of texts, which polars hands over.
    views = [(n, f) for n, f in enumerate(found.schema) if pa.types.is_string_view(f.type)]
    for number, field in views:
        column = found.column(number).cast(pa.large_string())
        found = found.set_column(number, field.with_type(pa.large_string()), column)
    return found


def _converted(table: Any) -> pa.Table | None:
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if type(table).__module__.partition(".")[0] == "pandas" and hasattr(table, "columns"):
        return pa.Table.from_pandas(table, preserve_index=False)
    if hasattr(table, "__arrow_c_stream__"):
        return pa.table(table)
    if isinstance(table, list):
        return pa.Table.from_pylist(table)
    return None
