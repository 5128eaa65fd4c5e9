"""How a CSV file separates its fields and writes its amounts: decided once, at its header.

What is read is the plain dialect: commas, and points in amounts. A file with another separator has
it and the comma exchanged before anything else looks at it, so all of them are cut, parsed and
refused by the same code; `Dialect.exchanged` gives texts their own signs back.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from coffeeshop.errors import BadData
from coffeeshop.reading.file import File
from coffeeshop.reading.names import partition_of
from coffeeshop.reading.quoting import closed
from coffeeshop.reading.sources import other_content
from coffeeshop.schema import Kind, Table
from coffeeshop.suggestions import did_you_mean

BOM = b"\xef\xbb\xbf"
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SEP_LINE = re.compile(rb'"?sep=(.)"?\r?\n', re.IGNORECASE)
_SHOWN = 120


@dataclass(frozen=True)
class Dialect:
    """A separator and a decimal mark."""

    separator: str = ","
    decimal: str = "."

    @property
    def is_plain(self) -> bool:
        """Whether its text is read as it stands."""
        return self == PLAIN

    @property
    def exchange(self) -> bytes | None:
        """The table by which bytes are translated, there and back; None when they are not."""
        if self.separator == ",":
            return None
        signs = f",{self.separator}".encode()
        return bytes.maketrans(signs, signs[::-1])

    @property
    def decimal_point(self) -> str:
        """The sign that amounts have in the translated text."""
        return self.separator if self.decimal == "," else self.decimal

    def exchanged(self, text: bytes) -> bytes:
        """The text with the separator and the comma exchanged."""
        table = self.exchange
        return text if table is None else text.translate(table)


PLAIN = Dialect()


@dataclass(frozen=True)
class Header:
    """What the beginning of a file says. Needed columns have the schema's names."""

    columns: tuple[str, ...]
    dialect: Dialect
    end: int
    """Bytes before the first row."""


def header_of(table: Table, file: File, head: bytes, *, whole: bool) -> Header:
    """Read the header in ``head``, the beginning of a text or the ``whole`` of it.

    Raises `BadData` for a missing or repeated column, and for a text of another kind.
    """
    content = other_content(head)
    if content:
        raise BadData(f"is no CSV text but {content}", file=str(file))
    start = len(BOM) if head.startswith(BOM) else 0
    told = _SEP_LINE.match(head, start)
    start = start if told is None else told.end()
    end = head.find(b"\n", start) + 1 or len(head)
    number = 1 if told is None else 2
    line = _decoded(head[start:end], file, number)
    if not closed(head[start:end]):
        raise BadData("a column name contains a line break", file=str(file), line=number)
    if told is not None:
        separators = [told[1].decode(errors="replace")]
        if separators[0] not in SEPARATORS:
            reason = f"separates by {separators[0]!r}: commas, semicolons, tabs or bars are read"
            raise BadData(reason, file=str(file), line=1)
    else:
        separators = list(SEPARATORS)
    found = [_columns(table, line, separator, file, number) for separator in separators]
    best = max(range(len(found)), key=lambda place: _score(table, found[place]))
    columns, separator = found[best], separators[best]
    _check(table, columns, line, file, number)
    decimal = "."
    if separator != ",":
        rows = head[end:] if whole else head[end : head.rfind(b"\n") + 1]
        decimal = _decimal(table, columns, separator, rows, file)
    return Header(columns, Dialect(separator, decimal), end)


def _decoded(line: bytes, file: File, number: int) -> str:
    if b"\0" in line:
        reason = "not text: UTF-16 without a byte-order mark, or another format; save it as UTF-8"
        raise BadData(reason, file=str(file), line=number)
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        reason = "not UTF-8 text: save it as UTF-8"
        raise BadData(reason, file=str(file), line=number) from error
    text = text.rstrip("\r\n")
    if "\r" in text:
        reason = "lines end in a carriage return alone: save it with line feeds"
        raise BadData(reason, file=str(file), line=number)
    return text


def _columns(table: Table, line: str, separator: str, file: File, number: int) -> tuple[str, ...]:
    try:
        names = next(csv.reader([line], delimiter=separator), [])
    except csv.Error as error:
        raise BadData(
            "the first line is not the header of a CSV file", file=str(file), line=number
        ) from error
    needed = {column.name for column in table.columns}
    stripped = [name.strip() for name in names]
    return tuple(s.lower() if s.lower() in needed else s for s in stripped)


def _score(table: Table, columns: tuple[str, ...]) -> tuple[int, int]:
    return sum(column.name in columns for column in table.columns), len(columns)


def _check(table: Table, columns: tuple[str, ...], line: str, file: File, number: int) -> None:
    for column in table.columns:
        if columns.count(column.name) == 1:
            continue
        how = "no" if column.name not in columns else "more than one"
        near = did_you_mean(column.name, set(columns) - {column.name})
        hint = partition_of(file, column.name) or near
        needed = ", ".join(c.name for c in table.columns)
        shown = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
        raise BadData(
            f"{how} column {column.name}{hint}; {table.name} needs {needed}; the line is {shown!r}",
            file=str(file),
            line=number,
        )


_SURE = {
    mark: re.compile(rf"[-+]?(?:\d*\{mark}\d{{1,2}}|\d*\{mark}\d{{4,}}|(?:0|\d{{4,}})?\{mark}\d+)")
    for mark in ".,"
}
_PERHAPS = {mark: re.compile(rf"[-+]?\d{{1,3}}(?:\{mark}\d{{3}})+") for mark in ".,"}


def _decimal(
    table: Table, columns: tuple[str, ...], separator: str, body: bytes, file: File
) -> str:
    """The decimal mark of a file that is not separated by commas, by its first rows.

    Three digits behind a mark may be decimals, or thousands may be grouped by it: they alone prove
    nothing. Where no amount has a mark, semicolons go with decimal commas.
    """
    amounts = list(_amounts(table, columns, separator, body))
    sure = [mark for mark in ".," if any(_SURE[mark].fullmatch(value) for value in amounts)]
    if len(sure) == 1:
        return sure[0]
    if len(sure) == 2:
        raise BadData("has amounts with decimal commas and with decimal points", file=str(file))
    for value in amounts:
        if _PERHAPS["."].fullmatch(value) or (separator != ";" and _PERHAPS[","].fullmatch(value)):
            reason = "may have decimals or group thousands: no amount near it tells which"
            raise BadData(reason, file=str(file), value=value)
    return "," if separator == ";" else "."


def _amounts(table: Table, columns: tuple[str, ...], separator: str, body: bytes) -> Iterator[str]:
    places = [columns.index(c.name) for c in table.columns if c.kind is Kind.AMOUNT]
    lines = io.StringIO(body.decode(errors="replace"), newline="")
    for row in csv.reader(lines, delimiter=separator) if places else ():
        yield from (row[place].strip() for place in places if place < len(row))
