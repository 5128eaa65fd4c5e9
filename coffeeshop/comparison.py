"""Two results side by side: each measure in both, its difference, and that in per cent.

Results are compared row by row: rows with equal keys belong together, and those that only one side
has stay, with nulls for the other. Whole numbers and amounts are exact; nothing is a float.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.errors import UsageError
from coffeeshop.names import QUALITY
from coffeeshop.questions.asking import BUILTIN
from coffeeshop.questions.columns import described
from coffeeshop.questions.gallery import ready_names, ready_one

A, B, DIFFERENCE, PERCENT = "_a", "_b", "_difference", "_percent"
"""What a measure's four columns are called after it."""
TIMES = ("year", "half", "quarter", "month", "week", "weekday", "day", "hour", "minute")
"""Columns of whole numbers that are no measures."""
_PERCENT = pa.decimal128(38, 2)
_CENT = Decimal("0.01")
_EXACT = Context(prec=100)
_YEAR = r"^\d{4}(\D.*)?$"
Keys = Mapping[str, Sequence[str]]
"""The key columns of results by name."""


@dataclass(frozen=True)
class Sides:
    """Which rows of each result are compared.

    ``years``: of A those of one year, of B those of another; the year leaves the keys, so that
    ``2024-01`` and ``2025-01`` are both ``01``. ``period``: a column and what it is in A and in B;
    it leaves the keys. None of them: all rows.
    """

    years: tuple[str, str] | None = None
    period: tuple[str, str, str] | None = None


@dataclass
class Comparison:
    """The tables that compare the results both sides have, and what could not be compared."""

    tables: dict[str, pa.Table] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """Why, by the name of the result."""


def compare(
    a: Mapping[str, pa.Table],
    b: Mapping[str, pa.Table],
    *,
    sides: Sides | None = None,
    keys: Sequence[str] = (),
    known: Keys | None = None,
) -> Comparison:
    """Compare the results that both sides have, by their names.

    ``keys``: columns that are keys wherever they are; ``known``: those of some results. Else they
    are those that `key_columns` finds. Raises `UsageError` when nothing can be compared.
    """
    found, sides = Comparison(), sides or Sides()
    for name in dict.fromkeys((*a, *b)):
        if name == QUALITY:
            continue
        try:
            if name not in a or name not in b:
                raise UsageError(f"only {'A' if name in a else 'B'} has it")
            found.tables[name] = _compared(name, a[name], b[name], sides, keys, known or {})
        except UsageError as error:
            found.left_out[name] = str(error)
    if not found.tables:
        why = "; ".join(f"{name}: {reason}" for name, reason in found.left_out.items())
        raise UsageError(f"nothing to compare: {why or 'there are no results'}")
    return found


def _compared(
    name: str, a: pa.Table, b: pa.Table, sides: Sides, keys: Sequence[str], known: Keys
) -> pa.Table:
    if not (a.column_names and b.column_names):  # of JSON without rows
        a, b = (x if x.column_names else y.slice(0, 0) for x, y in ((a, b), (b, a)))
    given = [key for key in keys if key in a.column_names and key in b.column_names]
    by = given or list(known.get(name) or known_keys(name, a.column_names))
    if not by or not {*by} <= {*a.column_names} & {*b.column_names}:
        by = list(key_columns(a, b))
    if sides.years is not None:
        (a, left), (b, right) = (
            _of_year(each, by, year) for each, year in zip((a, b), sides.years, strict=True)
        )
        by = [key for key in by if key in left and key in right]
    if sides.period is not None:
        column, *values = sides.period
        a, b = (_where(each, column, value) for each, value in zip((a, b), values, strict=True))
        by = [key for key in by if key != column]
    return side_by_side(a, b, by)


def known_keys(name: str, columns: Sequence[str]) -> tuple[str, ...]:
    """The key columns of a ready question's result, if it has these columns; else none."""
    if name in ready_names():
        from coffeeshop.questions.sql import question_of  # its parser takes a while

        return keys_of(described(question_of(ready_one(name).text, name)), columns)
    if not name.startswith(BUILTIN):
        return ()
    from coffeeshop.parameters import Parameters
    from coffeeshop.questions.builtin import builtin

    for question in (each for found in builtin(Parameters()).values() for each in found):
        if question.name == name:
            return keys_of(described(question), columns)
    return ()


def known_by_sql(
    questions: Mapping[str, str], tables: Mapping[str, pa.Table]
) -> dict[str, tuple[str, ...]]:
    """The key columns of questions, by their SQL."""
    asked = {name: sql for name, sql in questions.items() if sql and name in tables}
    if not asked:
        return {}
    from coffeeshop.questions.sql import question_of  # its parser takes a while

    return {
        name: keys_of(described(question_of(sql, name)), tables[name].column_names)
        for name, sql in asked.items()
    }


