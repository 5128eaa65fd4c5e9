"""Rows of a batch that filters kept, copied only where an operator reads them."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coffeeshop.codec import wide_field, widened_column

Mask = npt.NDArray[np.bool_]


class Rows:
    """Some rows of a batch, whose whole numbers may be as narrow as they travel.

    A filter makes another selection of the same batch; nothing is copied for that. `batch` copies
    the columns that somebody reads, once and with their own types. Not to be changed, so any number
    of threads may read it.
    """

    def __init__(self, source: pa.RecordBatch, kept: Mask | None = None) -> None:
        """``kept``: which rows of ``source``, a truth value each; None: all of them."""
        self.source = source
        self._kept = kept

    def only(self, mask: Mask) -> Rows:
        """Those of the rows for which the mask, one value a row of ``source``, is true."""
        return Rows(self.source, mask if self._kept is None else self._kept & mask)

    def batch(self, names: tuple[str, ...] = ()) -> pa.RecordBatch:
        """The rows as a batch of the columns of these names, in the order they have there.

        Without names: of all columns.
        """
        fields, columns = [], []
        for place, field in enumerate(self.source.schema):
            if names and field.name not in names:
                continue
            column = self.source.column(place)
            if self._selection is not None:
                column = column.filter(self._selection)
            wide = wide_field(field)
            fields.append(wide)
            columns.append(widened_column(column, wide))
        return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields, self._metadata))

    @property
    def _metadata(self) -> dict[bytes, bytes] | None:
        found: dict[bytes, bytes] | None = self.source.schema.metadata
        return found

    @cached_property
    def _selection(self) -> pa.BooleanArray | None:
        """What a column is filtered by; None when that would copy all of it."""
        if self._kept is None or self._kept.all():
            return None
        return boolean_array(self._kept)


def boolean_array(mask: Mask) -> pa.BooleanArray:
    """The mask as a column without nulls."""
    bits = pa.py_buffer(np.packbits(mask, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(mask), [None, bits])
