"""Whether two engines gave the same answer."""

from __future__ import annotations

import datetime as dt
import re
from decimal import ROUND_HALF_UP, Decimal
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


ROUNDED = re.compile(r"round\((avg\([^()]*\)), \d+\)")
CLOSE = Decimal("0.000001")
TINY = Decimal("1e-9")
"""By what a float may miss an average that is a half exactly."""


def unrounded(text: str) -> str:
    """The question as another engine is asked it: without the rounding of averages.

    Its averages are floats, so it may round half a unit down that exactly is to be rounded up.
    """
    return ROUNDED.sub(r"\1", text)


def same(mine: Any, theirs: Any) -> bool:
    """Whether two values are equal. An average of theirs is a float, which `unrounded` may leave
    with more digits than ours has: then ours is that, rounded half up."""
    if not isinstance(theirs, float):
        return bool(plain(mine) == plain(theirs))
    if mine is None:
        return False
    exponent = Decimal(mine).as_tuple().exponent
    if not isinstance(exponent, int) or exponent <= -6:
        return bool(abs(Decimal(theirs) - mine) <= CLOSE)
    unit = Decimal(1).scaleb(exponent)
    above = Decimal(theirs) + TINY.copy_sign(Decimal(theirs))
    return bool(above.quantize(unit, ROUND_HALF_UP) == mine)


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