def keys_of(columns: Iterable[Mapping[str, Any]], there: Sequence[str]) -> tuple[str, ...]:
    """The keys among columns as `described` has them; none where others are there."""
    found = list(columns)
    if [each["name"] for each in found] != list(there):
        return ()
    return tuple(each["name"] for each in found if each["role"] == "key")


def key_columns(a: pa.Table, b: pa.Table) -> tuple[str, ...]:
    """The columns that tell rows apart: texts, dates, ids and parts of an instant; and whole
    numbers from the left, as long as rows on one side have equal keys."""
    both = [name for name in a.column_names if name in b.column_names]
    keys = [name for name in both if _is_key(name, a[name].type)]
    whole = [n for n in both if n not in keys and pa.types.is_integer(a[n].type)]
    while not (keys and _are_distinct(a, keys) and _are_distinct(b, keys)):
        if not whole or len(keys) + 1 >= len(both):
            break
        keys.append(whole.pop(0))
    return tuple(name for name in both if name in keys)


def _is_key(name: str, kind: pa.DataType) -> bool:
    is_number = pa.types.is_integer(kind) or pa.types.is_decimal(kind)
    return not is_number or (
        pa.types.is_integer(kind) and (name == "id" or name.endswith("_id") or name in TIMES)
    )


def _are_distinct(table: pa.Table, keys: list[str]) -> bool:
    return bool(table.select(keys).group_by(keys).aggregate([]).num_rows == table.num_rows)


def _of_year(table: pa.Table, keys: Sequence[str], year: str) -> tuple[pa.Table, list[str]]:
    """The rows of a year, and the keys that are left: the first one that tells the year has what
    else it tells, or is gone."""
    for name in keys:
        column = table[name]
        if pa.types.is_integer(column.type) and name != "year" and not name.endswith("_year"):
            continue
        texts = _as_text(column)
        if pc.all(pc.match_substring_regex(texts, _YEAR)).as_py() is False:
            continue
        kept = pc.equal(pc.utf8_slice_codeunits(texts, 0, 4), year).fill_null(False)
        rest = pc.utf8_ltrim(pc.utf8_slice_codeunits(texts, 4), "-/. ")
        found, left = table.filter(kept), list(keys)
        place = found.schema.get_field_index(name)
        if pc.all(pc.equal(rest, "")).as_py():
            left.remove(name)
            return found.remove_column(place), left
        return found.set_column(place, name, rest.filter(kept)), left
    raise UsageError("none of its key columns tells the year")


def _where(table: pa.Table, column: str, value: str) -> pa.Table:
    if column not in table.column_names:
        raise UsageError(f"it has no column {column}")
    kept = pc.equal(_as_text(table[column]), value).fill_null(False)
    return table.filter(kept).drop_columns([column])


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type) and pc.all(
        pc.equal(column, column.cast(pa.date32()).cast(column.type))
    ).as_py() in (True, None):
        column = column.cast(pa.date32())
    return column.cast(pa.string())


