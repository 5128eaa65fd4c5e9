"""What a data folder holds: which of its files are read, in which order, and what of the others.

Every file is read, refused, or named in a warning. The command line and the web page ask the same
function, which looks at names and sizes only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby

from coffeeshop.reading.names import (
    copied_from,
    file_name,
    folder_stem,
    is_no_data,
    log_of,
    table_of,
)
from coffeeshop.schema import TABLES
from coffeeshop.suggestions import did_you_mean

NAMED = 12
"""Files that one warning names."""


@dataclass(frozen=True)
class Entry:
    """A file that was found; ``path`` is relative to the data folder, with ``/``."""

    path: str
    size: int
    trouble: str = ""
    """Why it cannot be read, when that is known before it is opened."""
    identity: tuple[int, int] | None = None
    """The same for two names of one file, where that is known."""


@dataclass(frozen=True)
class Trouble:
    """Why a folder is refused; ``path`` is the file that is to blame, or empty."""

    reason: str
    path: str = ""


@dataclass(frozen=True)
class Layout:
    """What a folder holds. It is read when there are no ``troubles``."""

    tables: dict[str, tuple[Entry, ...]]
    troubles: tuple[Trouble, ...]
    warnings: tuple[str, ...]


@dataclass
class _Found:
    """One table's files, by where they are."""

    whole: dict[str, list[Entry]] = field(default_factory=dict)
    """By the file or folder at the top that is the whole table."""
    parts: list[Entry] = field(default_factory=list)
    """Files at the top, or in folders there, that say to be a part of the table."""

    @property
    def entries(self) -> list[Entry]:
        return [*(entry for each in self.whole.values() for entry in each), *self.parts]


def layout_of(entries: Iterable[Entry], wanted: Collection[str] = tuple(TABLES)) -> Layout:
    """Sort a folder's files into the ``wanted`` tables; other tables of the data set are left."""
    found = {table: _Found() for table in wanted}
    troubles: list[Trouble] = []
    unread: list[str] = []
    strangers: list[str] = []
    for entry in sorted(entries, key=lambda entry: entry.path):
        parts = entry.path.split("/")
        table = _table_at(parts)
        if table is not None and table[0] not in found:
            continue
        logs = next(filter(None, map(log_of, parts)), "")
        if logs and table is not None:
            reason = f"is a table of {logs}, whose log says which files count: export it as Parquet"
            troubles.append(Trouble(reason, "/".join(parts[:-2]) or entry.path))
        elif any(map(is_no_data, parts)):
            continue
        elif table is None:
            strangers.append(entry.path)
        elif (trouble := _trouble_of(entry, parts)) is not None:
            troubles.append(trouble)
        elif file_name(parts[-1]).form is None or any(p.startswith("_") for p in parts):
            unread.append(entry.path)
        else:
            _put(found[table[0]], entry, parts, is_part=table[1])
    for each in found.values():
        troubles.extend(_twice(each))
    tables = {table: tuple(_in_order(each.entries)) for table, each in found.items()}
    troubles.extend(_missing(tables, strangers, unread))
    by_path = {trouble.path: trouble for trouble in reversed(troubles)}
    return Layout(tables, tuple(reversed(by_path.values())), tuple(_warnings(unread, strangers)))


def rooted(entries: Iterable[Entry]) -> tuple[str, list[Entry]]:
    """The name of the data folder and what it holds, of files whose paths begin with its name.

    Files that are not all in one folder, or in a folder that is a table, are a folder without name.
    """
    known = list(entries)
    tops = {entry.path.split("/")[0] for entry in known}
    if len(tops) != 1 or any("/" not in entry.path for entry in known):
        return "", known
    (top,) = tops
    inner = [replace(entry, path=entry.path.split("/", 1)[1]) for entry in known]
    tables = sum(bool(files) for files in layout_of(inner).tables.values())
    if tables > 1 or table_of(folder_stem(top)) is None:
        return top, inner
    return "", known


def _table_at(parts: list[str]) -> tuple[str, bool] | None:
    return table_of(_stem_at(parts))


def _stem_at(parts: list[str]) -> str:
    if len(parts) > 1:
        return folder_stem(parts[0])
    stem = file_name(parts[0]).stem
    return copied_from(stem) or stem


def _trouble_of(entry: Entry, parts: list[str]) -> Trouble | None:
    name = file_name(parts[-1])
    reason = entry.trouble or name.refusal
    if not reason and name.form is not None and entry.size == 0:
        reason = "the file is empty"
    return Trouble(reason, entry.path) if reason else None


