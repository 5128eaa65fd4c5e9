"""Instants to days, months and half-years by whole-number arithmetic and a table of days.

Reading a calendar field per row costs a group-by; a division and a gather from a table of 731 days
cost a tenth of it.
"""

from __future__ import annotations

import datetime as dt
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

FIRST_YEAR = 2024
LAST_YEAR = 2025
SECONDS_PER_DAY = 86_400
OPENING = 6 * 3600
"""First second of the day that counts (06:00:00)."""
CLOSING = 23 * 3600
"""Last second of the day that counts (23:00:00)."""
_EPOCH = dt.date(1970, 1, 1)
FIRST_DAY = (dt.date(FIRST_YEAR, 1, 1) - _EPOCH).days
END_DAY = (dt.date(LAST_YEAR + 1, 1, 1) - _EPOCH).days


Ints = npt.NDArray[np.int64]
MONTHS = range(FIRST_YEAR * 12, (LAST_YEAR + 1) * 12)
"""``year * 12 + month - 1`` of the months that count."""
HALVES = range(FIRST_YEAR * 2, (LAST_YEAR + 1) * 2)
"""``year * 2 + (0 or 1)`` of the half-years that count."""


def months(instants: pa.Array) -> Ints:
    """The month, as in ``MONTHS``, of instants within the years that count."""
    return _months()[_days(instants)]


def halves(instants: pa.Array) -> Ints:
    """The half-year, as in ``HALVES``, of instants within the years that count."""
    return _halves()[_days(instants)]


def _days(instants: pa.Array) -> Ints:
    """Whole days since ``FIRST_DAY``."""
    seconds = instants.view(pa.int64()).to_numpy()
    days: Ints = seconds // SECONDS_PER_DAY
    days -= FIRST_DAY
    return days


def month_name(month: int) -> str:
    """``2024-01``."""
    return f"{month // 12}-{month % 12 + 1:02d}"


def half_name(half: int) -> str:
    """``2024-H1``."""
    return f"{half // 2}-H{half % 2 + 1}"


@cache
def _dates() -> tuple[dt.date, ...]:
    return tuple(_EPOCH + dt.timedelta(days=day) for day in range(FIRST_DAY, END_DAY))


@cache
def _months() -> Ints:
    return np.array([d.year * 12 + d.month - 1 for d in _dates()])


@cache
def _halves() -> Ints:
    return np.array([d.year * 2 + (d.month > 6) for d in _dates()])
