"""Files cut into blocks of whole rows, and where in the file each block began."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from coffeeshop.client.quoting import closed, rows_end
from coffeeshop.errors import BadData
from coffeeshop.schema import Table

BLOCK = 3_500_000
"""Bytes of a block. Its needed columns encode to less than a record's largest body."""
HEADER_LIMIT = 1 << 20
_HEADER = 4096
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
    body: memoryview | bytes
    whole: bytes | None = None
    """The text it is a part of, when that is no file."""

    def line_at(self, offset: int) -> int:
        """The line number (from 1) of an offset in the body."""
        if self.whole is not None:
            return self.whole.count(b"\n", 0, self.start + offset) + 1
        return line_at(self.file, self.start + offset)


def block_of_text(table: Table, name: str, text: bytes) -> Block:
    """A whole CSV text, header included, as one block; ``name`` stands for the file in errors."""
    file = Path(name)
    end = text.find(b"\n") + 1 or len(text)
    columns = _header(table, file, text[:end])
    body = text[end:]
    if not closed(body):
        raise BadData("a quoted field is opened and never closed", file=name)
    return Block(table, file, columns, end, body, text)


def open_binary(file: Path) -> IO[bytes]:
    """The file's bytes, decompressed when it is a ``.gz``."""
    try:
        if file.name.endswith(".gz"):
            # Buffered, a read gives all that was asked for unless the file ends.
            return io.BufferedReader(cast(io.RawIOBase, gzip.open(file, "rb")))
        return file.open("rb")
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
        raise BadData(f"damaged gzip file: {error}", file=str(file)) from error
    except OSError as error:
        raise BadData(f"cannot be read: {error}", file=str(file)) from error


class _Plain:
    """The bytes of a file by offset."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def at(self, start: int, size: int) -> bytes:
        """``size`` bytes from ``start``, or fewer at the end of the file."""
        # Reading a few bytes again is cheaper than copying everything else behind them.
        self._stream.seek(start)
        return self._stream.read(size)


class _Packed:
    """The same for a compressed file, where ``start`` never goes back."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._start = 0
        self._held = b""

    def at(self, start: int, size: int) -> bytes:
        """``size`` bytes from ``start``, or fewer at the end of the file."""
        self._held = self._held[start - self._start :]
        self._held += self._stream.read(max(0, size - len(self._held)))
        self._start = start
        return self._held[:size]


def _cut(table: Table, file: Path, stream: IO[bytes], size: int) -> Iterator[Block]:
    source = _Packed(stream) if file.name.endswith(".gz") else _Plain(stream)
    columns, start = _begin(table, file, source)
    wanted = size
    while data := source.at(start, wanted):
        at_end = len(data) < wanted
        end = len(data) if at_end and closed(data) else rows_end(data)
        if end:
            yield Block(table, file, columns, start, memoryview(data)[:end])
            start, wanted = start + end, size
        elif not at_end and wanted < _ROW_LIMIT:
            wanted = min(2 * wanted, _ROW_LIMIT)  # a row that is longer than a block
        elif closed(data):
            raise BadData(
                f"the row is longer than {_ROW_LIMIT} bytes",
                file=str(file),
                line=line_at(file, start),
            )
        else:
            reason = "a quoted field is opened and never closed"
            raise BadData(reason, file=str(file), line=_last_line(file))


def _begin(table: Table, file: Path, source: _Plain | _Packed) -> tuple[tuple[str, ...], int]:
    """The columns, and where the rows begin."""
    head = source.at(0, _HEADER)
    if b"\n" not in head:
        head = source.at(0, HEADER_LIMIT + 1)
    end = head.find(b"\n") + 1 or len(head)
    if end > HEADER_LIMIT:
        raise BadData(f"the header is longer than {HEADER_LIMIT} bytes", file=str(file), line=1)
    return _header(table, file, head[:end]), end


def _header(table: Table, file: Path, line: bytes) -> tuple[str, ...]:
    line = line.removeprefix(BOM)
    if not closed(line):
        raise BadData("a column name contains a line break", file=str(file), line=1)
    try:
        text = line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise BadData("not UTF-8 text", file=str(file), line=1) from error
    try:
        columns = tuple(name.strip() for name in next(csv.reader([text]), []))
    except csv.Error as error:
        raise BadData(
            "the first line is not the header of a CSV file", file=str(file), line=1
        ) from error
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
