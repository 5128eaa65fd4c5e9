"""Files cut into blocks of whole rows, and where in the file each block began."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from coffeeshop.errors import BadData
from coffeeshop.reading.dialect import BOM, PLAIN, Dialect, Header, header_of
from coffeeshop.reading.file import File
from coffeeshop.reading.quoting import closed, rows_end
from coffeeshop.reading.sources import broken_as_bad_data, open_text, text_of
from coffeeshop.schema import Table

BLOCK = 3_500_000
"""Bytes of a block. Its needed columns encode to less than a record's largest body."""
HEADER_LIMIT = 1 << 20
HEAD = 1 << 16
_HEADER_LINES = 3
"""Lines that the header is looked for in: a line of Excel's, the header, a row."""
ROW_LIMIT = 16 << 20


class Buffers:
    """Memory that is filled again and again: fresh memory costs as much as reading into it.

    Thread-safe. Holds what was in use at one time, at most.
    """

    def __init__(self) -> None:
        self._free: list[bytearray] = []

    def take(self, size: int) -> memoryview:
        """Memory of at least that many bytes, with anything in it."""
        try:
            buffer = self._free.pop()
        except IndexError:
            return memoryview(bytearray(size))
        return memoryview(buffer if len(buffer) >= size else bytearray(size))

    def give_back(self, view: memoryview) -> None:
        """Let the memory that `take` gave, or a part of it, be given out again."""
        if isinstance(view.obj, bytearray):
            self._free.append(view.obj)


@dataclass(frozen=True)
class Block:
    """Whole rows of one file, without the header."""

    table: Table
    file: File
    columns: tuple[str, ...]
    start: int
    """Offset in the (decompressed) file of the first byte."""
    body: memoryview | bytes
    whole: bytes | None = None
    """The text it is a part of, when that is no file."""
    dialect: Dialect = PLAIN
    """What was exchanged for what in the body."""
    unended: bool = False
    """Whether it is the end of the file and its last row has no newline."""
    buffers: Buffers | None = None
    """Where the body's memory goes when it is no longer needed."""
    line: int | None = None
    """The number of the first line, from 1, where the file cannot be read again to count them."""

    def release(self) -> None:
        """Say that nothing of the body is needed any more: its memory is filled again."""
        if self.buffers is not None and isinstance(self.body, memoryview):
            self.buffers.give_back(self.body)

    def line_at(self, offset: int) -> int:
        """The line number (from 1) of an offset in the body."""
        if self.line is not None:
            return self.line + bytes(self.body[:offset]).count(b"\n")
        if self.whole is not None:
            return self.whole.count(b"\n", 0, self.start + offset) + 1
        return line_at(self.file, self.start + offset)


def block_of_text(table: Table, name: str, text: bytes) -> Block:
    """A whole CSV text, header included, as one block; ``name`` stands for the file in errors."""
    file = Path(name)
    with broken_as_bad_data(name), text_of(io.BytesIO(text), name) as stream:
        text = stream.read()
    if text in (b"", BOM):
        raise BadData("the text is empty", file=name)
    header = header_of(table, file, text, whole=True)
    text = header.dialect.exchanged(text)
    body = text[header.end :]
    if not closed(body):
        raise BadData("a quoted field is opened and never closed", file=name)
    return Block(table, file, header.columns, header.end, body, text, dialect=header.dialect)


def blocks_of(
    table: Table, file: File, size: int = BLOCK, buffers: Buffers | None = None
) -> Iterator[Block]:
    """The rows of a CSV file in blocks of about ``size`` bytes, cut between rows.

    With ``buffers`` the bodies are in memory of theirs, until each block's `Block.release`.
    Raises `BadData` for a missing or repeated column, a damaged file, or a quote left open.
    """
    with broken_as_bad_data(str(file)), open_text(file) as stream:
        buffers = buffers or Buffers()
        source = Plain(stream, buffers) if stream.seekable() else Forward(stream)
        header, _ = begin(table, file, source)
        yield from cut(table, file, source, header, header.end, size, buffers=buffers)


