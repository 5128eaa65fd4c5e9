"""Result files: one a query, or one workbook; all or none of them."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pyarrow as pa

from coffeeshop.errors import UsageError
from coffeeshop.formats import WRITERS, no_formula
from coffeeshop.reading.parse import Rejected
from coffeeshop.workbook import to_workbook

REJECTED = "rejected.csv"


def files_of(directory: Path, queries: Iterable[str], file_format: str) -> list[Path]:
    """What `write_results` may write there for these queries."""
    names = list(queries)
    if file_format == "xlsx":
        return [directory / _workbook_name(names), directory / REJECTED]
    return [*(directory / f"{query}.{file_format}" for query in names), directory / REJECTED]


def _workbook_name(queries: Sequence[str]) -> str:
    """Of the one file for all of them."""
    return f"{queries[0] if len(queries) == 1 else 'results'}.xlsx"


def check_output(directory: Path, queries: Iterable[str], file_format: str) -> None:
    """Raise `UsageError` where `write_results` could not write: better said before the work.

    Leaves nothing behind.
    """
    place = directory
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        Path(tempfile.mkdtemp(prefix=".coffeeshop-", dir=place)).rmdir()
    except OSError as error:
        raise UsageError(f"cannot write to {directory}: {error.strerror}") from error
    _refuse_directories(
        directory, [file.name for file in files_of(directory, queries, file_format)]
    )


def write_results(
    tables: Mapping[str, pa.Table],
    directory: Path,
    file_format: str,
    rejected: Sequence[Rejected] = (),
    currency: str = "",
) -> list[Path]:
    """Write one file a query (and rejected.csv if there are any); returns their paths. As
    ``xlsx`` it is one file, ``results.xlsx``, with a sheet a query, and amounts in a ``currency``.

    All files are written beside their places first and moved there last, so a failure leaves the
    directory as it was. Of two runs that write to one directory at once the files of the later one
    are left, never some of each. Raises `UsageError` when the directory cannot be written, or the
    format cannot hold a result.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".coffeeshop-", dir=directory))
    except OSError as error:
        raise UsageError(f"cannot write to {directory}: {error.strerror}") from error
    try:
        names = []
        if file_format == "xlsx":
            names.append(_workbook_name(list(tables)))
            (work / names[-1]).write_bytes(to_workbook(tables, currency))
        else:
            for name, table in tables.items():
                names.append(f"{name}.{file_format}")
                (work / names[-1]).write_bytes(WRITERS[file_format](table))
        if rejected:
            names.append(REJECTED)
            _write_rejected(rejected, work / REJECTED, file_format)
        _refuse_directories(directory, [*names, REJECTED])
        with _alone_in(directory):
            for name in names:
                os.replace(work / name, directory / name)
            if not rejected:
                (directory / REJECTED).unlink(missing_ok=True)  # of an earlier run
    except OSError as error:
        raise UsageError(f"cannot write to {directory}: {error.strerror}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return [directory / name for name in names]


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Hold off other runs that move their files into the directory at this moment."""
    try:
        import fcntl  # not on every system
    except ImportError:
        yield
        return
    with ExitStack() as stack:
        # A directory that may not be read, a file system without locks: as good as it gets.
        with suppress(OSError):
            held = os.open(directory, os.O_RDONLY)
            stack.callback(os.close, held)  # and so gives the lock back
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _refuse_directories(directory: Path, names: Sequence[str]) -> None:
    # Found only while moving, it would leave half of the results behind.
    for name in names:
        if (directory / name).is_dir():
            raise UsageError(f"cannot write to {directory}: {name} is a directory")


def _write_rejected(rejected: Sequence[Rejected], path: Path, file_format: str) -> None:
    harmless = file_format in ("sheet.csv", "es.csv", "xlsx")  # to open in a spreadsheet
    with path.open("w", encoding="utf-8", newline="") as file:
        separator = ";" if file_format == "es.csv" else ","
        writer = csv.writer(file, lineterminator="\n", delimiter=separator)
        writer.writerow(["file", "line", "column", "value", "reason", "row"])
        for each in rejected:
            error = each.error
            place = error.row if error.line is None else error.line  # of Parquet it is the row
            row = [error.file, place, error.column, error.value, error.reason, each.row]
            writer.writerow([no_formula(cell) if harmless else cell for cell in row])
