"""Sums per key over any number of batches, in memory that follows the keys, not the rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.operators.loops import pairs_of
from coffeeshop.operators.rows import Rows, int64_array

_SLACK = 1 << 20


class GroupedSums:
    """Adds up ``sums`` per distinct ``keys``.

    Batches are kept as they come and folded together when the kept rows outgrow twice the distinct
    keys plus a slack, so a row is folded a bounded number of times on average.
    """

    def __init__(self, schema: pa.Schema, keys: list[str], sums: list[str]) -> None:
        self._schema = schema
        self._keys = keys
        self._sums = sums
        self._kept: list[pa.Table] = []
        self._rows = 0
        self._limit = _SLACK

    def add(self, table: pa.Table) -> None:
        """Add rows; the columns are ``keys`` and ``sums`` in the schema's order and types."""
        self._kept.append(table)
        self._rows += table.num_rows
        if self._rows > self._limit:
            self._kept = [self._folded()]
            self._rows = self._kept[0].num_rows
            self._limit = 2 * self._rows + _SLACK

    def sorted(self) -> pa.RecordBatch:
        """One row a key, sorted by the keys: equal for equal rows in whatever order they came."""
        folded = self._folded().sort_by([(key, "ascending") for key in self._keys])
        return one_batch(folded)

    def _folded(self) -> pa.Table:
        if not self._kept:
            return self._schema.empty_table()
        return sum_by(pa.concat_tables(self._kept), self._keys, self._sums).cast(self._schema)


def sum_by(table: pa.Table, keys: list[str], sums: list[str]) -> pa.Table:
    """One row a distinct key with the sums, columns named as before."""
    grouped = table.group_by(keys, use_threads=False).aggregate([(name, "sum") for name in sums])
    return grouped.select([*keys, *(f"{name}_sum" for name in sums)]).rename_columns([*keys, *sums])


def one_batch(table: pa.Table) -> pa.RecordBatch:
    """The table as one batch, also when it has no rows."""
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32] | npt.NDArray[np.int64]
_NONE = np.empty(0, np.int32)
_LARGEST_NARROW = (1 << 31) - 1
_MOST_PIECES = 8
_SECOND_BITS = 43
_MASK = (1 << _SECOND_BITS) - 1
_FIRST_END = 1 << 20


class PairCounts:
    """Adds up one number per pair of ids. The same answer as `GroupedSums`, several times faster.

    Two ids of a common size fit into one int64, and sorting a million of those takes less time than
    hashing them; pairs that do not fit are summed as any other keys.
    """

    def __init__(self, schema: pa.Schema) -> None:
        """``schema`` has three int64 columns: the first id, the second id, the number."""
        self._schema = schema
        self._others = GroupedSums(schema, schema.names[:2], schema.names[2:])
        self._fresh: list[Ints] = []  # keys that each count one, in any order
        self._fresh_rows = 0
        self._fresh_limit = _SLACK
        self._keys: list[Ints] = []  # sorted keys, and their numbers
        self._numbers: list[Numbers] = []
        self._rows = 0
        # Pieces are read one first id at a time: to merge them is for when they are many.
        self._limit = _MOST_PIECES * _SLACK

    def count(self, pairs: pa.RecordBatch) -> None:
        """Count each row of two id columns, without nulls, once."""
        if not _fit(pairs):
            fits = _which_fit(pairs)
            rest = pairs.filter(pc.invert(fits))
            ones = pa.repeat(pa.scalar(1, pa.int64()), rest.num_rows)
            self._others.add(pa.table([*rest.columns, ones], schema=self._schema))
            pairs = pairs.filter(fits)
        self._count_keys(_keys(pairs))

    def count_rows(self, rows: Rows, names: tuple[str, str]) -> bool:
        """Count each row of two columns once, unless its second id is a null, by the native
        kernels; false, and nothing is counted, where they cannot."""
        keys = pairs_of(rows.source, rows.kept, names, _FIRST_END, _SECOND_BITS)
        if keys is None:
            return False
        self._count_keys(keys)
        return True

    def _count_keys(self, keys: Ints) -> None:
        self._fresh.append(keys)
        self._fresh_rows += len(keys)
        if self._fresh_rows > self._fresh_limit:
            self._look_at_fresh()

    def add(self, sums: pa.RecordBatch) -> None:
        """Add rows of the schema that are sorted by the ids, as `sorted` gives them."""
        if not _fit(sums):
            fits = _which_fit(sums)
            self._others.add(pa.table(sums.filter(pc.invert(fits))))
            sums = sums.filter(fits)
        self._keys.append(_keys(sums))
        self._numbers.append(_narrow(sums.column(2).to_numpy(zero_copy_only=True)))
        self._grow(sums.num_rows)

    def sorted(self) -> pa.RecordBatch:
        """One row a pair, sorted by the ids: equal for equal rows in whatever order they came.

        Called once: the pairs leave here."""
        return self._merged(self._others.sorted())

    def _merged(self, others: pa.RecordBatch) -> pa.RecordBatch:
        packed = self._packed(*self._folded())
        if not others.num_rows:
            return packed
        both = pa.concat_tables([pa.table(packed), pa.table(others)])
        return one_batch(both.sort_by([(name, "ascending") for name in self._schema.names[:2]]))

    def _packed(self, keys: Ints, numbers: Numbers) -> pa.RecordBatch:
        """Rows of the schema; the keys are used up."""
        first = keys >> _SECOND_BITS
        second = np.bitwise_and(keys, _MASK, out=keys)
        columns = [first, second, numbers.astype(np.int64, copy=False)]
        return pa.record_batch([int64_array(column) for column in columns], schema=self._schema)

    def by_first(self) -> Iterator[pa.RecordBatch]:
        """What `sorted` gives, a batch for each first id: the whole is never there at once.

        Called once: the pairs leave here."""
        others = self._others.sorted()
        if self._fresh or others.num_rows:  # which pairs that came from `add` seldom are
            yield from _per_first(self._merged(others))
            return
        for first in self._firsts():
            places = [_places(keys, first) for keys in self._keys]
            keys = [k[there] for k, there in zip(self._keys, places, strict=True)]
            numbers = [n[there] for n, there in zip(self._numbers, places, strict=True)]
            yield self._packed(*_summed(keys, numbers))

    def _firsts(self) -> list[int]:
        """The first ids there are, rising: a search for each of them, not a look at each pair."""
        found: set[int] = set()
        for keys in self._keys:
            place = 0
            while place < len(keys):
                first = int(keys[place]) >> _SECOND_BITS
                found.add(first)
                place = _places(keys, first).stop
        return sorted(found)

    def _grow(self, rows: int) -> None:
        self._rows += rows
        if self._rows > self._limit:
            keys, numbers = self._folded()
            self._keys, self._numbers = [keys], [numbers]
            self._rows = len(keys)
            self._limit = 2 * self._rows + _SLACK

    def _folded(self) -> tuple[Ints, Numbers]:
        """Everything as sorted keys and their numbers, which leaves here: as few copies of them
        as can be are there at once, since they are the largest thing there is."""
        if self._fresh:
            self._fold_fresh()
        return _summed(self._keys, self._numbers)

    def _look_at_fresh(self) -> None:
        """Sort the fresh keys, and count them unless most of them are there once: eight bytes for
        each key are less than twelve for each distinct one then."""
        fresh = self._sorted_fresh()
        starts = _starts(fresh)
        if 2 * len(starts) > len(fresh):
            self._fresh, self._fresh_rows = [fresh], len(fresh)
            self._fresh_limit = 2 * len(fresh) + _SLACK
        else:
            self._fresh_limit = _SLACK
            self._count_fresh(fresh, starts)
            self._grow(len(starts))

    def _fold_fresh(self) -> None:
        fresh = self._sorted_fresh()
        self._count_fresh(fresh, _starts(fresh))

    def _sorted_fresh(self) -> Ints:
        fresh, self._fresh, self._fresh_rows = _joined(self._fresh), [], 0
        fresh.sort()
        return fresh

    def _count_fresh(self, fresh: Ints, starts: Ints) -> None:
        self._keys.append(fresh[starts])
        self._numbers.append(_narrow(np.diff(starts, append=len(fresh))))


