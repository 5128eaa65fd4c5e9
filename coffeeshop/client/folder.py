"""Which files of a data folder belong to which table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from coffeeshop.errors import BadData, UsageError
from coffeeshop.schema import TABLES
from coffeeshop.suggestions import did_you_mean

SUFFIXES = (".csv", ".csv.gz", ".parquet")
SHOWN_FOLDERS = 8


@dataclass(frozen=True)
class DataFolder:
    """The files of each table, sorted by name; every table has at least one."""

    path: Path
    files: dict[str, tuple[Path, ...]]

    def size(self, table: str) -> int:
        """Bytes on disk of a table's files."""
        return sum(file.stat().st_size for file in self.files[table])


def find_folder(name: str | None, data_root: Path) -> Path:
    """The folder a user means: a path, else a name under the data root; the root for None.

    Raises `UsageError`, which names the folder that was probably meant.
    """
    candidates = [data_root] if name is None else [Path(name), data_root / name]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    tried = " nor ".join(str(candidate) for candidate in candidates)
    raise UsageError(f"no data folder at {tried}{_meant(name, _folders(data_root))}")


def _meant(name: str | None, known: list[str]) -> str:
    if name is None:
        return "; give one with --data-folder"
    there = f"; found: {', '.join(known[:SHOWN_FOLDERS])}" if known else ""
    return did_you_mean(name, known) or there


def _folders(data_root: Path) -> list[str]:
    return sorted(f.name for f in data_root.iterdir() if f.is_dir()) if data_root.is_dir() else []


def open_folder(path: Path) -> DataFolder:
    """The tables' files in either layout: ``<table>/*.csv`` or ``<table>.csv``.

    Also ``.csv.gz`` and ``.parquet``. Raises `BadData` that names every missing table, or a table
    that is there in two forms, which would count twice.
    """
    files = {table: _files_of(path, table) for table in TABLES}
    missing = [table for table, found in files.items() if not found]
    if len(missing) == len(TABLES):
        raise BadData(
            f"no table found: expected {', '.join(TABLES)} as <table>/*.csv or <table>.csv",
            file=str(path),
        )
    if missing:
        raise BadData(f"no files for table {', '.join(missing)}", file=str(path))
    return DataFolder(path, files)


def _files_of(path: Path, table: str) -> tuple[Path, ...]:
    inside = path / table
    found = [path / f"{table}{suffix}" for suffix in SUFFIXES]
    if inside.is_dir():
        found += [file for file in inside.iterdir() if file.name.endswith(SUFFIXES)]
    files = sorted(file for file in found if file.is_file())
    _one_of_each(files)
    return tuple(files)


def _one_of_each(files: list[Path]) -> None:
    """Refuse the same rows in two forms: `x.csv` beside `x.csv.gz`, or beside a folder `x`."""
    by_stem: dict[str, Path] = {}
    for file in files:
        stem = _stem(file)
        other = by_stem.setdefault(stem, file)
        if other is not file:
            raise BadData(f"the same data is also in {file}; remove one of them", file=str(other))
    if len({file.parent for file in files}) > 1:
        raise BadData(
            f"the table is also in {files[0].parent}; remove one of them", file=str(files[-1])
        )


def _stem(file: Path) -> str:
    suffix = next(s for s in sorted(SUFFIXES, key=len, reverse=True) if file.name.endswith(s))
    return file.name.removesuffix(suffix)
