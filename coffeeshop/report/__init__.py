"""A session's report: one HTML file with its figures, tables, charts and downloads."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from coffeeshop.errors import UsageError
from coffeeshop.names import FOUR, QUALITY
from coffeeshop.report.run import MOST_ROWS, Run, run_of

__all__ = ["Run", "check_place", "place_of", "run_of", "write_report"]


def place_of(path: Path, made: Path) -> Path:
    """Where a report goes: a bare name beside the results, where this folder cannot be written.

    That is so in a container. ``made`` is the results' directory.
    """
    is_bare = path.name == str(path)
    return made / path.name if is_bare and not os.access(Path(), os.W_OK) else path


def check_place(path: Path, made: Path | None = None, taken: Iterable[Path] = ()) -> None:
    """Raise `UsageError` where no report can be written: better said before the work than after.

    ``made`` is a directory that will be there by then; ``taken`` are files that are not to be
    replaced: the results, and what they were made from.
    """
    place = path.resolve()
    if path.is_dir() or (made is not None and place == made.resolve()):
        raise UsageError(f"cannot write {path}: it is a directory")
    if not path.parent.is_dir() and (made is None or place.parent != made.resolve()):
        raise UsageError(f"cannot write {path}: no such directory: {path.parent}")
    if path.parent.is_dir() and not os.access(path.parent, os.W_OK):
        advice = "" if made is None else f"; write it beside the results: {made / path.name}"
        raise UsageError(f"cannot write {path}: {path.parent} is not writable{advice}")
    if any(place == each.resolve() for each in taken):
        raise UsageError(f"cannot write the report to {path}: that file is a result, or input")


def write_report(
    tables: Mapping[str, pa.Table], run: Run, path: Path, most: int = MOST_ROWS
) -> Path:
    """Write the report of five results, with at most ``most`` rows of each; gives its path.

    A file that is there is replaced when the new one is complete, and stays as it is after a
    failure. Raises `UsageError` when it cannot be written, and for answers to other questions than
    the four.
    """
    check_place(path)
    if not set(tables) >= FOUR:
        raise UsageError("a report is about the four questions, and these are answers to others")
    from coffeeshop.report.page import page  # most who import this write none

    shown = {name: table for name, table in tables.items() if name in (*FOUR, QUALITY)}
    body = page(shown, run, most)
    try:
        _replace(path, body)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return path


def _replace(path: Path, body: bytes) -> None:
    work = Path(tempfile.mkdtemp(prefix=".coffeeshop-", dir=path.parent))
    try:
        (work / "report").write_bytes(body)
        os.replace(work / "report", path)
    finally:
        shutil.rmtree(work, ignore_errors=True)