def side_by_side(a: pa.Table, b: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Rows of ``a`` and ``b`` with equal keys as one row each: the keys, then of each other column
    its value in both; of numbers also the difference (B less A), and that in per cent of A.

    Several rows with the same keys are taken in their order. A per cent has two decimals, rounded
    half away from 0; it is null where A is 0. Rows are in A's order with those of B alone behind
    them; sorted by their keys where those of both sides are.
    """
    a, b = _alike(a, b), _alike(b, a)
    rows = _paired(*(_rows_by_key(each, keys) for each in (a, b)))
    columns = [_taken(a, b, key, rows) for key in keys]
    names = list(keys)
    for name in dict.fromkeys((*a.column_names, *b.column_names)):
        if name in keys:
            continue
        left, right = _values(a, name, rows, 0), _values(b, name, rows, 1)
        kind = _common(a, b, name)
        names += [name + A, name + B]
        columns += [pa.array(left, kind), pa.array(right, kind)]
        if not pa.types.is_string(kind) and not pa.types.is_boolean(kind):
            names += [name + DIFFERENCE, name + PERCENT]
            less = pa.decimal128(38, kind.scale) if pa.types.is_decimal(kind) else kind
            columns.append(pa.array(list(map(_difference, left, right)), less))
            columns.append(pa.array(list(map(_percent, left, right)), _PERCENT))
    return pa.table(columns, names)


_Row = tuple[int | None, int | None]
_Places = dict[tuple[Any, ...], int]


def _rows_by_key(table: pa.Table, keys: Sequence[str]) -> _Places:
    """The place of each row by its keys and the number of rows before it that have the same."""
    columns = [_plain(table[key]) for key in keys]
    seen: dict[tuple[Any, ...], int] = defaultdict(int)
    places: _Places = {}
    for place in range(table.num_rows):
        key = tuple(column[place] for column in columns)
        places[(*key, seen[key])] = place
        seen[key] += 1
    return places


def _plain(column: pa.ChunkedArray) -> list[Any]:
    """Values that are equal in results of sessions and of files: dates are texts there."""
    is_whole = pa.types.is_integer(column.type) or pa.types.is_decimal(column.type)
    found: list[Any] = (column if is_whole else _as_text(column)).to_pylist()
    return found


def _paired(a: _Places, b: _Places) -> list[_Row]:
    keys = list(dict.fromkeys((*a, *b)))
    if all(list(each) == sorted(each, key=_in_order) for each in (a, b)):
        keys.sort(key=_in_order)
    return [(a.get(key), b.get(key)) for key in keys]


def _in_order(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Nulls last, numbers before texts."""
    return tuple((2, 0) if k is None else (1, k) if isinstance(k, str) else (0, k) for k in key)


def _taken(a: pa.Table, b: pa.Table, key: str, rows: list[_Row]) -> pa.Array:
    kind = _common(a, b, key)
    left, right = _values(a, key, rows, 0), _values(b, key, rows, 1)
    values = [r if row[0] is None else v for row, v, r in zip(rows, left, right, strict=True)]
    return pa.array(values, kind)


def _values(table: pa.Table, name: str, rows: list[_Row], side: int) -> list[Any]:
    if name not in table.column_names:
        return [None] * len(rows)
    column = _plain(table[name])
    return [None if row[side] is None else column[row[side]] for row in rows]  # type: ignore[index]


def _alike(table: pa.Table, other: pa.Table) -> pa.Table:
    """The table with each column of the type that both sides have in common: that of a file may be
    another than that of a session, and is not known where all values are null."""
    columns = {}
    for name in table.column_names:
        kind = _common(table, other, name)
        values = _plain(table[name])
        if pa.types.is_string(kind):
            values = [None if each is None else str(each) for each in values]
        columns[name] = pa.array(values, kind)
    return pa.table(columns)


def _common(a: pa.Table, b: pa.Table, name: str) -> pa.DataType:
    """The type that holds a column's values of both sides: whole numbers, decimals, or texts."""
    columns = [each[name] for each in (a, b) if name in each.column_names]
    kinds = [each.type for each in columns if each.null_count < len(each)]
    if not kinds:
        kinds = [each.type for each in columns]
    if all(map(pa.types.is_integer, kinds)):
        return pa.int64()
    if all(pa.types.is_integer(kind) or pa.types.is_decimal(kind) for kind in kinds):
        return pa.decimal128(38, max(getattr(kind, "scale", 0) for kind in kinds))
    return pa.string()


Number = int | Decimal | None


def _difference(a: Number, b: Number) -> Number:
    if a is None or b is None:
        return None
    return b - a if isinstance(a, int) and isinstance(b, int) else _exactly(b, a)


def _exactly(b: Number, a: Number) -> Decimal:
    assert a is not None
    assert b is not None
    return _EXACT.subtract(Decimal(b), Decimal(a))


def _percent(a: Number, b: Number) -> Decimal | None:
    if a is None or b is None or not a:
        return None
    share = _EXACT.divide(100 * _exactly(b, a), abs(Decimal(a)))
    return share.quantize(_CENT, ROUND_HALF_UP, _EXACT)


def typed(table: pa.Table) -> pa.Table:
    """A table of texts, as files have them, with whole numbers and decimals where all of a column's
    values are such; an empty text is null."""
    return pa.table({name: _typed(table[name]) for name in table.column_names})


_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_AMOUNT = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,15})?")


def _typed(column: pa.ChunkedArray) -> pa.Array:
    values = [each or None for each in column.to_pylist()]
    texts = {each for each in values if each is not None}
    if texts and all(map(_WHOLE.fullmatch, texts)):
        return _made(values, int, pa.int64())
    if texts and all(map(_AMOUNT.fullmatch, texts)):
        scale = max(len(each.partition(".")[2]) for each in texts)
        return _made(values, Decimal, pa.decimal128(38, scale))
    return pa.array(values, pa.string())


def _made(values: list[str | None], make: Callable[[str], Any], kind: pa.DataType) -> pa.Array:
    return pa.array([None if each is None else make(each) for each in values], kind)


def checked_years(years: Sequence[str | int] | None) -> tuple[str, str] | None:
    """Two years as `Sides` takes them; raises `UsageError` for what is none."""
    if years is None:
        return None
    found = tuple(str(each) for each in years)
    if len(found) != 2 or not all(re.fullmatch(r"\d{4}", each) for each in found):
        raise UsageError(f"years are two, each of four digits, not {', '.join(found)}")
    return found[0], found[1]
