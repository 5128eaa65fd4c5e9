"""Filters and folds over the columns of a batch as they travel: by the native kernels.

Nothing is copied or widened for them, and the interpreter's lock is released meanwhile. Each
function says None, or -1, where the kernels are not there or a column is not plain: then its caller
does the same with numpy and the columnar library.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coffeeshop import kernels

Column = tuple[pa.Buffer, int, pa.Buffer | None]
"""Values, the bytes of each, and which are none."""
Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
_WIDTHS = {
    **{kind: kind.bit_width // 8 for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())},
    pa.timestamp("s"): 8,
}


def columns_of(batch: pa.RecordBatch, *names: str) -> list[Column] | None:
    """The columns of these names; None where a kernel cannot read one of them."""
    found = []
    for name in names:
        array = batch[name]
        width = _WIDTHS.get(array.type)
        if width is None or array.offset:
            return None
        validity, values = array.buffers()
        if values is None:
            return None
        found.append((values, width, validity if array.null_count else None))
    return found


def mask_of(batch: pa.RecordBatch, ranges: Sequence[tuple[str, int, int, int]]) -> Mask | None:
    """Which rows are in all ranges: of each its column, modulus (or 0), least and largest value."""
    module = kernels.in_use()
    columns = columns_of(batch, *(name for name, *_ in ranges)) if module is not None else None
    if columns is None:
        return None
    mask = np.ones(batch.num_rows, np.bool_)
    for column, (_, modulus, least, largest) in zip(columns, ranges, strict=True):
        module.keep(batch.num_rows, mask, column, modulus, least, largest)
    return mask


def pairs_of(
    batch: pa.RecordBatch, mask: Mask | None, names: tuple[str, str], end: int, bits: int
) -> Ints | None:
    """Of the kept rows whose second id is no null, both ids in one number: ``first << bits |
    second``. None also where one does not fit: 0 <= first < end, 0 <= second < 1 << bits."""
    module = kernels.in_use()
    columns = columns_of(batch, *names) if module is not None else None
    if columns is None or columns[0][2] is not None:
        return None
    keys = np.empty(batch.num_rows, np.int64)
    found = module.pairs(batch.num_rows, mask, *columns, end, bits, keys)
    if found < 0:
        return None
    # What is kept for long is not to hold the memory of what is not.
    return keys[:found] if 4 * found > 3 * len(keys) else keys[:found].copy()


def add_up(
    batch: pa.RecordBatch,
    mask: Mask | None,
    *,
    names: tuple[str, str],
    sums: Sequence[str],
    first_day: int,
    periods: Ints,
    arrays: Sequence[Ints],
) -> int:
    """Add the kept rows to ``arrays``, whose rows are periods and whose columns are ids.

    ``names``: the columns of instants and ids; ``periods``: the period of each day from
    ``first_day``. The first array counts rows, each other one has the ``sums`` of a column. Returns
    0. Otherwise nothing was added: the end of the ids if there are too few places, or -1.
    """
    module = kernels.in_use()
    columns = columns_of(batch, *names, *sums) if module is not None else None
    if columns is None or any(validity is not None for _, _, validity in columns):
        return -1
    instants, ids, *numbers = columns
    count, ids_end = arrays[0].shape
    added: Any = module.sums(
        batch.num_rows,
        mask,
        instants,
        ids,
        first_day,
        periods,
        len(periods),
        count,
        ids_end,
        tuple(numbers),
        tuple(arrays),
    )
    return int(added)
