"""Columns of a Parquet file to columns of a table: by their types once, then batch by batch.

What a type does not tell is refused: an instant in UTC has no clock on a wall, a date no time of
day, a number no unit.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from coffeeshop.reading.parse import thousandths
from coffeeshop.reading.values import Refused, checked_text, instants, why
from coffeeshop.schema import LARGEST_AMOUNT, NULLS, Column, Kind, in_bounds

Convert = Callable[[pa.Array], pa.Array]
"""A column's values to its wire type; raises `Refused` or an Arrow error for one that is none."""
UTC = frozenset(("utc", "z", "gmt", "+00:00", "-00:00", "+0000", "zulu", "uct", "universal"))
FLOAT_ERROR = 1e-6
"""How far a 64-bit float may be from the amount that it stands for."""
FLOAT32_LIMIT = 16_384
"""Beyond it a 32-bit float cannot tell two neighbouring amounts apart."""


def converter(column: Column, given: pa.DataType, *, is_uuid: bool = False) -> Convert:
    """How a column of a type is read; raises `Refused` for a type that does not tell its values."""
    if types.is_dictionary(given):
        inner = converter(column, given.value_type, is_uuid=is_uuid)
        return lambda values: inner(values.dictionary_decode())
    if isinstance(given, pa.BaseExtensionType):
        inner = converter(column, given.storage_type, is_uuid=is_uuid or given == pa.uuid())
        return lambda values: inner(values.storage)
    convert = _CONVERTERS[column.kind](given, is_uuid)
    if convert is None:
        raise Refused(_why_not(column.kind, given))
    return lambda values: _finished(column, convert(values))


def _finished(column: Column, values: pa.Array) -> pa.Array:
    if not column.nullable and values.null_count:
        raise Refused("must not be empty")
    if not in_bounds(column, values):
        raise Refused("out of range")
    return values


Found = Convert | None


def _is_text(given: pa.DataType) -> bool:
    tests = (types.is_string, types.is_large_string, types.is_string_view, types.is_binary)
    return any(test(given) for test in tests) or _is_bytes(given)


def _is_bytes(given: pa.DataType) -> bool:
    tests = (types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary)
    return any(test(given) for test in tests)


def _texts(values: pa.Array) -> pa.Array:
    """As texts in UTF-8, with null for all that CSV takes for an empty field."""
    texts = values.cast(pa.string())
    return pc.if_else(pc.is_in(texts, pa.array(NULLS, pa.string())), None, texts)


def _text(given: pa.DataType, is_uuid: bool) -> Found:
    if is_uuid:
        return _uuids
    if _is_text(given):
        return lambda values: checked_text(_texts(values))
    return _cast(pa.string()) if types.is_integer(given) or types.is_null(given) else None


def _uuids(values: pa.Array) -> pa.Array:
    return pa.array(
        [None if each is None else str(uuid.UUID(bytes=each)) for each in values.to_pylist()],
        pa.string(),
    )


def _whole(given: pa.DataType, is_uuid: bool) -> Found:
    if _is_text(given) and not is_uuid:
        return lambda values: _texts(values).cast(pa.float64()).cast(pa.int64())
    tests = (types.is_integer, types.is_floating, types.is_decimal, types.is_null)
    return _cast(pa.int64()) if any(test(given) for test in tests) else None


def _amount(given: pa.DataType, is_uuid: bool) -> Found:
    decimal = Kind.AMOUNT.read_type
    if _is_text(given) and not is_uuid:
        return lambda values: thousandths(_texts(values).cast(decimal))
    if types.is_integer(given):
        return _whole_amounts
    if types.is_floating(given) and not types.is_float16(given):
        return _float_amounts
    if types.is_decimal(given) or types.is_null(given):
        return lambda values: thousandths(values.cast(decimal))
    return None


