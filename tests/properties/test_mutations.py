"""The codec and the CSV reader against damaged bytes: rows of the table, or one of our errors.

Seeded mutations of the files in ``tests/corpus``, which also keeps what ever broke something. With
coverage as the guide where it pays: a mutant that reaches new lines becomes a parent.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pyarrow as pa
import pytest

from coffeeshop.codec import MAX_BODY, decode
from coffeeshop.errors import BadData, CodecError
from coffeeshop.gateway.bodies import ARROW, CSV, batch_of
from coffeeshop.gateway.problems import Problem
from coffeeshop.reading.blocks import block_of_text
from coffeeshop.reading.bodies import csv_body
from coffeeshop.reading.parse import parse
from coffeeshop.schema import TABLES

CORPUS = Path(__file__).parents[1] / "corpus"
SHORT, LONG = 3.0, 120.0
"""Seconds of one test."""
LARGEST = 1 << 16
MOST_MEMORY = 64 << 20
WORDS = {
    ".arrow": (b"\xff\xff\xff\xff", bytes(4), b"\x00\x00\x00\x80", b"\xff\xff\xff\x7f", bytes(8)),
    ".csv": (
        b'"',
        b"\n",
        b"\r",
        b",",
        b"\x00",
        b"\xff",
        b"NULL",
        b"1e999",
        b"-",
        b"nan",
        b"9" * 40,
    ),
}


def corpus(suffix: str) -> list[bytes]:
    return [file.read_bytes() for file in sorted(CORPUS.glob(f"*{suffix}"))]


def mutated(chance: random.Random, body: bytes, others: list[bytes], suffix: str) -> bytes:
    made = bytearray(body)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        at = chance.randrange(len(made) + 1)
        match chance.randrange(6):
            case 0 if at < len(made):
                made[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(made):
                made[at] = chance.randrange(256)
            case 2:
                word = chance.choice(WORDS[suffix])
                made[at : at + len(word)] = word
            case 3:
                made[at:at] = chance.choice(WORDS[suffix])
            case 4:
                del made[at : at + chance.randrange(1, 64)]
            case _:
                other = chance.choice(others)
                start = chance.randrange(len(other) + 1)
                made[at:at] = other[start : start + chance.randrange(1, 64)]
    return bytes(made[:LARGEST])


class Lines:
    """Which lines of the project's own files were run: the guide."""

    def __init__(self) -> None:
        self.seen: set[tuple[Any, int]] = set()
        self.new = False

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        """A trace function, for files of the codec and the reader only."""
        code = frame.f_code
        if not code.co_filename.endswith(("codec.py", "bodies.py", "blocks.py", "parse.py")):
            return None
        if event == "line" and (code, frame.f_lineno) not in self.seen:
            self.seen.add((code, frame.f_lineno))
            self.new = True
        return self.trace


def fuzz(suffix: str, number: int, seconds: float, attempt: Callable[[str, bytes], bool]) -> int:
    """Try mutants for a while; how many were taken. Every one is a function of the seed."""
    chance = random.Random(number)
    parents, lines, taken = corpus(suffix), Lines(), 0
    assert parents
    ends = time.monotonic() + seconds
    before, others = sys.gettrace(), list(parents)
    for table in TABLES:
        for body in others:
            taken += attempt(table, body)
    while time.monotonic() < ends:
        table = chance.choice(list(TABLES))
        body = mutated(chance, chance.choice(parents), others, suffix)
        lines.new = False
        sys.settrace(lines.trace)
        try:
            taken += attempt(table, body)
        except Exception as error:
            raise AssertionError(f"{table}: {body!r} of seed {number}: {error!r}") from error
        finally:
            sys.settrace(before)
        if lines.new:
            parents.append(body)
    return taken


def arrow(table: str, body: bytes) -> bool:
    return taken_by_the_gateway(table, ARROW, body)


def csv(table: str, body: bytes) -> bool:
    with suppress(BadData):
        rest = parse(block_of_text(TABLES[table], "body", body), skip_bad_rows=True)
        assert rest.batch.schema.equals(TABLES[table].schema)
        rest.batch.validate(full=True)
    return taken_by_the_gateway(table, CSV, body)


def said_briefly(error: Exception) -> bool:
    assert len(str(error)) < 4_000
    return False


def taken_by_the_gateway(table: str, kind: str, body: bytes) -> bool:
    """What is taken is exactly rows of the table, and can be read by a task."""
    held = pa.total_allocated_bytes()
    try:
        made = batch_of(TABLES[table], kind, body, csv_body)
    except (BadData, CodecError, Problem) as error:
        return said_briefly(error)
    finally:
        assert pa.total_allocated_bytes() - held < MOST_MEMORY
    rows = decode(made.body)
    rows.validate(full=True)
    assert rows.schema.equals(TABLES[table].schema)
    assert rows.num_rows == made.rows
    assert len(made.body) <= MAX_BODY
    rows.to_pydict()
    return True


KINDS = {".arrow": arrow, ".csv": csv}


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("suffix", KINDS)
def test_damaged_bytes_are_rows_of_the_table_or_refused(suffix: str, number: int) -> None:
    assert fuzz(suffix, number, SHORT, KINDS[suffix]) > 0


@pytest.mark.long
@pytest.mark.timeout(3 * LONG)
@pytest.mark.parametrize("number", [11, 12])
@pytest.mark.parametrize("suffix", KINDS)
def test_damaged_bytes_are_rows_of_the_table_or_refused_for_long(suffix: str, number: int) -> None:
    assert fuzz(suffix, number, LONG, KINDS[suffix]) > 0


def test_an_error_that_is_not_ours_is_noticed_with_its_seed() -> None:
    known = corpus(".arrow")

    def careless(table: str, body: bytes) -> bool:
        if arrow(table, body) and body not in known:
            raise ZeroDivisionError  # a mutant that is still a batch: there must be some
        return True

    with pytest.raises(AssertionError, match="of seed 1: ZeroDivisionError"):
        fuzz(".arrow", 1, 20.0, careless)
