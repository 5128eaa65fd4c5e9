"""The answers of all contenders in one form, compared byte by byte."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path

FILES = ("query1", "query2_best_selling", "query2_most_profitable", "query3", "query4")
PLACES = {"final_amount": 1, "sellings_qty": 0, "profit_sum": 2, "tpv": 2, "purchases_qty": 0}
"""Columns of numbers, and the decimals that are always written."""


def canonical(answer: Path) -> bytes:
    """An answer as ``coffeeshop`` writes it: its values, and what they are told with, no more.

    ``answer`` is a CSV file or a folder of parts. A number keeps its exact value; only needless
    zeros differ between engines (``78.0``, ``78.000``).
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    parts = sorted(answer.glob("*.csv")) if answer.is_dir() else [answer]
    header: list[str] = []
    for part in parts:
        with part.open(newline="", encoding="utf-8") as stream:
            rows = csv.reader(stream)
            found = next(rows, header)
            if not header:
                header = found
                writer.writerow(header)
            writer.writerows(_rows(rows, header))
    return out.getvalue().encode()


def _rows(rows: Iterator[list[str]], header: list[str]) -> Iterator[list[str]]:
    numbers = [(place, PLACES[name]) for place, name in enumerate(header) if name in PLACES]
    for row in rows:
        for place, decimals in numbers:
            row[place] = number(row[place], decimals)
        yield row


def number(text: str, decimals: int) -> str:
    """An exact number with at least so many decimals."""
    whole, _, rest = f"{Decimal(text):f}".partition(".")
    rest = rest.rstrip("0").ljust(decimals, "0")
    return f"{whole}.{rest}" if rest else whole


def differences(ours: Path, theirs: Path) -> list[str]:
    """One sentence for each answer of ``theirs`` that is not ours, byte by byte."""
    found = []
    for name in FILES:
        right = (ours / f"{name}.csv").read_bytes()
        other = canonical(theirs / f"{name}.csv")
        if right != other:
            found.append(f"{name}.csv {_first(right, other)}")
    return found


def _first(right: bytes, other: bytes) -> str:
    pairs = zip_longest(right.splitlines(), other.splitlines())
    for line, (mine, theirs) in enumerate(pairs, 1):
        if mine != theirs:
            return f"line {line}: {mine!r}, not {theirs!r}"
    return "differs in its line ends"
