"""Whether two engines gave the same answer."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa


def plain(value: Any) -> Any:
    """A value as both engines have it."""
    match value:
        case bool():
            return value
        case int() | Decimal():
            return Decimal(value).normalize() + 0
        case dt.datetime() if value.time() == dt.time():
            return value.date()
        case dt.time():
            return value.isoformat()
    return value


def same(mine: Any, theirs: Any) -> bool:
    """Whether two values are equal; an average of theirs is a float."""
    if isinstance(theirs, float):
        return mine is not None and abs(Decimal(theirs) - mine) <= Decimal("0.000001")
    return bool(plain(mine) == plain(theirs))


def sortable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    rounded = (round(each, 4) if isinstance(each, float | Decimal) else each for each in row)
    return tuple((each is None, type(plain(each)).__name__, str(plain(each))) for each in rounded)


def compare(text: str, mine: pa.Table, theirs: list[tuple[Any, ...]], *, ordered: bool) -> None:
    rows = list(zip(*(column.to_pylist() for column in mine.columns), strict=True))
    if not ordered:
        rows, theirs = sorted(rows, key=sortable), sorted(theirs, key=sortable)
    assert len(rows) == len(theirs), (text, rows, theirs)
    for row, other in zip(rows, theirs, strict=True):
        assert all(map(same, row, other)), (text, row, other)
