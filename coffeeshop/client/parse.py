"""Blocks of CSV text to batches of a table's schema, and bad rows to exact complaints.

One parser decides: a row is bad when the columnar parser refuses it. A block that fails is bisected
with that same parser, so how a file is cut never changes which rows are bad.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv as pacsv

from coffeeshop.client.blocks import BOM, Block
from coffeeshop.client.quoting import rows
from coffeeshop.errors import BadData
from coffeeshop.schema import NULLS, Column, Kind, Table, in_bounds


@dataclass(frozen=True)
class Rejected:
    """A row that was left out, with what was wrong with it."""

    error: BadData
    row: str


@dataclass(frozen=True)
class Parsed:
    """The rows of one block."""

    table: Table
    batch: pa.RecordBatch
    rejected: tuple[Rejected, ...] = ()


def parse(block: Block, *, skip_bad_rows: bool = False) -> Parsed:
    """The block's rows.

    Raises `BadData` for the first bad row with its file, line, column and value, or leaves bad rows
    out and tells them in ``rejected``.
    """
    try:
        return Parsed(block.table, _batch(block, block.body, block.table.columns))
    except (pa.ArrowException, Refused):
        pass  # the bisection below says what and where
    found = list(rows(bytes(block.body)))
    if not skip_bad_rows:
        raise _complaint(block, *_first_bad(block, found))
    good, bad = [], []
    for piece in _sorted_out(block, found):
        if isinstance(piece, pa.RecordBatch):
            good.append(piece)
        else:
            bad.append(Rejected(_complaint(block, *piece), _shown(piece[1])))
    table = pa.Table.from_batches(good, block.table.schema).combine_chunks()
    batches = table.to_batches() or [pa.RecordBatch.from_pylist([], block.table.schema)]
    return Parsed(block.table, batches[0], tuple(bad))


class Refused(ValueError):
    """A value that parses but is out of the schema's bounds."""


Row = tuple[int, bytes]  # offset in the block, the row's bytes


def _batch(block: Block, body: memoryview | bytes, columns: tuple[Column, ...]) -> pa.RecordBatch:
    read = pacsv.ReadOptions(
        column_names=list(block.columns), use_threads=False, block_size=max(len(body) + 1, 1024)
    )
    convert = pacsv.ConvertOptions(
        column_types={c.name: pa.float64() if c.kind.whole else c.kind.read_type for c in columns},
        include_columns=[c.name for c in columns],
        null_values=list(NULLS),
        strings_can_be_null=True,
    )
    if bytes(body[:1]) in b"\r\n" and not bytes(body).strip(b"\r\n"):
        return pa.RecordBatch.from_pylist([], block.table.schema)
    table = pacsv.read_csv(_buffer(body), read, PARSING, convert)
    arrays = [checked(column, _one(table[column.name])) for column in columns]
    return pa.record_batch(
        arrays,
        schema=pa.schema([block.table.schema.field(c.name) for c in columns]),
    )


def _buffer(body: memoryview | bytes) -> pa.Buffer:
    # The parser drops a byte order mark at the start of what it is given, which would depend on
    # where a file is cut. Empty lines are no rows.
    return pa.py_buffer(b"\n" + bytes(body) if bytes(body[:3]) == BOM else body)


# A block is parsed whole, so no quoted newline is ever at a cut; looking for them costs time.
PARSING = pacsv.ParseOptions(newlines_in_values=False)


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def checked(column: Column, values: pa.Array) -> pa.Array:
    """Values in the column's wire type; `Refused` or an Arrow error when they are out of bounds."""
    if not column.nullable and values.null_count:
        raise Refused("must not be empty")
    if column.kind.whole:
        values = values.cast(pa.int64())
    elif column.kind is Kind.AMOUNT:
        values = thousandths(values)
    if not in_bounds(column, values):
        raise Refused("out of range")
    return values


def thousandths(amounts: pa.Decimal128Array) -> pa.Array:
    """``decimal128(18, 3)`` as int64 thousandths: the same digits without the point."""
    # A decimal64 has the bits of an int64 of its unscaled value.
    return amounts.cast(pa.decimal64(18, 3)).view(pa.int64())


def _parses(block: Block, rows: list[Row]) -> pa.RecordBatch | None:
    try:
        return _batch(block, b"".join(row for _, row in rows), block.table.columns)
    except (pa.ArrowException, Refused):
        return None


def _first_bad(block: Block, rows: list[Row]) -> Row:
    while len(rows) > 1:
        half = len(rows) // 2
        rows = rows[:half] if _parses(block, rows[:half]) is None else rows[half:]
    return rows[0]


def _sorted_out(block: Block, rows: list[Row]) -> Iterator[pa.RecordBatch | Row]:
    batch = _parses(block, rows)
    if batch is not None:
        yield batch
    elif len(rows) == 1:
        yield rows[0]
    else:
        half = len(rows) // 2
        yield from _sorted_out(block, rows[:half])
        yield from _sorted_out(block, rows[half:])


def _complaint(block: Block, offset: int, row: bytes) -> BadData:
    """What is wrong with a row that does not parse."""
    file = str(block.file)
    line = block.line_at(offset)
    try:
        row.decode()
    except UnicodeDecodeError as error:
        return BadData(f"not UTF-8 text (byte {error.start + 1} of the row)", file=file, line=line)
    try:
        fields = _fields(block, row)
    except pa.ArrowException:
        return BadData(
            f"expected {len(block.columns)} fields", file=file, line=line, value=_shown(row)
        )
    if fields is None:
        return BadData(
            "the row contains a carriage return", file=file, line=line, value=_shown(row)
        )
    for column in block.table.columns:
        value = fields[column.name]
        try:
            _batch(block, row, (column,))
        except (pa.ArrowException, Refused) as error:
            reason = str(error) if isinstance(error, Refused) else _WANTED[column.kind]
            return BadData(reason, file=file, line=line, column=column.name, value=value)
    raise AssertionError(f"the row at {file}:{line} parses column by column only")


_WANTED = {
    Kind.TEXT: "not text",
    Kind.ID: "not a whole number",
    Kind.COUNT: "not a whole number",
    Kind.AMOUNT: "not an amount with up to 3 decimals",
    Kind.INSTANT: "not a time like 2024-12-31 23:59:59",
    Kind.DATE: "not a date like 1969-12-31",
}


def _fields(block: Block, row: bytes) -> dict[str, str] | None:
    """The row's fields; None when the columnar parser sees several rows in it."""
    read = pacsv.ReadOptions(column_names=list(block.columns), use_threads=False)
    convert = pacsv.ConvertOptions(column_types=dict.fromkeys(block.columns, pa.string()))
    rows: list[dict[str, str]]
    rows = pacsv.read_csv(_buffer(row), read, PARSING, convert).to_pylist()
    return rows[0] if len(rows) == 1 else None


def _shown(row: bytes) -> str:
    return row.decode(errors="replace").rstrip("\r\n")
