"""A file that is elsewhere, read by ranges of its bytes that the reader asks for, step by step.

Nothing is kept between two steps: a step says all that the next reader has to know, so any replica
may take it, again if need be. Every reader cuts and parses as one that has the file.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, Protocol

from coffeeshop.errors import BadData, UsageError
from coffeeshop.operators import NOTHING_LATE, Late
from coffeeshop.reading.blocks import BLOCK, HEAD, HEADER_LIMIT, ROW_LIMIT, Forward, begin, cut
from coffeeshop.reading.dialect import Header, header_of
from coffeeshop.reading.names import Form, Packing, file_name
from coffeeshop.reading.parquet import converted, parquet_rows, row_groups
from coffeeshop.reading.parse import Parsed, read
from coffeeshop.reading.sized import SizedFile
from coffeeshop.reading.sources import PARQUET, broken_as_bad_data, is_utf_16, text_of
from coffeeshop.schema import Table

RANGE = 4 * BLOCK + HEAD
"""Bytes of a text asked for at once: some blocks, and what is left behind the last row."""
LONG_RANGE = ROW_LIMIT + HEAD
FOOT = 1 << 16
"""Bytes of a Parquet file's end asked for first."""
GROUPS = 8 << 20
"""Bytes of columns of a Parquet file that are asked for at once, if a group is no larger."""
LARGEST_GROUP = 64 << 20
MOST_RANGES = 64
WHOLE = 1 << 20
"""A Parquet file up to this size is asked for whole."""


class Body(Protocol):
    """What is read of: any binary file."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; nothing at the end."""
        ...


Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Step:
    """What to read next. ``ranges`` are offsets and lengths; the reader gets them one by one."""

    ranges: Ranges
    form: str = "text"
    """``text``, ``stream`` (of a whole file that must be read from its beginning), ``parquet``."""
    at: int = 0
    """Of a text the offset of the first row; 0 when its header is to be found."""
    line: int = 1
    groups: tuple[int, int] = (0, 0)
    """Of a Parquet file the groups of rows that are read: from the first, up to the second."""

    @property
    def size(self) -> int:
        """Bytes of the ranges."""
        return sum(length for _, length in self.ranges)

    def text(self) -> str:
        """The step as a text for `step_of`."""
        return json.dumps(asdict(self), separators=(",", ":"))


def step_of(text: str, size: int) -> Step:
    """A step of a file of ``size`` bytes from its text; raises `UsageError` for what is none."""
    try:
        found: dict[str, Any] = json.loads(text)
        ranges = tuple((int(offset), int(length)) for offset, length in found["ranges"])
        first, last = map(int, found["groups"])
        step = Step(ranges, str(found["form"]), int(found["at"]), int(found["line"]), (first, last))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(
            "unknown step: ask this gateway for the steps of the file again"
        ) from error
    inside = all(offset >= 0 and 0 < length <= size - offset for offset, length in ranges)
    heads = (
        step.form != "text"
        or step.at == 0
        or (len(ranges) == 2 and ranges[0][0] == 0 and ranges[0][1] <= HEADER_LIMIT + 1)
    )
    known = step.form in ("text", "stream", "parquet") and len(ranges) <= MOST_RANGES
    places = 0 <= step.at <= size and 0 <= first <= last < 1 << 31 and step.line > 0
    if not (inside and ranges and heads and known and places):
        raise UsageError("unknown step: ask this gateway for the steps of the file again")
    return step


def first_step(path: str, size: int) -> Step:
    """How to begin with a file of some ``size``, by its name."""
    name = file_name(Path(path).name)
    if name.packing is not Packing.NONE:
        return Step(((0, size),), "stream")
    if name.form is Form.PARQUET:
        return _parquet(size)
    return Step(((0, min(size, RANGE)),))


def _parquet(size: int) -> Step:
    if size <= WHOLE:
        return Step(((0, size),), "parquet", groups=(0, (1 << 31) - 1))
    foot = min(FOOT, size)
    return Step(((size - foot, foot),), "parquet")


