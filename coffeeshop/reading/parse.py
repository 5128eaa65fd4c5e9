"""Blocks of CSV text to batches of a table's schema, and bad rows to exact complaints.

One parser decides: a row is bad when the columnar parser refuses it. A block that fails is bisected
with that same parser, so how a file is cut never changes which rows are bad.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import pyarrow as pa
import pyarrow.csv as pacsv

from coffeeshop.errors import BadData
from coffeeshop.operators import NOTHING_LATE, Late
from coffeeshop.reading.blocks import Block
from coffeeshop.reading.dialect import BOM, PLAIN
from coffeeshop.reading.quoting import rows
from coffeeshop.reading.scanner import scan
from coffeeshop.reading.values import (
    ESCAPED_QUOTE,
    ESCAPES,
    Refused,
    checked_text,
    instants,
    midnights,
    spelled_out,
    translated,
    why,
)
from coffeeshop.schema import NULLS, Column, Kind, Table, in_bounds

MOST_BAD_ROWS = 10
"""Rows that a complaint names."""


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
    warnings: tuple[str, ...] = ()


def read(block: Block, late: Late = NOTHING_LATE, *, skip_bad_rows: bool = False) -> Parsed:
    """The block's rows as they travel: by the native scanner where it can, else by `parse`.

    Whole numbers may be narrowed as `codec.encode` does it, and the texts that ``late`` leaves out
    are nulls. Raises what `parse` raises, with the first bad rows of the block.
    """
    if block.dialect == PLAIN:
        scanned = scan(block.table, block.columns, block.body, late)
        if scanned is not None:
            return Parsed(block.table, scanned, (), _doubts(block, scanned))
    try:
        parsed = parse(block, skip_bad_rows=skip_bad_rows)
    except BadData as error:
        error.rows = bad_rows(block, MOST_BAD_ROWS)
        raise
    return replace(parsed, batch=late.withheld(parsed.batch))


def parse(block: Block, *, skip_bad_rows: bool = False) -> Parsed:
    """The block's rows in the table's schema.

    Raises `BadData` for the first bad row with its file, line, column and value, or leaves bad rows
    out and tells them in ``rejected``.
    """
    try:
        batch = _batch(block, block.body, block.table.columns)
        return Parsed(block.table, batch, (), _doubts(block, batch))
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
            bad.append(Rejected(_complaint(block, *piece), _shown(block, piece[1])))
    table = pa.Table.from_batches(good, block.table.schema).combine_chunks()
    batches = table.to_batches() or [pa.RecordBatch.from_pylist([], block.table.schema)]
    return Parsed(block.table, batches[0], tuple(bad), _doubts(block, batches[0]))


def bad_rows(block: Block, most: int) -> tuple[BadData, ...]:
    """What is wrong with the block's first bad rows, at most so many of them."""
    pieces = _sorted_out(block, list(rows(bytes(block.body))))
    bad = (piece for piece in pieces if not isinstance(piece, pa.RecordBatch))
    return tuple(_complaint(block, *piece) for piece in islice(bad, most))


def _doubts(block: Block, batch: pa.RecordBatch) -> tuple[str, ...]:
    """What to warn of: values that may not be meant as they are taken."""
    return (*spelled_out(block.table, batch, block.file), *_cut_off(block))


def _cut_off(block: Block) -> tuple[str, ...]:
    """What to say at the end of a file: that its last value may have been cut off.

    A file without a newline at its end is believed when its last field is not needed, is quoted, or
    has the full length of a time or a date.
    """
    if not block.unended:
        return ()
    *_, (offset, row) = rows(bytes(block.body))
    column = next((c for c in block.table.columns if c.name == block.columns[-1]), None)
    try:
        fields = None if row.endswith(b'"') or column is None else _fields(block, row)
    except pa.ArrowException:
        return ()  # it was refused
    value = "" if fields is None or column is None else fields[column.name]
    if fields is None or column is None or len(value) == FULL_LENGTH.get(column.kind):
        return ()
    return (
        f"{block.file}, line {block.line_at(offset)}: the file ends without a newline; if it was "
        f"cut off, its last value is not whole (column {column.name}, value {value[:80]!r})",
    )


FULL_LENGTH = {Kind.INSTANT: 19, Kind.DATE: 10}


Row = tuple[int, bytes]  # offset in the block, the row's bytes