class Plain:
    """The bytes of a file by offset."""

    def __init__(self, stream: IO[bytes], buffers: Buffers) -> None:
        self._stream = cast(io.BufferedReader, stream)
        self._buffers = buffers
        self.exchange: bytes | None = None

    def at(self, start: int, size: int) -> bytes | memoryview:
        """``size`` bytes from ``start``, or fewer at the end of the file."""
        # Reading a few bytes again is cheaper than copying everything else behind them.
        self._stream.seek(start)
        if self.exchange is not None:
            return self._stream.read(size).translate(self.exchange)
        view = self._buffers.take(size)
        return view[: self._stream.readinto(view[:size])]


class Forward:
    """The same for a stream that is read once, where ``start`` never goes back."""

    def __init__(self, stream: IO[bytes], start: int = 0) -> None:
        self._stream = stream
        self.exchange: bytes | None = None
        self._start = start
        self._held = b""

    def at(self, start: int, size: int) -> bytes:
        """``size`` bytes from ``start``, or fewer at the end of the file."""
        self._held = self._held[start - self._start :]
        self._held += self._stream.read(max(0, size - len(self._held)))
        self._start = start
        data = self._held[:size]
        return data if self.exchange is None else data.translate(self.exchange)


def cut(
    table: Table,
    file: File,
    source: Plain | Forward,
    header: Header,
    start: int,
    size: int = BLOCK,
    *,
    ends: bool = True,
    line: int | None = None,
    buffers: Buffers | None = None,
) -> Iterator[Block]:
    """The rows from an offset in blocks of about ``size`` bytes, cut between rows.

    ``ends`` is False when the source is only a part of the file: then the last block is the last
    full one. ``line`` is the number of the first line, where the file cannot be read to count them.
    """
    wanted = size
    is_first = True
    source.exchange = header.dialect.exchange
    while data := source.at(start, wanted):
        at_end = len(data) < wanted
        if at_end and not ends and not is_first:
            return
        is_closed = at_end and ends and closed(data)
        end = len(data) if is_closed else rows_end(data)
        if end:
            yield Block(
                table,
                file,
                header.columns,
                start,
                memoryview(data)[:end],
                dialect=header.dialect,
                unended=is_closed and bytes(data[-1:]) not in (b"\n", b"\r"),
                buffers=buffers,
                line=line,
            )
            start, wanted, is_first = start + end, size, False
            line = None if line is None else line + bytes(data[:end]).count(b"\n")
        elif not at_end and wanted < ROW_LIMIT:
            wanted = min(2 * wanted, ROW_LIMIT)  # a row that is longer than a block
        elif at_end and not ends:
            return
        elif closed(data):
            reason = f"the row is longer than {ROW_LIMIT} bytes"
            found = line_at(file, start) if line is None else line
            raise BadData(reason, file=str(file), line=found)
        else:
            reason = "a quoted field is opened and never closed"
            found = _last_line(file) if line is None else line
            raise BadData(reason, file=str(file), line=found)


def begin(table: Table, file: File, source: Plain | Forward) -> tuple[Header, int]:
    """The header, and how many bytes were looked at: `header_of` them says the same again."""
    head, asked = bytes(source.at(0, HEAD)), HEAD
    if head.count(b"\n") < _HEADER_LINES:
        asked = HEADER_LIMIT + 1
        head = bytes(source.at(0, asked))
    if head in (b"", BOM):
        raise BadData("the file is empty", file=str(file))
    if b"\n" not in head and len(head) > HEADER_LIMIT:
        raise BadData(f"the header is longer than {HEADER_LIMIT} bytes", file=str(file), line=1)
    return header_of(table, file, head, whole=len(head) < asked), asked


def line_at(file: File, offset: int) -> int:
    """The line number (from 1) of a byte offset, found by reading the file up to there."""
    lines = 1
    with open_text(file) as stream:
        while offset > 0:
            data = stream.read(min(offset, 1 << 20))
            if not data:
                break
            lines += data.count(b"\n")
            offset -= len(data)
    return lines


def _last_line(file: File) -> int:
    return line_at(file, 1 << 62)
