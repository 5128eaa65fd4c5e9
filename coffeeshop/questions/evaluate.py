"""Expressions of a question computed over columns, exactly: whole numbers, decimals, no floats.

A function gets Arrow arrays (or scalars, of literals) and gives an array. Nulls are SQL's: what is
compared with a null is neither true nor false.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.questions import calendar
from coffeeshop.questions.form import Call, Column, Expression, Literal

AVERAGE = pa.decimal128(38, 15)
TYPES = {
    "int": pa.int64(),
    "amount": pa.int64(),
    "time": pa.int64(),
    "text": pa.string(),
    "date": pa.date32(),
    "instant": pa.timestamp("s"),
    "bool": pa.bool_(),
    "average": AVERAGE,
}
"""The Arrow type of each kind while it is computed with."""
Columns = Mapping[str, pa.Array]
"""Arrays of one length by `Column.place`."""


def evaluate(expression: Expression, columns: Columns, rows: int) -> pa.Array:
    """The value of an expression in each of ``rows`` rows."""
    found = _value(expression, columns)
    return pa.repeat(found, rows) if isinstance(found, pa.Scalar) else found


def is_true(expression: Expression | None, columns: Columns, rows: int) -> pa.Array | None:
    """Where a condition is true, without nulls; None when there is no condition."""
    if expression is None:
        return None
    return evaluate(expression, columns, rows).fill_null(False)


def _value(expression: Expression, columns: Columns) -> Any:
    match expression:
        case Literal(value, kind):
            return pa.scalar(value, TYPES[kind])
        case Column():
            return columns[expression.place]
        case Call("in", (of, *among)):
            values = _array(_value(of, columns), columns)
            known = pa.array([each.value for each in among], values.type)  # type: ignore[union-attr]
            return pc.if_else(values.is_valid(), pc.is_in(values, known), None)
        case Call("like" | "ilike", (of, Literal(str(pattern)))):
            ignored = expression.function == "ilike"
            values = _array(_value(of, columns), columns)
            return pc.match_like(values, pattern.replace("\\", "\\\\"), ignore_case=ignored)
        case Call("format", (of, Literal(str(pattern)))):
            return _formatted(_array(_value(of, columns), columns), pattern)
        case Call("round", (of, Literal(int(places)))):
            digits = min(places - 3, 0) if expression.kind == "amount" else places
            return pc.round(_value(of, columns), digits, "half_towards_infinity")
        case Call(function, arguments) if function in PARTS:
            return calendar.part(function, _array(_value(arguments[0], columns), columns))
        case Call(function, arguments) if function in calendar.NAMES:
            return _named(function, _array(_value(arguments[0], columns), columns))
        case Call("case", arguments):
            return _case([_value(each, columns) for each in arguments], TYPES[expression.kind])
        case Call(function, arguments):
            return FUNCTIONS[function](*(_value(each, columns) for each in arguments))


PARTS = (*calendar.OF_DAYS, *calendar.OF_SECONDS)


def _array(value: Any, columns: Columns) -> pa.Array:
    if not isinstance(value, pa.Scalar):
        return value
    return pa.repeat(value, len(next(iter(columns.values()))) if columns else 1)


def _fold(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda *values: reduce(function, values)


def _compared(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def compare(left: Any, right: Any) -> Any:
        if AVERAGE in (left.type, right.type):
            left, right = left.cast(AVERAGE), right.cast(AVERAGE)
        return function(left, right)

    return compare


def _floor_divided(left: Any, right: Any) -> Any:
    """Cut towards 0, as SQL does; null for a divisor of 0."""
    return pc.divide(left, pc.if_else(pc.equal(right, 0), None, right))


def _remainder(left: Any, right: Any) -> Any:
    return pc.subtract(left, pc.multiply(_floor_divided(left, right), right))


def _case(values: list[Any], kind: pa.DataType) -> Any:
    """Conditions and values by turns, then the value where no condition is true."""
    *pairs, result = values
    for condition, value in reversed(list(zip(pairs[::2], pairs[1::2], strict=True))):
        result = pc.if_else(pc.fill_null(condition, False), value, result)
    return result if result.type == kind else result.cast(kind)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "and": _fold(pc.and_kleene),
    "or": _fold(pc.or_kleene),
    "not": pc.invert,
    "=": _compared(pc.equal),
    "<>": _compared(pc.not_equal),
    "<": _compared(pc.less),
    "<=": _compared(pc.less_equal),
    ">": _compared(pc.greater),
    ">=": _compared(pc.greater_equal),
    "is_null": pc.is_null,
    "+": pc.add_checked,
    "-": pc.subtract_checked,
    "*": pc.multiply_checked,
    "negative": pc.negate_checked,
    "//": _floor_divided,
    "%": _remainder,
    "||": lambda *texts: pc.binary_join_element_wise(*texts, ""),
    "lower": pc.utf8_lower,
    "upper": pc.utf8_upper,
    "length": lambda text: pc.utf8_length(text).cast(pa.int64()),
    "coalesce": pc.coalesce,
    "text": lambda number: number.cast(pa.string()),
}

FORMATS = {"%Y": "year_start", "%m": "month_start", "%d": "date", "%H": "hour_start"}
"""What `format` writes, and the coarsest moment that it can be told from."""
_ORDER = tuple(FORMATS.values())


def coarsest(pattern: str) -> str:
    """The part of an instant that a pattern can be written from."""
    places = [_ORDER.index(part) for sign, part in FORMATS.items() if sign in pattern]
    return _ORDER[max(places, default=0)]


def _formatted(moments: pa.Array, pattern: str) -> pa.Array:
    """Few moments that occur often are written once each."""
    encoded = moments.dictionary_encode()
    texts = [
        None if each is None else _written(each, pattern) for each in encoded.dictionary.to_pylist()
    ]
    return pa.array(texts, pa.string()).take(encoded.indices)


def _written(moment: Any, pattern: str) -> str:
    signs = {"%Y": "year", "%m": "month", "%d": "day", "%H": "hour"}
    for sign, name in signs.items():
        width = 4 if sign == "%Y" else 2
        pattern = pattern.replace(sign, f"{getattr(moment, name, 0):0{width}d}")
    return pattern


def _named(function: str, moments: pa.Array) -> pa.Array:
    part, names = calendar.NAMES[function]
    numbers = calendar.part(part, moments)
    least = 1 if part == "month" else 0
    return pa.array(names.split()).take(pc.subtract(numbers, least))


def average(sums: pa.Array, counts: pa.Array, scale: int) -> pa.Array:
    """Exact sums by counts with 15 decimals, half away from 0; ``scale``: decimals of the sums."""
    found: list[int | None] = []
    power = 10 ** (15 - scale)
    for total, count in zip(sums.to_pylist(), counts.to_pylist(), strict=True):
        if not count or total is None:
            found.append(None)
            continue
        numerator = abs(total) * power
        rounded = (2 * numerator + count) // (2 * count)
        found.append(rounded if total >= 0 else -rounded)
    return decimals(found, 15)


def decimals(unscaled: list[int | None], scale: int) -> pa.Array:
    """Whole numbers as decimals with the last ``scale`` digits behind the point."""
    low = (1 << 64) - 1
    words = np.array(
        [(0, 0) if each is None else (each & low, (each >> 64) & low) for each in unscaled],
        np.uint64,
    ).reshape(-1, 2)
    valid = None
    if None in unscaled:
        valid = pa.array([each is not None for each in unscaled]).buffers()[1]
    buffer = pa.py_buffer(np.ascontiguousarray(words))
    return pa.Array.from_buffers(pa.decimal128(38, scale), len(unscaled), [valid, buffer])