def _batch(block: Block, body: memoryview | bytes, columns: tuple[Column, ...]) -> pa.RecordBatch:
    try:
        return _read(block, body, columns, pa.timestamp("s"))
    except (pa.ArrowException, Refused):
        if all(column.kind is not Kind.INSTANT for column in columns):
            raise
        # Slower, and it knows a date from its midnight and a fraction of nothing.
        return _read(block, body, columns, pa.string())


def _read(
    block: Block, body: memoryview | bytes, columns: tuple[Column, ...], instant: pa.DataType
) -> pa.RecordBatch:
    """The rows; instants are parsed by the columnar library, or by `values` when they are texts."""
    if ESCAPED_QUOTE.search(body) is not None:
        raise Refused(f"has {ESCAPES}")
    if bytes(body[:1]) in b"\r\n" and not bytes(body).strip(b"\r\n"):
        return pa.RecordBatch.from_pylist([], block.table.schema)
    types = {Kind.ID: pa.float64(), Kind.COUNT: pa.float64(), Kind.INSTANT: instant}
    found = _columns(block, body, {c.name: types.get(c.kind, c.kind.read_type) for c in columns})
    arrays = []
    for column in columns:
        values = found[column.name]
        if column.kind is Kind.TEXT:
            values = translated(values, block.dialect.exchange)
        elif pa.types.is_timestamp(values.type) and (places := midnights(values)) is not None:
            # The library takes a date for its midnight.
            texts = _columns(block, body, {column.name: pa.string()})[column.name]
            instants(texts.filter(places))
        arrays.append(checked(column, values))
    schema = pa.schema([block.table.schema.field(c.name) for c in columns])
    return pa.record_batch(arrays, schema=schema)


def _columns(
    block: Block, body: memoryview | bytes, types: dict[str, pa.DataType]
) -> dict[str, pa.Array]:
    read = pacsv.ReadOptions(
        column_names=list(block.columns), use_threads=False, block_size=max(len(body) + 1, 1024)
    )
    convert = pacsv.ConvertOptions(
        column_types=types,
        include_columns=list(types),
        null_values=list(NULLS),
        strings_can_be_null=True,
        decimal_point=block.dialect.decimal_point,
    )
    table = pacsv.read_csv(_buffer(body), read, PARSING, convert)
    return {name: _one(table[name]) for name in types}


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
    elif column.kind is Kind.TEXT:
        values = checked_text(values)
    elif column.kind is Kind.INSTANT and pa.types.is_string(values.type):
        values = instants(values)
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
    shown = _shown(block, row)
    try:
        row.decode()
    except UnicodeDecodeError as error:
        return BadData(f"not UTF-8 text (byte {error.start + 1} of the row)", file=file, line=line)
    if ESCAPED_QUOTE.search(row) is not None:
        return BadData(f"has {ESCAPES}", file=file, line=line, value=shown)
    try:
        fields = _fields(block, row)
    except pa.ArrowException:
        return BadData(f"expected {len(block.columns)} fields", file=file, line=line, value=shown)
    if fields is None:
        return BadData("the row contains a carriage return", file=file, line=line, value=shown)
    for column in block.table.columns:
        value = fields[column.name]
        try:
            _batch(block, row, (column,))
        except (pa.ArrowException, Refused) as error:
            reason = str(error) if isinstance(error, Refused) else why(column.kind, value)
            return BadData(reason, file=file, line=line, column=column.name, value=value)
    raise AssertionError(f"the row at {file}:{line} parses column by column only")


def _fields(block: Block, row: bytes) -> dict[str, str] | None:
    """The row's fields; None when the columnar parser sees several rows in it."""
    read = pacsv.ReadOptions(column_names=list(block.columns), use_threads=False)
    convert = pacsv.ConvertOptions(column_types=dict.fromkeys(block.columns, pa.string()))
    rows: list[dict[str, str]]
    table = pacsv.read_csv(_buffer(row), read, PARSING, convert)
    rows = [
        {name: block.dialect.exchanged(value.encode()).decode() for name, value in found.items()}
        for found in table.to_pylist()
    ]
    return rows[0] if len(rows) == 1 else None


def _shown(block: Block, row: bytes) -> str:
    """A row as it stands in the file."""
    return block.dialect.exchanged(row).decode(errors="replace").rstrip("\r\n")