def _put(found: _Found, entry: Entry, parts: list[str], *, is_part: bool) -> None:
    if is_part:
        found.parts.append(entry)
    else:
        found.whole.setdefault(parts[0], []).append(entry)


def _twice(found: _Found) -> Iterator[Trouble]:
    """Refuse the same rows in two forms.

    ``x.csv`` beside ``x.csv.gz``, beside a folder ``x``, beside ``x (1).csv``; a whole table beside
    parts of it.
    """
    first, *others = [files[0].path for files in found.whole.values()] or [""]
    for other in others:
        yield Trouble(f"the table is also in {first}; remove one of them", other)
    if first and found.parts:
        part = found.parts[0].path
        yield Trouble(f"the table is also in {first}; put all parts of it into one folder", part)
    entries = sorted(found.entries, key=lambda entry: entry.path)
    folders = _folders(entries)
    seen: dict[tuple[int, int] | None, str] = {}
    for entry in entries:
        if entry.identity is not None and entry.identity in seen:
            yield Trouble(
                f"the same data is also in {seen[entry.identity]}; remove one of them", entry.path
            )
        seen[entry.identity] = entry.path
    for folder, files in groupby(entries, lambda entry: entry.path.rpartition("/")[0]):
        if folder or not others:  # at the top it is told already
            yield from _twice_in(list(files), folders.get(folder, {}))


def _folders(entries: list[Entry]) -> dict[str, dict[str, str]]:
    """The folders in each folder: by their stems the path of a file that is in them."""
    found: dict[str, dict[str, str]] = {}
    for entry in entries:
        parts = entry.path.split("/")
        for depth, name in enumerate(parts[:-1]):
            found.setdefault("/".join(parts[:depth]), {}).setdefault(folder_stem(name), entry.path)
    return found


def _twice_in(files: list[Entry], folders: dict[str, str]) -> Iterator[Trouble]:
    stems: dict[str, str] = {}
    # The shortest name first, so that the copy is blamed.
    for entry in sorted(files, key=lambda entry: (len(entry.path), entry.path)):
        stem = file_name(entry.path.rpartition("/")[2]).stem
        other = stems.setdefault(stem, entry.path)
        original = stems.get(copied_from(stem), "")
        if other != entry.path:
            yield Trouble(f"the same data is also in {other}; remove one of them", entry.path)
        elif original:
            yield Trouble(f"is a copy of {original} by its name; remove one of them", entry.path)
        elif stem in folders:
            yield Trouble(
                f"the same data is also in {folders[stem]}; remove one of them", entry.path
            )


def _in_order(entries: list[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.path.split("/"))


def _missing(
    tables: dict[str, tuple[Entry, ...]], strangers: list[str], unread: list[str]
) -> Iterator[Trouble]:
    missing = [table for table, files in tables.items() if not files]
    if len(missing) == len(tables):
        inside = _folder_of_tables(strangers)
        hint = f"; there are tables in {inside}" if inside else ""
        expected = ", ".join(tables)
        yield Trouble(f"no table found: expected {expected} as <table>/*.csv or <table>.csv{hint}")
    elif missing:
        names = sorted({path.split("/")[0] for path in (*strangers, *unread)})
        near = next(filter(None, (_near(table, names) for table in missing)), "")
        yield Trouble(f"no files for table {', '.join(missing)}{near}")


def _near(table: str, names: list[str]) -> str:
    """Which of the names was probably meant to be the table."""
    meant = next((name for name in names if did_you_mean(folder_stem(name), [table])), None)
    return f"; {meant} is no table's name: did you mean {table!r}?" if meant else ""


def _folder_of_tables(strangers: list[str]) -> str:
    for path in strangers:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            if _table_at(parts[depth:]) is not None:
                return "/".join(parts[:depth])
    return ""


def _warnings(unread: list[str], strangers: list[str]) -> Iterator[str]:
    if unread:
        yield f"not read, as no format of data: {_named(unread)}"
    tops = list(dict.fromkeys(path.split("/")[0] for path in strangers))
    inside = {top: sum(path.startswith(f"{top}/") for path in strangers) for top in tops}
    near = [top for top in tops if did_you_mean(folder_stem(top), TABLES)]
    for top in near:
        meant = did_you_mean(folder_stem(top), TABLES)
        yield f"not read, as no table has that name: {_counted(top, inside[top])}{meant}"
    others = [_counted(top, inside[top]) for top in tops if top not in near]
    if others:
        yield f"not read, as no table has that name: {_named(others)}"


def _counted(top: str, files: int) -> str:
    return f"{top}/ ({files} file{'s' if files > 1 else ''})" if files else top


def _named(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
