"""Files cut into blocks of whole rows, and where in the file each block began."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from coffeeshop.errors import BadData
from coffeeshop.schema import Table

BLOCK = 3_500_000
"""Bytes of a block. Its needed columns encode to less than a record's largest body."""
HEADER_LIMIT = 1 << 20
_ROW_LIMIT = 16 << 20
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """Whole rows of one file, without the header."""

    table: Table
    file: Path
    columns: tuple[str, ...]
    start: int
    """Offset in the (decompressed) file of the first byte."""
    body: bytes


def open_binary(file: Path) -> IO[bytes]:
    """The file's bytes, decompressed when it is a ``.gz``."""
    try:
        if file.name.endswith(".gz"):
            return cast(IO[bytes], gzip.open(file, "rb"))
        return file.open("rb", buffering=0)
    except OSError as error:
        raise BadData(f"cannot be read: {error.strerror}", file=str(file)) from error


def blocks_of(table: Table, file: Path, size: int = BLOCK) -> Iterator[Block]:
    """The rows of a CSV file in blocks of about ``size`` bytes, cut between rows.

    Raises `BadData` for a missing or repeated column, a broken gzip, or a quote left open.
    """
    try:
        with open_binary(file) as stream:
            yield from _cut(table, file, stream, size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadData(f"broken gzip file: {error}", file=str(file)) from error
    except OSError as error:
        raise BadData(f"cannot be read: {error}", file=str(file)) from error


def _cut(table: Table, file: Path, stream: IO[bytes], size: int) -> Iterator[Block]:
    rest = stream.read(size)
    header_end = rest.find(b"\n") + 1
    if not header_end and len(rest) < size:
        header_end = len(rest)
    if not 0 <= header_end <= HEADER_LIMIT or (rest and not header_end):
        raise BadData(f"the header is longer than {HEADER_LIMIT} bytes", file=str(file), line=1)
    columns = _header(table, file, rest[:header_end])
    start, rest = header_end, rest[header_end:]
    at_end = False
    while not at_end and len(rest) <= _ROW_LIMIT + size:
        end = _row_end(rest)
        if end:
            yield Block(table, file, columns, start, rest[:end])
            start, rest = start + end, rest[end:]
        more = stream.read(size - min(len(rest), size - 1))
        at_end = not more
        rest += more
    if rest.count(b'"') % 2:
        raise BadData("a quote is opened and never closed", file=str(file), line=_last_line(file))
    if rest:
        yield Block(table, file, columns, start, rest)


def _row_end(data: bytes) -> int:
    """Just after the last newline outside quotes; 0 when there is none in the last megabytes."""
    end = data.rfind(b"\n") + 1
    quotes = data.count(b'"', 0, end)
    while quotes % 2 and end:
        previous = data.rfind(b"\n", 0, end - 1) + 1
        quotes -= data.count(b'"', previous, end)
        end = previous
    return end


def _header(table: Table, file: Path, line: bytes) -> tuple[str, ...]:
    try:
        text = line.removeprefix(BOM).decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise BadData("not UTF-8 text", file=str(file), line=1) from error
    columns = tuple(name.strip() for name in next(csv.reader([text]), []))
    for column in table.columns:
        if columns.count(column.name) != 1:
            how = "no" if column.name not in columns else "more than one"
            raise BadData(
                f"{how} column {column.name}; {table.name} needs "
                f"{', '.join(c.name for c in table.columns)}",
                file=str(file),
                line=1,
            )
    return columns


def line_at(file: Path, offset: int) -> int:
    """The line number (from 1) of a byte offset, found by reading the file up to there."""
    lines = 1
    with open_binary(file) as stream:
        while offset > 0:
            data = stream.read(min(offset, 1 << 20))
            if not data:
                break
            lines += data.count(b"\n")
            offset -= len(data)
    return lines


def _last_line(file: Path) -> int:
    return line_at(file, 1 << 62)
