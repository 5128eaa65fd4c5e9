"""The rows of a file, and which of them are refused, depend on its bytes alone, not on the cuts."""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coffeeshop.errors import BadData
from coffeeshop.reading import quoting
from coffeeshop.reading.blocks import BLOCK, block_of_text, blocks_of
from coffeeshop.reading.dialect import BOM
from coffeeshop.reading.parse import parse
from coffeeshop.schema import NULLS, TABLES

STORES = TABLES["stores"]
HEADER = b"store_id,store_name\n"
SIGNS = [b'"', b'"', b",", b",", b"\r", b"\n", b"\r\n", b"1", b"1", b"a", BOM, b"\xff"]
BODIES = st.lists(st.sampled_from(SIGNS), max_size=40).map(b"".join)
ROWS = [b"1,a\n", b'1,"a"\r\n', b'"1","a\n\nb"\n', b"\n", b'1,""\n', b'1,"a""b"\n']
ODD_ROWS = [b'1,12" pipe\n', b'1,a"b\n1,c"d\n', b'1,"a"b"c\n', b'x"y,1\n', b"1,a\r1,b\n"]
BAD_ROWS = [b'1,"a\n', b'"\n', BOM + b"1,a\n"]
ROW_LIKE = st.sampled_from(ROWS + ODD_ROWS + BAD_ROWS)
FILES = BODIES | st.lists(ROW_LIKE, max_size=12).map(b"".join)
OPEN = "a quoted field is opened and never closed"


def letter_by_letter(text: bytes) -> tuple[list[bytes], bool]:
    """The rows by the rule, a byte at a time, and whether no quote is left open."""
    rows, begin = [], 0
    at_start, quoted = True, False
    here = 0
    while here < len(text):
        sign = text[here : here + 1]
        if quoted:
            if text[here : here + 2] == b'""':
                here += 1
            elif sign == b'"':
                quoted = False
        elif sign == b'"' and at_start:
            quoted = True
        elif sign == b"\n":
            rows.append(text[begin : here + 1])
            begin = here + 1
        at_start = not quoted and sign in b",\r\n"
        here += 1
    tail = [text[begin:]] if begin < len(text) else []
    return rows + tail, not quoted


def fields_of(row: bytes) -> list[list[str]]:
    """What Python's own reader finds in a row: more than one if a carriage return parts it."""
    return [each for each in csv.reader(io.StringIO(row.decode(), newline="")) if each]


def is_good(fields: list[str]) -> bool:
    return len(fields) == 2 and fields[0].isdecimal() and len(fields[0]) < 16


def expected(body: bytes) -> tuple[list[tuple[Any, ...]], list[tuple[int, str]]] | None:
    """The good rows and the line and text of the refused; None for a quote left open."""
    good: list[tuple[Any, ...]] = []
    refused: list[tuple[int, str]] = []
    rows, closed = letter_by_letter(body)
    line = 2
    for row in rows:
        text = row.decode(errors="replace").rstrip("\r\n")
        try:
            found = fields_of(row)
        except UnicodeDecodeError:
            found = [[]]
        if all(map(is_good, found)):
            good.extend((int(i), None if name in NULLS else name) for i, name in found)
        else:
            refused.append((line, text))
        line += row.count(b"\n")
    return (good, refused) if closed else None


def read(file: Path, size: int) -> tuple[list[tuple[Any, ...]], list[tuple[int, str]]]:
    good: list[tuple[Any, ...]] = []
    refused: list[tuple[int, str]] = []
    for block in blocks_of(STORES, file, size):
        parsed = parse(block, skip_bad_rows=True)
        good.extend(tuple(row.values()) for row in parsed.batch.to_pylist())
        refused.extend((each.error.line or 0, each.row) for each in parsed.rejected)
    return good, refused


def none_if_open(reading: Callable[[], Any]) -> Any:
    """What is read; None when that fails for a quote left open."""
    try:
        return reading()
    except BadData as error:
        if OPEN in str(error):
            return None
        raise


def outcomes(directory: Path, body: bytes, sizes: Iterator[int]) -> Iterator[Any]:
    """Of each block size what is read, or why nothing is."""
    for packed in (False, True):
        file = directory / ("stores.csv.gz" if packed else "stores.csv")
        file.write_bytes(gzip.compress(HEADER + body) if packed else HEADER + body)
        for size in sizes if not packed else (1, 7, BLOCK):
            yield none_if_open(lambda file=file, size=size: read(file, size))


@settings(max_examples=60, deadline=None)
@given(FILES)
@example(b'1,a"b\n1,c"d\n')
@example(b'1,12" pipe\nx,1\n')
@example(b'1,a",",b\n1,"c\nd"\n')
@example(b'"a"b"\n1,"\n"\n')
@example(b"1,a\n" + BOM + b"1,b\n")
def test_rows_and_refused_rows_are_the_same_for_every_block_size(
    directory: Path, body: bytes
) -> None:
    wanted = expected(body)
    for found in outcomes(directory, body, iter(range(1, len(body) + 2))):
        assert found == wanted


@settings(max_examples=150, deadline=None)
@given(FILES)
def test_a_text_that_is_sent_is_read_like_a_file(body: bytes) -> None:
    def reading() -> Any:
        parsed = parse(block_of_text(STORES, "sent", HEADER + body), skip_bad_rows=True)
        rows = [tuple(row.values()) for row in parsed.batch.to_pylist()]
        return rows, [(each.error.line, each.row) for each in parsed.rejected]

    assert none_if_open(reading) == expected(body)


@settings(max_examples=300, deadline=None)
@given(FILES)
def test_the_rule_of_quotes_is_that_of_a_reader_letter_by_letter(text: bytes) -> None:
    rows, closed = letter_by_letter(text)
    assert quoting.closed(text) == closed
    complete = [row for row in rows if row.endswith(b"\n")] if closed else rows[:-1]
    if closed:
        assert b"".join(row for _, row in quoting.rows(text)) == text
        assert [row for _, row in quoting.rows(text)] == rows
    assert quoting.rows_end(text) == sum(map(len, complete))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("stray", [False, True])
def test_the_rule_holds_across_the_pieces_of_a_large_text(seed: int, stray: bool) -> None:
    chance = random.Random(seed)
    parts = [b'1,"a"\n', b"1,bb\n", b'"1","c\nc"\n', b'1,"d""d"\n']
    text = b"".join(chance.choices(parts, k=300_000))
    if stray:
        middle = text.find(b"1,bb\n", len(text) // 2)
        text = text[:middle] + b'1,b"b"b"\n' + text[middle:]
    text += b'1,"open\n'
    rows, _ = letter_by_letter(text)
    assert not quoting.closed(text)
    assert quoting.rows_end(text) == len(text) - len(rows[-1])
