"""Rows into groups, and groups of many batches into one: exact, whatever the order they come in.

A column of groups is a key, or says how two of its values become one: by ``sum``, ``min`` or
``max``. Nulls are no values; a group without a value has null, but counts are 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.errors import SessionFailed
from coffeeshop.operators.grouping import one_batch

Ints = npt.NDArray[np.int64]
_SLACK = 1 << 20
_LEAST_PLACES = 1 << 16
_LARGEST = (1 << 63) - 1
_EXACT = 1 << 53
"""Whole numbers up to it are floating-point numbers, and so are their sums."""


@dataclass(frozen=True)
class Merged:
    """A column that is no key. ``how`` two values become one: ``sum``, ``min``, ``max``;
    ``counts``: it is a number of values, and 0 where there are none."""

    name: str
    kind: pa.DataType
    how: str
    counts: bool = False


class Groups:
    """Groups of any number of batches. Not thread-safe.

    Batches are kept as they come and folded together when the kept rows outgrow twice the distinct
    keys plus a slack, so a row is folded a bounded number of times on average.
    """

    def __init__(self, keys: pa.Schema, merged: Sequence[Merged]) -> None:
        self.schema = pa.schema([*keys, *((each.name, each.kind) for each in merged)])
        self._keys = keys.names
        self._merged = merged
        self._kept: list[pa.Table] = []
        self._rows = 0
        self._limit = _SLACK

    def add(self, groups: pa.RecordBatch | pa.Table) -> None:
        """Add groups of the schema; keys may repeat."""
        if groups.num_rows:
            self._kept.append(pa.table(groups.columns, schema=self.schema))
            self._rows += groups.num_rows
        if self._rows > self._limit:
            self._kept = [self._folded()[0]]
            self._rows = self._kept[0].num_rows
            self._limit = 2 * self._rows + _SLACK

    def sorted(self) -> pa.RecordBatch:
        """One row a key, sorted by the keys: equal for equal rows in whatever order they came."""
        table, is_sorted = self._folded()
        if is_sorted:
            return one_batch(table)
        return one_batch(table.sort_by([(key, "ascending") for key in self._keys]))

    def unsorted(self) -> pa.Table:
        """One row a key, in any order."""
        return self._folded()[0]

    def _folded(self) -> tuple[pa.Table, bool]:
        """One row a key, and whether they are sorted."""
        if not self._kept:
            return self.schema.empty_table(), True
        whole = pa.concat_tables(self._kept)
        for each in self._merged:
            if each.how == "sum":
                _check_sums(whole[each.name], each.name)
        added = _added_up(whole, self._keys, self._merged)
        if added is not None:
            return pa.table(added, schema=self.schema), True
        wanted = [(each.name, each.how) for each in self._merged]
        grouped = whole.group_by(self._keys, use_threads=False).aggregate(wanted)
        names = [*self._keys, *(f"{name}_{how}" for name, how in wanted)]
        found = grouped.select(names).rename_columns(self.schema.names).cast(self.schema)
        return found, False


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _added_up(
    whole: pa.Table, keys: Sequence[str], merged: Sequence[Merged]
) -> list[pa.Array] | None:
    """The columns of one row a key, sorted by the keys, nulls last; None unless all keys are whole
    numbers that fit into one together, beside the number of a row, and all that is merged are sums.

    Sorting one number takes a fraction of what hashing rows does where most keys are distinct.
    """
    if not all(map(_is_sum, merged)):
        return None
    packed = _packed([_one_chunk(whole[key]) for key in keys], 63 - whole.num_rows.bit_length())
    if packed is None:
        return None
    codes, found = packed
    bits = whole.num_rows.bit_length()
    rows = codes << bits | np.arange(whole.num_rows)
    rows.sort()
    order, codes = rows & ((1 << bits) - 1), rows >> bits
    begins = np.flatnonzero(np.concatenate(([True], codes[1:] != codes[:-1])))
    columns = [key.decoded(codes[begins]) for key in found]
    for each in merged:
        column = _one_chunk(whole[each.name])
        values = np.asarray(column.fill_null(0) if column.null_count else column)
        sums = np.add.reduceat(values[order], begins)
        nothing = None
        if column.null_count and not each.counts:
            valid = np.asarray(column.is_valid())
            nothing = ~np.logical_or.reduceat(valid[order], begins)
        columns.append(pa.array(sums, mask=nothing))
    return columns


def _is_sum(each: Merged) -> bool:
    return each.how == "sum" and each.kind == pa.int64()


def _packed(keys: Sequence[pa.Array], bits: int) -> tuple[Ints, list[_Key]] | None:
    """Keys of whole numbers as one number each row, in the order of the keys, nulls last; None if
    some are none, or do not fit into so many bits."""
    digits, counts, least = [], [], []
    for key in keys:
        whole = whole_numbers(key)
        if whole is None or not len(whole):
            return None
        smallest = int(whole.min())
        count = int(whole.max()) - smallest + 2
        if count > _LARGEST:
            return None
        digit = whole - smallest
        if key.null_count:
            digit = np.where(np.asarray(key.is_null()), count - 1, digit)
        digits.append(digit)
        counts.append(count)
        least.append(smallest)
    if prod(counts).bit_length() > bits:
        return None
    codes = np.zeros(len(keys[0]), np.int64)
    for digit, count in zip(digits, counts, strict=True):
        codes = codes * count + digit
    worths = [prod(counts[place + 1 :]) for place in range(len(keys))]
    described = zip(keys, least, counts, worths, strict=True)
    return codes, [_Key(key.type, small, count, worth) for key, small, count, worth in described]


def _check_sums(values: pa.ChunkedArray, name: str) -> None:
    """Raise `SessionFailed` where sums of whole numbers may not fit: they would be wrong."""
    ends = pc.min_max(values).as_py()
    largest = max(abs(ends["min"] or 0), abs(ends["max"] or 0))
    if largest * len(values) <= _LARGEST:
        return
    # Each number is rounded by less than a thousandth of a millionth of itself.
    total = pc.sum(pc.abs(values.cast(pa.float64(), safe=False))).as_py()
    if total > _LARGEST * 0.99:
        raise SessionFailed(f"the sums of {name} are too large to be exact")


def grouped(
    keys: Sequence[pa.Array], values: Sequence[pa.Array | None], merged: Sequence[Merged], rows: int
) -> list[pa.Array]:
    """The groups of one batch's rows: the columns of keys, then those of ``merged``.

    A value None stands for 1 in each row. Of ``merged`` that ``counts``, valid values count.
    """
    dense = _dense(keys, rows)
    if dense is None and all(map(_is_sum, merged)) and all(_is_whole(key.type) for key in keys):
        # Most keys are distinct, or nearly: one sort of all batches' rows is less work.
        return [*keys, *map(_as_measured, merged, values, [rows] * len(merged))]
    if dense is None or not all(_is_dense(each, value) for each, value in zip(merged, values)):  # noqa: B905 - they are of one length
        return _hashed(keys, values, merged, rows)
    codes, found, size = dense
    present = np.flatnonzero(np.bincount(codes, minlength=size))
    columns = [key.decoded(present) for key in found]
    for each, value in zip(merged, values, strict=True):
        columns.append(_measured(each, value, codes, present, size))
    return columns


@dataclass(frozen=True)
class _Key:
    """A key of whole numbers as digits of a code: its least value, how many there are, and what
    one is worth. The last digit stands for null."""

    kind: pa.DataType
    least: int
    count: int
    worth: int

    def decoded(self, codes: Ints) -> pa.Array:
        digits = codes // self.worth % self.count
        nulls = digits == self.count - 1
        array = pa.array(digits + self.least, mask=nulls if nulls.any() else None)
        if self.kind == pa.bool_():
            return array.cast(pa.bool_())
        if pa.types.is_date32(self.kind):
            return array.cast(pa.int32()).view(self.kind)
        return array if array.type == self.kind else array.view(self.kind)


def whole_numbers(array: pa.Array) -> Ints | None:
    """As whole numbers with 0 for null; None for what has no such."""
    kind = array.type
    if pa.types.is_boolean(kind):
        array = array.cast(pa.int8())
    elif pa.types.is_date32(kind):
        array = array.view(pa.int32())
    elif pa.types.is_timestamp(kind):
        array = array.view(pa.int64())
    elif not pa.types.is_integer(kind):
        return None
    filled = array.fill_null(0) if array.null_count else array
    whole: Ints = np.asarray(filled).astype(np.int64, copy=False)
    return whole


def _dense(keys: Sequence[pa.Array], rows: int) -> tuple[Ints, list[_Key], int] | None:
    """A code for each row, how keys are told from it, and how many codes there are; None if they
    are too many."""
    places = max(_LEAST_PLACES, 2 * rows)
    size = 1
    found = []
    codes = np.zeros(rows, np.int64)
    for key in keys:
        whole = whole_numbers(key)
        if whole is None or not rows:
            return None
        least = int(whole.min())
        count = int(whole.max()) - least + 2
        if size * count > places:
            return None
        digits = whole - least
        if key.null_count:
            digits = np.where(np.asarray(key.is_null()), count - 1, digits)
        codes += digits * size
        found.append(_Key(key.type, least, count, size))
        size *= count
    return codes, found, size


def _is_whole(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_date32(kind)
        or pa.types.is_timestamp(kind)
    )


def _as_measured(each: Merged, value: pa.Array | None, rows: int) -> pa.Array:
    """Of each row what a group of it alone has."""
    if value is None:
        return pa.repeat(pa.scalar(1, pa.int64()), rows)
    return value.is_valid().cast(pa.int64()) if each.counts else value.cast(pa.int64())


def _is_dense(each: Merged, value: pa.Array | None) -> bool:
    if value is None or each.counts:
        return True
    if each.how != "sum" or not pa.types.is_integer(value.type):
        return False
    ends = pc.min_max(value).as_py()
    largest = max(abs(ends["min"] or 0), abs(ends["max"] or 0))
    return bool(largest * len(value) < _EXACT)


def _measured(
    each: Merged, value: pa.Array | None, codes: Ints, present: Ints, size: int
) -> pa.Array:
    if value is None:
        return pa.array(np.bincount(codes, minlength=size)[present].astype(np.int64))
    valid = np.asarray(value.is_valid()) if value.null_count else None
    if each.counts:
        counted = codes if valid is None else codes[valid]
        return pa.array(np.bincount(counted, minlength=size)[present].astype(np.int64))
    weights = np.asarray(value.fill_null(0) if value.null_count else value)
    sums = np.bincount(codes, weights, size)[present].astype(np.int64)
    if valid is None:
        return pa.array(sums)
    nothing = np.bincount(codes[valid], minlength=size)[present] == 0
    return pa.array(sums, mask=nothing)


def _hashed(
    keys: Sequence[pa.Array], values: Sequence[pa.Array | None], merged: Sequence[Merged], rows: int
) -> list[pa.Array]:
    names = [f"k{number}" for number in range(len(keys))]
    columns = dict(zip(names, keys, strict=True))
    wanted = []
    for number, (each, value) in enumerate(zip(merged, values, strict=True)):
        columns[f"v{number}"] = (
            pa.repeat(pa.scalar(1, pa.int64()), rows) if value is None else value
        )
        wanted.append((f"v{number}", "count" if each.counts else each.how))
    for each, value in zip(merged, values, strict=True):
        if each.how == "sum" and value is not None and not each.counts:
            _check_sums(pa.chunked_array([value]), each.name)
    table = pa.table(columns).group_by(names, use_threads=False).aggregate(wanted)
    named = [*names, *(f"{name}_{how}" for name, how in wanted)]
    return [table[name].combine_chunks() for name in named]