class StepReader:
    """Reads what a step asked for: iterate over its rows, then look at ``next``.

    ``body`` gives the bytes of the ranges, one after the other. Raises `BadData`.
    """

    def __init__(
        self,
        table: Table,
        path: str,
        size: int,
        step: Step,
        body: Body,
        late: Late = NOTHING_LATE,
        *,
        skip_bad_rows: bool = False,
    ) -> None:
        """Texts that are ``late`` are left out, and bad rows with ``skip_bad_rows``."""
        self._late = late
        self._skip = skip_bad_rows
        self._table = table
        self._file = Path(path)
        self._size = size
        self._step = step
        self._body = io.BufferedReader(_Raw(body), HEAD)
        self.next: Step | None = None
        """The next step; None at the end of the file."""

    def __iter__(self) -> Iterator[Parsed]:
        with broken_as_bad_data(str(self._file)):
            if self._step.form == "parquet":
                yield from self._groups()
            elif self._step.form == "stream":
                yield from self._stream(self._body)
            elif self._step.at == 0:
                yield from self._beginning()
            else:
                yield from self._continuation()

    def _beginning(self) -> Iterator[Parsed]:
        body = self._body
        first = body.peek(4)[:4]
        if first == PARQUET and file_name(self._file.name).form is Form.EITHER:
            self.next = _parquet(self._size)
        elif is_utf_16(first) and self._step.size < self._size:
            self.next = Step(((0, self._size),), "stream")
        elif self._step.size == self._size:
            yield from self._stream(body)
        else:
            source = Forward(body)
            header, asked = begin(self._table, self._file, source)
            line = 1 + source.at(0, header.end).count(b"\n")
            yield from self._rows(source, header, asked, header.end, line)

    def _stream(self, body: IO[bytes]) -> Iterator[Parsed]:
        source = Forward(text_of(body, str(self._file)))
        header, _ = begin(self._table, self._file, source)
        line = 1 + source.at(0, header.end).count(b"\n")
        for block in cut(self._table, self._file, source, header, header.end, line=line):
            yield read(block, self._late, skip_bad_rows=self._skip)

    def _continuation(self) -> Iterator[Parsed]:
        (_, length), *_ = self._step.ranges
        asked = HEAD if length <= HEAD else HEADER_LIMIT + 1
        head = self._body.read(length)
        header = header_of(self._table, self._file, head, whole=len(head) < asked)
        source = Forward(self._body, self._step.at)
        yield from self._rows(source, header, asked, self._step.at, self._step.line)

    def _rows(
        self, source: Forward, header: Header, asked: int, start: int, line: int
    ) -> Iterator[Parsed]:
        offset, length = self._step.ranges[-1]
        ends = offset + length == self._size
        begun = start
        for block in cut(self._table, self._file, source, header, start, ends=ends, line=line):
            yield read(block, self._late, skip_bad_rows=self._skip)
            start += len(block.body)
            line += bytes(block.body).count(b"\n")
        if not ends:
            wanted = min(RANGE if start > begun else LONG_RANGE, self._size - start)
            ranges = ((0, min(asked, self._size)), (start, wanted))
            self.next = Step(ranges, at=start, line=line)

    def _groups(self) -> Iterator[Parsed]:
        parts = [(offset, self._body.read(length)) for offset, length in self._step.ranges]
        content = io.BufferedReader(_Sparse(self._size, parts), 1)
        sparse: Any = content.raw
        try:
            groups = row_groups(self._table, self._file, content)
            first, last = self._step.groups
            last = min(last, len(groups))
            content = io.BufferedReader(_Sparse(self._size, parts), 1)
            sparse = content.raw
            for rows in parquet_rows(self._table, self._file, content, range(first, last)):
                parsed = converted(rows, skip_bad_rows=self._skip)
                yield replace(parsed, batch=self._late.withheld(parsed.batch))
        except BadData:
            if (
                sparse.missing is None
                or len(self._step.ranges) > 1
                or self._step.size == self._size
            ):
                raise
            start, _ = sparse.missing  # of the description at the end, which is long
            self.next = replace(self._step, ranges=((start, self._size - start),))
            return
        if last < len(groups):
            self.next = self._next_groups(groups, last)

    def _next_groups(self, groups: list[list[tuple[int, int]]], first: int) -> Step:
        foot = self._step.ranges[0]
        ranges: list[tuple[int, int]] = []
        total, last = 0, first
        while last < len(groups):
            size = sum(length for _, length in groups[last])
            if size > LARGEST_GROUP:
                reason = (
                    f"has {size} bytes in one group of rows, and a page sends {LARGEST_GROUP}: "
                    "use coffeeshop submit, or write smaller groups"
                )
                raise BadData(reason, file=str(self._file))
            if ranges and (total + size > GROUPS or len(ranges) + len(groups[last]) >= MOST_RANGES):
                break
            ranges += [(start, min(n, self._size - start)) for start, n in groups[last]]
            total, last = total + size, last + 1
        return Step((foot, *ranges), "parquet", groups=(first, last))


class _Raw(io.RawIOBase):
    """Anything with ``read`` as what a buffered reader reads."""

    def __init__(self, stream: Body) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Sparse(SizedFile):
    """A file of which some parts are here; ``missing`` is what was asked for and is not."""

    def __init__(self, size: int, parts: list[tuple[int, bytes]]) -> None:
        super().__init__(size)
        self._parts = parts
        self.missing: tuple[int, int] | None = None

    def readinto(self, buffer: Any) -> int:
        wanted = self._wanted(buffer)
        if wanted <= 0:
            return 0
        for start, data in self._parts:
            inside = self._at - start
            if 0 <= inside < len(data):
                given = data[inside : inside + wanted]
                buffer[: len(given)] = given
                self._at += len(given)
                return len(given)
        self.missing = (self._at, wanted)
        raise OSError("a part of the file that was not sent")