def _places(keys: Ints, first: int) -> slice:
    """Where in sorted keys those of a first id are."""
    lowest = first << _SECOND_BITS
    begin = int(np.searchsorted(keys, lowest, "left"))
    return slice(begin, int(np.searchsorted(keys, lowest | _MASK, "right")))


def _summed(key_pieces: list[Ints], number_pieces: list[Numbers]) -> tuple[Ints, Numbers]:
    """Sorted pieces as distinct sorted keys and their sums. The lists are emptied."""
    pieces = len(key_pieces)
    keys = _joined(key_pieces)
    key_pieces.clear()  # whatever is no longer needed goes at once: these are the largest arrays
    numbers = number_pieces[0] if pieces == 1 else np.concatenate([_NONE, *number_pieces])
    number_pieces.clear()
    if pieces <= 1:
        return keys, numbers
    # The pieces are sorted, so a stable sort only merges them.
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    numbers = numbers[order]
    del order
    starts = _starts(keys)
    if len(starts) == len(keys):
        return keys, numbers
    keys = keys[starts]
    return keys, _narrow(np.add.reduceat(numbers, starts, dtype=np.int64))


def _narrow(numbers: Ints) -> Numbers:
    """The same numbers in four bytes each, where they fit."""
    if len(numbers) and int(numbers.max()) > _LARGEST_NARROW:
        return numbers
    return numbers.astype(np.int32)


def _per_first(sums: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Rows sorted by their first id cut into one piece an id, without copying."""
    start = 0
    for end in pc.run_end_encode(sums.column(0)).run_ends.to_pylist():
        yield sums.slice(start, end - start)
        start = end


def _keys(pairs: pa.RecordBatch) -> Ints:
    first, second = (pairs.column(i).to_numpy(zero_copy_only=True) for i in (0, 1))
    keys: Ints = (first << _SECOND_BITS) | second
    return keys


def _starts(ordered: Ints) -> Ints:
    """Where in a sorted array a new value begins."""
    begins = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    starts: Ints = np.flatnonzero(begins)
    return starts


def _joined(pieces: list[Ints]) -> Ints:
    return pieces[0] if len(pieces) == 1 else np.concatenate([np.empty(0, np.int64), *pieces])


def _fit(table: pa.RecordBatch) -> bool:
    """Whether every pair of the table fits into one int64."""
    ends = [pc.min_max(table.column(i)).as_py() for i in (0, 1)]
    return not table.num_rows or (
        min(e["min"] for e in ends) >= 0 and ends[0]["max"] < _FIRST_END and ends[1]["max"] <= _MASK
    )


def _which_fit(table: pa.RecordBatch) -> pa.BooleanArray:
    first, second = table.column(0), table.column(1)
    conditions = (
        pc.greater_equal(first, 0),
        pc.less(first, _FIRST_END),
        pc.greater_equal(second, 0),
        pc.less_equal(second, _MASK),
    )
    return reduce(pc.and_, conditions)
