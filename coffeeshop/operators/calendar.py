"""Instants to days, months and half-years by whole-number arithmetic and a table of days.

Reading a calendar field per row costs a group-by; a division and a gather from a table of 731 days
cost a tenth of it.
"""

from __future__ import annotations

import datetime as dt
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

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


def seconds(instants: pa.Array) -> pa.Array:
    """``timestamp[s]`` as int64 seconds since 1970, without copying."""
    return instants.view(pa.int64())


def days(instants: pa.Array) -> pa.Array:
    """Whole days since ``FIRST_DAY``; only for instants at or after it."""
    since = pc.subtract(seconds(instants), FIRST_DAY * SECONDS_PER_DAY)
    return pc.divide(since, SECONDS_PER_DAY)


def months(instants: pa.Array) -> pa.Array:
    """int16 ``year * 12 + month - 1`` of instants within the years that count."""
    return _months().take(days(instants))


def halves(instants: pa.Array) -> pa.Array:
    """int16 ``year * 2 + (0 or 1)`` of instants within the years that count."""
    return _halves().take(days(instants))


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
def _months() -> pa.Array:
    return pa.array([d.year * 12 + d.month - 1 for d in _dates()], pa.int16())


@cache
def _halves() -> pa.Array:
    return pa.array([d.year * 2 + (d.month > 6) for d in _dates()], pa.int16())
