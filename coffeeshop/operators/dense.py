"""Sums per period and id in arrays: months of items, half-years of stores."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from coffeeshop.operators.grouping import GroupedSums, Ints
from coffeeshop.operators.loops import add_up
from coffeeshop.operators.rows import Rows, int64_array

PLACES = 4096
"""Ids from 0 to below this have a place of their own in each period."""
_EXACT = 1 << 53
"""Whole numbers up to it are floating-point numbers, and so are their sums."""


class DenseSums:
    """Adds up numbers per period and id. The same answer as `GroupedSums`, several times faster.

    There are few periods, and ids of items and stores are small as a rule: a pair is a place in an
    array then. Rows that have none are grouped as any other keys.
    """

    def __init__(self, schema: pa.Schema, periods: range) -> None:
        """``schema``: an int16 period within ``periods``, an int64 id, int64 sums."""
        self._schema = schema
        self._periods = periods
        self._others = GroupedSums(schema, schema.names[:2], schema.names[2:])
        self._any_others = False
        self._width = 1
        # How many rows there were, then the sums.
        self._arrays = [self._zeros(1) for _ in schema.names[1:]]

    def add(self, periods: Ints, ids: Ints, *sums: Ints) -> None:
        """Add rows: each column an array of whole numbers of one length."""
        if not len(ids):
            return
        if self._have_places(periods, ids) and all(map(_sums_exactly, sums)):
            self._add(periods, ids, sums)
        else:
            columns = zip([periods, ids, *sums], self._schema.types, strict=True)
            arrays = [int64_array(column).cast(kind) for column, kind in columns]
            self._others.add(pa.table(arrays, schema=self._schema))
            self._any_others = True

    def add_rows(
        self,
        rows: Rows,
        names: tuple[str, str],
        sums: tuple[str, ...],
        first_day: int,
        periods: Ints,
    ) -> bool:
        """Add rows by the native kernels; false, and nothing is added, where they cannot.

        ``names``: the columns of instants and ids. ``periods`` of the days from ``first_day``.
        """
        for _ in range(2):
            ids_end = add_up(
                rows.source,
                rows.kept,
                names=names,
                sums=sums,
                first_day=first_day,
                periods=periods - self._periods.start,
                arrays=self._arrays,
            )
            if not 0 < ids_end <= PLACES:
                break
            self._widen(ids_end)
        return ids_end == 0

    def sorted(self) -> pa.RecordBatch:
        """One row a pair, sorted by period and id, whatever the order in which rows came."""
        places = np.flatnonzero(self._arrays[0])
        columns = [places // self._width + self._periods.start, places % self._width]
        columns += [sums.reshape(-1)[places] for sums in self._arrays[1:]]
        arrays = [
            int64_array(column).cast(kind)
            for column, kind in zip(columns, self._schema.types, strict=True)
        ]
        dense = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        if not self._any_others:
            return dense
        self._others.add(pa.table(dense))
        return self._others.sorted()

    def _have_places(self, periods: Ints, ids: Ints) -> bool:
        return bool(
            ids.min() >= 0
            and ids.max() < PLACES
            and periods.min() >= self._periods.start
            and periods.max() < self._periods.stop
        )

    def _add(self, periods: Ints, ids: Ints, sums: tuple[Ints, ...]) -> None:
        self._widen(int(ids.max()) + 1)
        places = (periods.astype(np.int64) - self._periods.start) * self._width + ids
        for array, weights in zip(self._arrays, (None, *sums), strict=True):
            added = np.bincount(places, weights, array.size)
            array += added.astype(np.int64, copy=False).reshape(array.shape)

    def _widen(self, wanted: int) -> None:
        if wanted <= self._width:
            return
        before, self._width = self._width, 1 << (wanted - 1).bit_length()
        for place, array in enumerate(self._arrays):
            self._arrays[place] = self._zeros(self._width)
            self._arrays[place][:, :before] = array

    def _zeros(self, width: int) -> Ints:
        return np.zeros((len(self._periods), width), np.int64)


def _sums_exactly(numbers: Ints) -> bool:
    largest = max(abs(int(numbers.min())), abs(int(numbers.max())))
    return largest * len(numbers) < _EXACT