def _whole_amounts(values: pa.Array) -> pa.Array:
    whole = values.cast(pa.int64())
    most = LARGEST_AMOUNT // 1000
    if pc.any(pc.or_(pc.less(whole, -most), pc.greater(whole, most))).as_py():
        raise Refused("out of range")
    return pc.multiply(whole, 1000)


def _float_amounts(values: pa.Array) -> pa.Array:
    wide = values.cast(pa.float64())
    rounded = pc.round(wide, 3)
    if types.is_float32(values.type):
        far = pc.not_equal(rounded.cast(pa.float32(), safe=False), values)
        beyond = pc.greater_equal(pc.abs(wide), FLOAT32_LIMIT)
        if pc.any(beyond).as_py():
            raise Refused("is a 32-bit float too large to tell its decimals")
    else:
        far = pc.greater(pc.abs(pc.subtract(rounded, wide)), FLOAT_ERROR)
    if pc.any(pc.invert(pc.is_finite(wide))).as_py():
        raise Refused("is no number")
    if pc.any(far).as_py():
        raise Refused("has more than 3 decimals")
    return thousandths(rounded.cast(Kind.AMOUNT.read_type))


def _instant(given: pa.DataType, is_uuid: bool) -> Found:
    if _is_text(given) and not is_uuid:
        return lambda values: instants(_texts(values))
    if types.is_null(given):
        return _cast(pa.timestamp("s"))
    if not types.is_timestamp(given) or is_utc(given):
        return None
    return lambda values: _to_the_second(_on_the_wall(values))


def is_utc(given: pa.DataType) -> bool:
    """Whether it is the type of instants in UTC, which no shop's clock shows for sure."""
    zone = (given.tz or "").lower() if types.is_timestamp(given) else ""
    return zone.removeprefix("etc/") in UTC


def _on_the_wall(values: pa.Array) -> pa.Array:
    return values if values.type.tz is None else pc.local_timestamp(values)


def _to_the_second(values: pa.Array) -> pa.Array:
    try:
        return values.cast(pa.timestamp("s"))
    except pa.ArrowInvalid as error:
        raise Refused("has a fraction of a second") from error


def _date(given: pa.DataType, is_uuid: bool) -> Found:
    if _is_text(given) and not is_uuid:
        return lambda values: _texts(values).cast(pa.date32())
    if types.is_date(given) or types.is_null(given):
        return _cast(pa.date32())
    if types.is_timestamp(given) and not is_utc(given):
        return _days
    return None


def _days(values: pa.Array) -> pa.Array:
    moments = _on_the_wall(values)
    days = moments.cast(pa.date32())
    if pc.any(pc.not_equal(days.cast(moments.type), moments)).as_py():
        raise Refused("has a time of day")
    return days


def _cast(to: pa.DataType) -> Convert:
    return lambda values: values.cast(to)


_CONVERTERS: dict[Kind, Callable[[pa.DataType, bool], Found]] = {
    Kind.TEXT: _text,
    Kind.ID: _whole,
    Kind.COUNT: _whole,
    Kind.AMOUNT: _amount,
    Kind.INSTANT: _instant,
    Kind.DATE: _date,
}
_NOUNS = {
    Kind.TEXT: "text",
    Kind.ID: "whole numbers",
    Kind.COUNT: "whole numbers",
    Kind.AMOUNT: "amounts",
    Kind.INSTANT: "times",
    Kind.DATE: "dates",
}


def _why_not(kind: Kind, given: pa.DataType) -> str:
    if kind is Kind.INSTANT and types.is_date(given):
        detail = ": a date has no time of day"
    elif is_utc(given):
        detail = ": which clock a shop has is not known; write its own time, without a zone"
    elif kind in (Kind.INSTANT, Kind.DATE) and types.is_integer(given):
        detail = ": of what unit is not known"
    else:
        detail = ""
    return f"is of type {given} and not of {_NOUNS[kind]}{detail}"


def reason_of(kind: Kind, error: Exception, value: str) -> str:
    """What to say of a value that led to an error of a `Convert`."""
    return str(error) if isinstance(error, Refused) else why(kind, value)
