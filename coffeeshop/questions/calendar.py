"""Parts of instants and dates, by whole-number arithmetic and a table of the days that occur."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
SECONDS_PER_DAY = 86_400
_LONGEST_TABLE = 50_000  # days


def _dates(days: Ints) -> npt.NDArray[np.datetime64]:
    return days.astype("datetime64[D]")


def _years(days: Ints) -> Ints:
    years: Ints = _dates(days).astype("datetime64[Y]").astype(np.int64) + 1970
    return years


def _months(days: Ints) -> Ints:
    """Months since 1970."""
    months: Ints = _dates(days).astype("datetime64[M]").astype(np.int64)
    return months


def _first_of(days: Ints, unit: str) -> Ints:
    first: Ints = (
        _dates(days).astype(f"datetime64[{unit}]").astype("datetime64[D]").astype(np.int64)
    )
    return first


def _iso_weekday(days: Ints) -> Ints:
    return (days + 3) % 7 + 1


def _iso_week(days: Ints) -> Ints:
    thursdays = days - _iso_weekday(days) + 4
    return (thursdays - _first_of(thursdays, "Y")) // 7 + 1


def _quarter_start(days: Ints) -> Ints:
    months = _months(days)
    start: Ints = (months - months % 3).astype("datetime64[M]").astype("datetime64[D]").astype(int)
    return start


OF_DAYS: dict[str, Callable[[Ints], Ints]] = {
    "year": _years,
    "half": lambda days: _months(days) % 12 // 6 + 1,
    "quarter": lambda days: _months(days) % 12 // 3 + 1,
    "month": lambda days: _months(days) % 12 + 1,
    "week": _iso_week,
    "weekday": lambda days: (days + 4) % 7,
    "iso_weekday": _iso_weekday,
    "day": lambda days: days - _first_of(days, "M") + 1,
    "date": lambda days: days,
    "year_start": lambda days: _first_of(days, "Y"),
    "quarter_start": _quarter_start,
    "month_start": lambda days: _first_of(days, "M"),
    "week_start": lambda days: days - _iso_weekday(days) + 1,
}
"""Parts of a day, given as days since 1970. ``weekday``: Sunday is 0; ``iso_weekday``: Monday is 1;
``week`` is ISO 8601's. The last ones are days again."""
OF_SECONDS: dict[str, Callable[[Ints], Ints]] = {
    "hour": lambda seconds: seconds % SECONDS_PER_DAY // 3600,
    "minute": lambda seconds: seconds % 3600 // 60,
    "second": lambda seconds: seconds % 60,
    "time": lambda seconds: seconds % SECONDS_PER_DAY,
    "hour_start": lambda seconds: seconds - seconds % 3600,
}
"""Parts of an instant, given as seconds since 1970. ``time``: seconds since midnight;
``hour_start`` is an instant again."""
DAYS = ("date", "year_start", "quarter_start", "month_start", "week_start")
"""The parts that are days."""
NAMES = {
    "month_name": ("month", "January February March April May June July August September October "
                   "November December"),
    "weekday_name": ("weekday", "Sunday Monday Tuesday Wednesday Thursday Friday Saturday"),
}  # fmt: skip
"""Parts with names: the part, and its names from its least number on."""


def part(name: str, moments: pa.Array) -> pa.Array:
    """A part of each instant (or date); null of a null."""
    whole = np.asarray(moments.view(_width(moments.type)).fill_null(0)).astype(np.int64)
    if name in OF_SECONDS:
        if pa.types.is_date32(moments.type):
            whole = whole * SECONDS_PER_DAY
        found = OF_SECONDS[name](whole)
    else:
        days = whole if pa.types.is_date32(moments.type) else whole // SECONDS_PER_DAY
        found = _by_table(OF_DAYS[name], days)
    kind = pa.timestamp("s") if name == "hour_start" else pa.int64()
    mask = np.asarray(moments.is_null()) if moments.null_count else None
    result = pa.array(found, mask=mask)
    if name in DAYS:
        return result.cast(pa.int32()).view(pa.date32())
    return result.view(kind) if kind != pa.int64() else result


def _width(kind: pa.DataType) -> pa.DataType:
    return pa.int32() if pa.types.is_date32(kind) else pa.int64()


def _by_table(function: Callable[[Ints], Ints], days: Ints) -> Ints:
    """The same as ``function(days)``: of few days that occur often it is asked once each."""
    if len(days) < 1000:
        return function(days)
    first = int(days.min())
    span = int(days.max()) - first + 1
    if span > _LONGEST_TABLE:
        return function(days)
    return function(np.arange(first, first + span))[days - first]
