"""The three filters, as data: the ranges of values that a row must be in to be kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.operators.calendar import CLOSING, END_DAY, FIRST_DAY, OPENING, SECONDS_PER_DAY

LEAST_AMOUNT = 75_000
"""Query 1's least final amount, in thousandths."""
_LARGEST = (1 << 63) - 1


@dataclass(frozen=True)
class Range:
    """``least <= value <= largest`` of a column without a text, as the whole number that travels.

    With a ``modulus`` it is the (non-negative) remainder that has to be in the range.
    """

    column: str
    least: int
    largest: int = _LARGEST
    modulus: int = 0

    def mask(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        """Which rows are in it; null where the value is null."""
        values = batch[self.column]
        values = values.view(pa.int64()) if pa.types.is_timestamp(values.type) else values
        if self.modulus:
            values = _remainder(values, self.modulus)
        above = pc.greater_equal(values, self.least)
        if self.largest == _LARGEST:
            return above
        return pc.and_(above, pc.less_equal(values, self.largest))


def _remainder(values: pa.Array, modulus: int) -> pa.Array:
    rest = pc.subtract(values, pc.multiply(pc.divide(values, modulus), modulus))
    least = pc.min(rest).as_py()
    if least is not None and least < 0:  # division cuts towards 0
        rest = pc.if_else(pc.less(rest, 0), pc.add(rest, modulus), rest)
    return rest


@dataclass(frozen=True)
class Filter:
    """A map that keeps the rows that are in all of its ranges."""

    ranges: tuple[Range, ...]

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        keep = meets(batch, self.ranges)
        # Copying every row of a batch that loses none is the commonest waste.
        return batch if keep.true_count == batch.num_rows else batch.filter(keep)


def meets(batch: pa.RecordBatch, ranges: tuple[Range, ...]) -> pa.BooleanArray:
    """Which rows are in all of the ranges."""
    return reduce(pc.and_, [each.mask(batch) for each in ranges])


filter_year = Filter(
    (Range("created_at", FIRST_DAY * SECONDS_PER_DAY, END_DAY * SECONDS_PER_DAY - 1),)
)
"""Rows created in 2024 or 2025."""
filter_hour = Filter((Range("created_at", OPENING, CLOSING, SECONDS_PER_DAY),))
"""Rows created from 06:00:00 to 23:00:00, both included."""
filter_amount = Filter((Range("final_amount", LEAST_AMOUNT),))
"""Rows whose final amount is at least 75."""
