"""Result files: csv, json or parquet, all or none of them."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.client.parse import Rejected
from coffeeshop.errors import UsageError

FORMATS = ("csv", "json", "parquet")
REJECTED = "rejected.csv"


def write_results(
    tables: Mapping[str, pa.Table],
    directory: Path,
    file_format: str,
    rejected: Sequence[Rejected] = (),
) -> list[Path]:
    """Write one file a query (and rejected.csv if there are any); returns their paths.

    All files are written beside their places first and moved there last, so a failure leaves the
    directory as it was. Raises `UsageError` when the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".coffeeshop-", dir=directory))
    except OSError as error:
        raise UsageError(f"cannot write to {directory}: {error.strerror}") from error
    try:
        names = []
        for name, table in tables.items():
            names.append(f"{name}.{file_format}")
            _WRITERS[file_format](table, work / names[-1])
        if rejected:
            names.append(REJECTED)
            _write_rejected(rejected, work / REJECTED)
        for name in names:
            os.replace(work / name, directory / name)
    except OSError as error:
        raise UsageError(f"cannot write to {directory}: {error.strerror}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if not rejected:
        (directory / REJECTED).unlink(missing_ok=True)  # of an earlier run
    return [directory / name for name in names]


def to_csv(table: pa.Table) -> bytes:
    """A result as CSV: a header, LF line ends, quotes only where a value needs them."""
    header = ",".join(table.column_names) + "\n"
    columns = [as_text(column) for column in table.columns]
    if any(pc.any(pc.match_substring_regex(c, '[",\r\n]')).as_py() for c in columns):
        text = io.StringIO()
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        csv.writer(text, lineterminator="\n").writerows(rows)
        return (header + text.getvalue()).encode()
    lines = pc.binary_join_element_wise(*columns, ",").to_pylist() if table.num_rows else []
    return (header + "".join(f"{line}\n" for line in lines)).encode()


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A result column as it is written: null is empty, exact amounts have no idle zeros."""
    text = column.cast(pa.string())
    if pa.types.is_decimal(column.type) and column.type.scale == 3:
        text = pc.replace_substring_regex(text, r"(\.\d+?)0+$", r"\1")
    return pc.fill_null(text, "")


def _write_csv(table: pa.Table, path: Path) -> None:
    path.write_bytes(to_csv(table))


def _write_json(table: pa.Table, path: Path) -> None:
    with path.open("w") as file:
        json.dump(table.to_pylist(), file, default=_plain, indent=1, ensure_ascii=False)
        file.write("\n")


def _plain(value: object) -> str:
    match value:
        case Decimal():
            return str(value)  # a JSON number would be read as a float
        case dt.date():
            return value.isoformat()
    raise TypeError(type(value).__name__)


def _write_parquet(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet as pq  # slow to import, and seldom needed

    pq.write_table(table, path)


_WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
}


def _write_rejected(rejected: Sequence[Rejected], path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "line", "column", "value", "reason", "row"])
        for each in rejected:
            error = each.error
            writer.writerow(
                [error.file, error.line, error.column, error.value, error.reason, each.row]
            )
