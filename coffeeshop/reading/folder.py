"""A data folder: where it is, and the files of each table; of those on disk, what is in them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from coffeeshop.errors import BadData, UsageError
from coffeeshop.reading.file import File, Place
from coffeeshop.reading.layout import Entry, Layout, layout_of
from coffeeshop.reading.names import folder_stem, is_no_data, log_of, table_of
from coffeeshop.schema import TABLES
from coffeeshop.suggestions import did_you_mean

SHOWN_FOLDERS = 8
STRANGERS = 1000
"""Files looked at in a folder that is no table's."""


@dataclass(frozen=True)
class DataFolder:
    """The files of each table, sorted by name; every table has at least one."""

    path: Path | Place
    """The folder, or the address of one that is elsewhere."""
    files: dict[str, tuple[File, ...]]
    warnings: tuple[str, ...] = ()
    """What is in the folder and not read."""

    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of each table's files."""

    def size(self, table: str) -> int:
        """Bytes of a table's files, as far as they are known."""
        return self.sizes.get(table, 0)

    @property
    def name(self) -> str:
        """What people call it: the last part of its path."""
        return self.path.resolve().name if isinstance(self.path, Path) else self.path.name

    def inside(self, file: str) -> str:
        """A file's path as it is within the folder: the place of that is of no use elsewhere."""
        return file.removeprefix(f"{self.path}/")


def find_folder(name: str | None, data_root: Path) -> Path:
    """The folder a user means: a path, else a name under the data root; the root for None.

    Raises `UsageError`, which names the folder that was probably meant.
    """
    if name is None:
        return _root_itself(data_root)
    candidates = [Path(name), data_root / name]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    tried = " nor ".join(str(candidate) for candidate in candidates)
    raise UsageError(f"no data folder at {tried}{_meant(name, _folders(data_root))}")


def _meant(name: str, known: list[str]) -> str:
    there = f"; found: {', '.join(known[:SHOWN_FOLDERS])}" if known else ""
    return did_you_mean(name, known) or there


def _root_itself(data_root: Path) -> Path:
    """The data root, when it is a data folder; else say which folders it holds."""
    if data_root.is_dir() and any(layout_of(_entries(data_root)).tables.values()):
        return data_root
    known = _folders(data_root)
    if known:
        shown = ", ".join(known[:SHOWN_FOLDERS]) + (", …" if len(known) > SHOWN_FOLDERS else "")
        raise UsageError(f"which data folder? {data_root} holds {shown}")
    raise UsageError(f"which data folder? there is none in {data_root}")


def _folders(data_root: Path) -> list[str]:
    if not data_root.is_dir():
        return []
    found = (f.name for f in data_root.iterdir() if f.is_dir() and not f.name.startswith("."))
    return sorted(found)


def open_folder(path: Path, wanted: Collection[str] = tuple(TABLES)) -> DataFolder:
    """The files of the ``wanted`` tables, as `layout.layout_of` sorts them.

    Raises `BadData` that names what cannot be read, every missing table, or a table that is there
    in two forms, which would count twice.
    """
    try:
        layout = layout_of(_entries(path), wanted)
    except OSError as error:
        raise BadData(f"cannot be read: {error.strerror}", file=str(path)) from error
    return sorted_out(path, layout, lambda at: path / at)


def sorted_out(place: Path | Place, layout: Layout, file_at: Callable[[str], File]) -> DataFolder:
    """The files of a layout, each as ``file_at`` its path; raises `BadData` for its troubles."""
    if layout.troubles:
        first, *more = layout.troubles
        others = f"; {len(more)} more cannot be read" if more else ""
        where = f"{place}/{first.path}" if first.path else str(place)
        raise BadData(f"{first.reason}{others}", file=where)
    files = {
        table: tuple(file_at(entry.path) for entry in entries)
        for table, entries in layout.tables.items()
    }
    sizes = {
        table: sum(entry.size for entry in entries) for table, entries in layout.tables.items()
    }
    return DataFolder(place, files, layout.warnings, sizes)


def _entries(path: Path) -> list[Entry]:
    """All files below a folder. Links are followed; one that leads nowhere or back is a trouble."""
    found: list[Entry] = []
    for name in _names(path):
        top = _below(path, name, frozenset((_identity(path.stat()),)))
        is_table = table_of(folder_stem(name)) is not None
        found += top if is_table else islice(top, STRANGERS)
    return found


def _below(root: Path, at: str, above: frozenset[tuple[int, int]]) -> Iterator[Entry]:
    """The file at a place below the root, or those in the folder that is there."""
    try:
        status = (root / at).stat()
        identity = _identity(status)
        if not stat.S_ISDIR(status.st_mode):
            trouble = "" if stat.S_ISREG(status.st_mode) else "is neither a file nor a folder"
            yield Entry(at, status.st_size, trouble, identity)
        elif identity in above:
            yield Entry(at, 0, "is a link to a folder that it is in")
        else:
            for name in _names(root / at):
                yield from _below(root, f"{at}/{name}", above | {identity})
    except OSError as error:
        yield Entry(at, 0, _broken(root / at, error))


def _names(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if log_of(name) or not is_no_data(name))


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _broken(file: Path, error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "is a link that leads back to itself"
    if isinstance(error, FileNotFoundError) and file.is_symlink():
        return f"is a link to nothing ({os.readlink(file)})"
    return f"cannot be read: {error.strerror}"
