"""Plain blocks of CSV text to batches by the native scanner, where there is one.

The scanner (``native/scan.c``) knows the plain case only: rows of whole numbers, amounts, instants
and ASCII text, perhaps with CRLF or with quotes around fields that do not need them. For a block
with anything else in it `scan` returns None, and the columnar parser reads that block, so there is
one meaning of CSV and one source of complaints.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import pyarrow as pa

from coffeeshop.codec import MAX_WIDE, narrow_schema
from coffeeshop.operators import NOTHING_LATE, Late
from coffeeshop.reading import native
from coffeeshop.schema import Column, Kind, Table, bounds

_KINDS = {
    Kind.TEXT: 0,
    Kind.ID: 1,
    Kind.COUNT: 1,
    Kind.AMOUNT: 2,
    Kind.INSTANT: 3,
    Kind.DATE: 4,
}
_NARROW = {1: pa.int8(), 2: pa.int16(), 4: pa.int32()}
_Tuples = tuple[tuple[int | bool, ...], ...]
_LONGEST_ROW = 32 << 10  # of a plain row, in bytes
_ROW_BYTES = {Kind.TEXT: 4, Kind.DATE: 4}  # of a column in a batch, per row; the others have 8


class _Own(threading.local):
    """Each thread's memory for its scan."""

    scratch: Any = None


_own = _Own()


def scan(
    table: Table,
    columns: tuple[str, ...],
    body: memoryview | bytes,
    late: Late = NOTHING_LATE,
    *,
    portable: bool = False,
) -> pa.RecordBatch | None:
    """The rows of ``body`` with whole numbers narrowed as `codec.encode` does it.

    ``columns`` are the names of a row's fields, ``body`` whole rows. Texts that ``late`` leaves out
    are nulls. None when the scanner is not there or the block is not plain. ``portable`` does
    without the processor's vector instructions. Any number of threads at once; the interpreter's
    lock is released meanwhile.
    """
    module = native.in_use()
    if module is None:
        return None
    if _own.scratch is None:
        _own.scratch = module.scratch()
    wanted, conditions = _task(table, columns, late)
    if body[-1:] != b"\n":  # the last row of a file may lack its end
        body = bytes(body) + (b"\r\n" if b"\r\n" in bytes(body[:_LONGEST_ROW]) else b"\n")
    found = module.scan(body, len(columns), wanted, conditions, _own.scratch, portable)
    if found is None:
        return None
    rows, buffers = found
    if _wide_size(table, rows, buffers) > MAX_WIDE:
        return None  # has to be split, which is done by width
    arrays = [
        _array(column, rows, *each) for column, each in zip(table.columns, buffers, strict=True)
    ]
    types = tuple(array.type for array in arrays)
    return pa.RecordBatch.from_arrays(arrays, schema=_schema(table, late, types))


def plain_rows_end(text: bytes | memoryview) -> int:
    """Just after the last newline of a text; -1 when there is a quote in it, or no scanner."""
    module = native.in_use()
    return -1 if module is None else int(module.plain_rows_end(text))


@cache
def _task(table: Table, columns: tuple[str, ...], late: Late) -> tuple[_Tuples, _Tuples]:
    """What the scanner is told of the columns, and of the conditions for those that are late."""
    names = [column.name for column in table.columns]
    wanted = tuple(
        (
            columns.index(column.name),
            _KINDS[column.kind],
            column.nullable,
            column.name in late.columns,
            *bounds(column.kind),
        )
        for column in table.columns
    )
    # The last filter leaves the fewest rows, so it is asked first; a remainder takes a division.
    ranges = sorted(reversed(late.ranges), key=lambda each: each.modulus)  # noqa: C414 - the sort is stable
    conditions = tuple(
        (names.index(each.column), each.modulus, each.least, each.largest) for each in ranges
    )
    return wanted, conditions


@cache
def _schema(table: Table, late: Late, types: tuple[pa.DataType, ...]) -> pa.Schema:
    return narrow_schema(late.schema_of(table.schema), types)


def _wide_size(table: Table, rows: int, buffers: Any) -> int:
    size = 0
    for column, (_, _, validity, _, text) in zip(table.columns, buffers, strict=True):
        size += rows * _ROW_BYTES.get(column.kind, 8) + len(validity or b"") + len(text or b"")
    return size


def _array(
    column: Column,
    rows: int,
    nulls: int,
    width: int,
    validity: bytes | None,
    values: bytes,
    text: bytes | None,
) -> pa.Array:
    valid = None if validity is None else pa.py_buffer(validity)
    if text is not None:
        offsets = pa.py_buffer(values)
        return pa.StringArray.from_buffers(rows, offsets, pa.py_buffer(text), valid, nulls)
    wide = column.kind.wire_type
    kind = wide if column.kind is Kind.DATE else _NARROW.get(width, wide)
    return pa.Array.from_buffers(kind, rows, [valid, pa.py_buffer(values)], nulls)
