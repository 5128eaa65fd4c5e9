"""Rows of a batch that filters kept, copied only where an operator reads them."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coffeeshop.codec import wide_field, widened_column

Mask = npt.NDArray[np.bool_]
_FEW = 4
"""One row of so many, or fewer."""


class Rows:
    """Some rows of a batch, whose whole numbers may be as narrow as they travel.

    A filter makes another selection of the same batch; nothing is copied for that. `batch` copies
    the columns that operators read, once and with their own types. Not to be changed, so any number
    of threads may read it.
    """

    def __init__(self, source: pa.RecordBatch, kept: Mask | None = None) -> None:
        """``kept``: which rows of ``source``, a truth value each; None: all of them."""
        self.source = source
        self.kept = kept

    def only(self, mask: Mask) -> Rows:
        """Those of the rows for which the mask, one value a row of ``source``, is true."""
        return Rows(self.source, mask if self.kept is None else self.kept & mask)

    def batch(self, names: tuple[str, ...] = ()) -> pa.RecordBatch:
        """The rows as a batch of the columns of these names, in the order they have there.

        Without names: of all columns.
        """
        fields, columns = [], []
        for place, field in enumerate(self.source.schema):
            if names and field.name not in names:
                continue
            column = self.source.column(place)
            if not self._is_all:
                column = self._selected(column)
            wide = wide_field(field)
            fields.append(wide)
            columns.append(widened_column(column, wide))
        return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields, self._metadata))

    @property
    def _metadata(self) -> dict[bytes, bytes] | None:
        found: dict[bytes, bytes] | None = self.source.schema.metadata
        return found

    @cached_property
    def _is_all(self) -> bool:
        return self.kept is None or bool(self.kept.all())

    def _selected(self, column: pa.Array) -> pa.Array:
        if self._places is not None:
            return column.take(self._places)
        return column.filter(self._selection)

    @cached_property
    def _selection(self) -> pa.BooleanArray:
        assert self.kept is not None
        return boolean_array(self.kept)

    @cached_property
    def _places(self) -> pa.Array | None:
        """Where the rows are, if they are so few that to take these is faster than to filter."""
        assert self.kept is not None
        places = np.flatnonzero(self.kept)
        return int64_array(places) if len(places) * _FEW < len(self.kept) else None


def boolean_array(mask: Mask) -> pa.BooleanArray:
    """The mask as a column without nulls."""
    bits = pa.py_buffer(np.packbits(mask, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(mask), [None, bits])


def int64_array(numbers: npt.NDArray[np.int64]) -> pa.Array:
    """The numbers as a column, sharing their memory.

    `pa.array` would look for masked arrays, and import all that numpy knows of them to do so.
    """
    whole = np.ascontiguousarray(numbers, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(whole), [None, pa.py_buffer(whole)])
