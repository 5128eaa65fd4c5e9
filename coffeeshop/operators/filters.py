"""The three filters, as data: the ranges of values that a row must be in to be kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coffeeshop.operators.calendar import CLOSING, OPENING, SECONDS_PER_DAY, YEARS, Years
from coffeeshop.operators.loops import mask_of
from coffeeshop.operators.rows import Mask, Rows

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

    def mask(self, batch: pa.RecordBatch) -> Mask:
        """Which rows are in it; a null is not. The column may be narrowed."""
        column = batch[self.column]
        values = _numbers(column)
        if self.modulus:
            if self.modulus > np.iinfo(values.dtype).max:
                values = values.astype(np.int64)
            values = values - values // self.modulus * self.modulus
        kind = np.iinfo(values.dtype)
        mask: Mask = np.ones(len(values), np.bool_)
        # Out of what the type holds there is nothing to compare with.
        if self.least > kind.min:
            mask = values >= self.least if self.least <= kind.max else ~mask
        if self.largest < kind.max:
            mask &= values <= self.largest if self.largest >= kind.min else np.False_
        if column.null_count:
            mask &= column.is_valid().to_numpy(zero_copy_only=False)
        return mask


def _numbers(column: pa.Array) -> npt.NDArray[Any]:
    """The whole numbers of a column, instants as seconds; anything where it is null."""
    if column.null_count:
        column = column.fill_null(0)
    if pa.types.is_timestamp(column.type):
        column = column.view(pa.int64())
    found: npt.NDArray[Any] = column.to_numpy(zero_copy_only=True)
    return found


@dataclass(frozen=True)
class Filter:
    """A map that keeps the rows that are in all of its ranges."""

    ranges: tuple[Range, ...]

    def __call__(self, rows: Rows) -> Rows:
        """The selection that is left of one."""
        return rows.only(meets(rows.source, self.ranges))


def meets(batch: pa.RecordBatch, ranges: tuple[Range, ...]) -> Mask:
    """Which rows are in all of the ranges."""
    mask = mask_of(batch, [(r.column, r.modulus, r.least, r.largest) for r in ranges])
    if mask is not None:
        return mask
    return reduce(np.logical_and, [each.mask(batch) for each in ranges])


def in_years(years: Years) -> Filter:
    """Rows created in the years."""
    return Filter((Range("created_at", years.first_second, years.last_second),))


def in_hours(opening: int, closing: int) -> Filter:
    """Rows created between two seconds of the day, both included."""
    return Filter((Range("created_at", opening, closing, SECONDS_PER_DAY),))


def of_at_least(amount: int) -> Filter:
    """Rows whose final amount, in thousandths, is at least that."""
    return Filter((Range("final_amount", amount),))


filter_year = in_years(YEARS)
"""Rows created in 2024 or 2025."""
filter_hour = in_hours(OPENING, CLOSING)
"""Rows created from 06:00:00 to 23:00:00, both included."""
filter_amount = of_at_least(LEAST_AMOUNT)
"""Rows whose final amount is at least 75."""
