"""What a report holds of each result: all of a small one, of a large one a part that is bounded."""

from __future__ import annotations

import math
from collections import Counter
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.formats import to_csv
from coffeeshop.report.run import MOST_ROWS

BINS = 24
SLICE = 1 << 20
UNIT = 1000
"""Amounts have three decimals, so in thousandths they are integers and their bins are exact."""
START = 75 * UNIT
"""The usual least amount of query 1: a bin that began below it would look like a dip."""


def embedded(query: str, table: pa.Table, most: int = MOST_ROWS) -> dict[str, Any]:
    """A result as CSV text, at most ``most`` of its rows, and how many there are in all.

    Of query 1 they are the largest amounts, of the others the first rows; in canonical order.
    """
    part = table
    if table.num_rows > most:
        part = _largest(table, most) if query == "query1" else table.slice(0, most)
    return {"csv": to_csv(part).decode(), "rows": part.num_rows, "total": table.num_rows}


def _largest(table: pa.Table, most: int) -> pa.Table:
    keys = [("final_amount", "descending"), ("transaction_id", "ascending")]
    chosen = pc.select_k_unstable(table, most, keys)
    return table.take(chosen.take(pc.sort_indices(chosen)))


def sizes(amounts: pa.ChunkedArray, start: int = START) -> dict[str, Any]:
    """Number, largest and histogram of amounts: ``edges`` (one more than bins) and ``counts``.

    ``start`` is the least amount that was asked for, in thousandths.
    """
    if len(amounts) == 0:
        return {"total": 0, "most": 0, "bins": None}
    most = max(start, int(pc.max(amounts).as_py() * UNIT))
    width = round_width((most - start) / BINS or UNIT)
    counts = _counted(amounts, start, width)
    last = (most - start) // width
    return {
        "total": len(amounts),
        "most": most / UNIT,
        "bins": {
            "edges": [(start + place * width) / UNIT for place in range(last + 2)],
            "counts": [counts[place] for place in range(last + 1)],
        },
    }


def _counted(amounts: pa.ChunkedArray, start: int, width: int) -> Counter[int]:
    counts: Counter[int] = Counter()
    for first in range(0, len(amounts), SLICE):
        scaled = pc.multiply(amounts.slice(first, SLICE), pa.scalar(Decimal(UNIT)))
        places = pc.divide(pc.subtract(scaled.cast(pa.int64()), start), width)
        for each in pc.value_counts(places.combine_chunks()).to_pylist():
            counts[each["values"]] += each["counts"]
    return counts


def round_width(width: float) -> int:
    """The next 1, 2 or 5 times a power of ten; at least 1."""
    power = 10 ** max(0, math.floor(math.log10(width)))
    return int(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= width * 0.999))
