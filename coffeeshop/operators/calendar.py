"""Instants to days, months and half-years by whole-number arithmetic and a table of days.

Reading a calendar field per row costs a group-by; a division and a gather from a table of the days
of a few years cost a tenth of it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

SECONDS_PER_DAY = 86_400
OPENING = 6 * 3600
"""First second of the day that counts (06:00:00)."""
CLOSING = 23 * 3600
"""Last second of the day that counts (23:00:00)."""
_EPOCH = dt.date(1970, 1, 1)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Years:
    """The years that count, from the first to the last."""

    first: int = 2024
    last: int = 2025

    @property
    def first_second(self) -> int:
        """The first second that counts, since 1970."""
        return self.first_day * SECONDS_PER_DAY

    @property
    def last_second(self) -> int:
        """The last second that counts, since 1970."""
        return (self._last_day + 1) * SECONDS_PER_DAY - 1

    @property
    def months(self) -> range:
        """``year * 12 + month - 1`` of the months that count."""
        return range(self.first * 12, (self.last + 1) * 12)

    @property
    def halves(self) -> range:
        """``year * 2 + (0 or 1)`` of the half-years that count."""
        return range(self.first * 2, (self.last + 1) * 2)

    def months_of(self, instants: pa.Array) -> Ints:
        """The month, as in ``months``, of instants within the years that count."""
        return self.month_of_day[self._days(instants)]

    def halves_of(self, instants: pa.Array) -> Ints:
        """The half-year, as in ``halves``, of instants within the years that count."""
        return self.half_of_day[self._days(instants)]

    @cached_property
    def first_day(self) -> int:
        """The first day that counts, since 1970."""
        return (dt.date(self.first, 1, 1) - _EPOCH).days

    @cached_property
    def _last_day(self) -> int:
        return (dt.date(self.last, 12, 31) - _EPOCH).days

    def _days(self, instants: pa.Array) -> Ints:
        """Whole days since the first that counts."""
        seconds = instants.view(pa.int64()).to_numpy()
        days: Ints = seconds // SECONDS_PER_DAY
        days -= self.first_day
        return days

    @cached_property
    def _dates(self) -> tuple[dt.date, ...]:
        days = range(self.first_day, self._last_day + 1)
        return tuple(_EPOCH + dt.timedelta(days=day) for day in days)

    @cached_property
    def month_of_day(self) -> Ints:
        """The month of each day that counts."""
        return np.array([d.year * 12 + d.month - 1 for d in self._dates])

    @cached_property
    def half_of_day(self) -> Ints:
        """The half-year of each day that counts."""
        return np.array([d.year * 2 + (d.month > 6) for d in self._dates])


YEARS = Years()
"""2024 and 2025."""


def month_name(month: int) -> str:
    """``2024-01``."""
    return f"{month // 12}-{month % 12 + 1:02d}"


def half_name(half: int) -> str:
    """``2024-H1``."""
    return f"{half // 2}-H{half % 2 + 1}"
