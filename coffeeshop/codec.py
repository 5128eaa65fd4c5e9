"""Record batches to bytes and back: one Arrow IPC stream with one batch each.

The bytes of equal batches are equal, so a digest of the bytes identifies the content.
"""

from __future__ import annotations

import struct

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from coffeeshop.errors import CodecError

MAX_BODY = 4 << 20
"""The largest body of a record, in bytes."""
_FRAME = 64 << 10  # what the stream format may add to the columns
MAX_WIDE = MAX_BODY - _FRAME
"""The most bytes of columns, before they are narrowed, that surely fit into a body."""
_SHOWN = 500  # characters of foreign text in an error
_HEADER, _COMPRESSION = 2, 3
"""Numbers of fields in Arrow's ``Message`` and ``RecordBatch`` tables."""
_NARROW = {pa.int8(): 7, pa.int16(): 15, pa.int32(): 31}
"""Types that a whole number may have in a body, with their bits apart from the sign."""
_WIDE = {str(wide).encode(): wide for wide in (pa.int64(), pa.timestamp("s"))}
"""Types of columns that are narrowed, by what the body says of them."""
_WIDTH = b"wide"
"""In the metadata of a body's field: the type of the column."""


def encode(batch: pa.RecordBatch) -> bytes:
    """The batch as an Arrow IPC stream. Never larger than ``MAX_BODY`` for a batch of `split`.

    Whole numbers and instants have the least width that holds all of their column: most ids, counts
    and amounts need one to four of their eight bytes. `decode` gives them their type again.
    """
    narrow = _narrowed(batch)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, narrow.schema) as writer:
        writer.write_batch(narrow)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def decode(body: bytes, schema: pa.Schema | None = None) -> pa.RecordBatch:
    """The one batch in ``body``, sharing its memory where nothing was narrowed.

    Raises `CodecError` as `opened` does.
    """
    return _widened(opened(body, *([] if schema is None else [schema])))


def opened(body: bytes, *schemas: pa.Schema, every_value: bool = False) -> pa.RecordBatch:
    """The one batch in ``body`` as it travels, with narrowed columns, sharing its memory.

    Raises `CodecError` when the bytes are no such stream, are damaged, hold several batches, are
    compressed (a few bytes may stand for gigabytes) or, where ``schemas`` are given, have none of
    them. ``every_value`` looks at each text too.
    """
    try:
        with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
            wide = _wide(reader.schema)
            if schemas and not any(wide.equals(schema) for schema in schemas):
                found = str(reader.schema.names)[:_SHOWN]
                raise CodecError(f"the batch has {found}, not {schemas[0].names}")
            _check_messages(body)
            batch = reader.read_next_batch()
            if batch.nbytes > len(body):
                raise CodecError("several columns share their bytes")
            batch.validate()
    except (pa.ArrowException, StopIteration, OSError, ValueError, struct.error) as error:
        raise CodecError(f"not an Arrow batch: {str(error)[:_SHOWN]}") from error
    if every_value:
        try:
            batch.validate(full=True)
        except (pa.ArrowException, ValueError) as error:
            raise CodecError(f"the batch is damaged: {str(error)[:_SHOWN]}") from error
    return batch


def _narrowed(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [_narrow(column) for column in batch.columns]
    schema = narrow_schema(batch.schema, tuple(column.type for column in columns))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def narrow_schema(schema: pa.Schema, types: tuple[pa.DataType, ...]) -> pa.Schema:
    """The schema that a body has whose columns were narrowed from ``schema`` to ``types``."""
    fields = [
        field
        if field.type == narrow
        else field.with_type(narrow).with_metadata({_WIDTH: str(field.type)})
        for field, narrow in zip(schema, types, strict=True)
    ]
    return pa.schema(fields, schema.metadata)


def _narrow(column: pa.Array) -> pa.Array:
    if column.type not in _WIDE.values():
        return column
    whole = column.view(pa.int64())
    ends = pc.min_max(whole).as_py()
    least, largest = ends["min"] or 0, ends["max"] or 0
    for width, bits in _NARROW.items():
        if -(1 << bits) <= least and largest < 1 << bits:
            return whole.cast(width, safe=False)
    return column


def _wide(schema: pa.Schema) -> pa.Schema:
    """The schema of what `encode` was given."""
    return pa.schema(map(wide_field, schema), schema.metadata)


def wide_field(field: pa.Field) -> pa.Field:
    """The column that travels as ``field``, as it was before it was narrowed."""
    told = (field.metadata or {}).get(_WIDTH, b"")
    if told in _WIDE and field.type in _NARROW:
        return field.with_type(_WIDE[told]).remove_metadata()
    return field


def _widened(batch: pa.RecordBatch) -> pa.RecordBatch:
    schema = _wide(batch.schema)
    columns = map(widened_column, batch.columns, schema)
    return pa.RecordBatch.from_arrays(list(columns), schema=schema)


def widened_column(column: pa.Array, wide: pa.Field) -> pa.Array:
    """The column with the type of ``wide``, which is `wide_field` of its own field."""
    return column if column.type == wide.type else column.cast(pa.int64()).view(wide.type)


def _check_messages(body: bytes) -> None:
    messages = pa.ipc.MessageReader.open_stream(pa.py_buffer(body))
    batches = [message for message in messages if message.type == "record batch"]
    if len(batches) > 1:
        raise CodecError(f"expected one batch, not {len(batches)}")
    if batches and _is_compressed(batches[0].metadata.to_pybytes()):
        raise CodecError("compressed batches are not accepted")


def _is_compressed(metadata: bytes) -> bool:
    """Whether a record batch's message, a flatbuffer that Arrow has verified, names a codec."""
    (message,) = struct.unpack_from("<I", metadata, 0)
    batch = _field(metadata, message, _HEADER)
    (offset,) = struct.unpack_from("<I", metadata, batch)
    return _field(metadata, batch + offset, _COMPRESSION) != 0


def _field(metadata: bytes, table: int, number: int) -> int:
    """Where a table's field is; 0 when the table does not have it."""
    (back,) = struct.unpack_from("<i", metadata, table)
    (size,) = struct.unpack_from("<H", metadata, table - back)
    at = 4 + 2 * number
    if at >= size:
        return 0
    (offset,) = struct.unpack_from("<H", metadata, table - back + at)
    return table + int(offset) if offset else 0


def split(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    """The batch in pieces that encode to at most ``MAX_BODY`` (at least one, also when empty)."""
    if batch.num_rows <= 1 or batch.nbytes <= MAX_WIDE:
        return [batch]
    half = batch.num_rows // 2
    return split(batch.slice(0, half)) + split(batch.slice(half))


def digest(body: bytes) -> str:
    """A content digest of a body, for telling two answers to one id apart.

    It tells repeats apart and is no defence: a client that may send a batch may send any rows.
    """
    return str(xxhash.xxh3_128_hexdigest(body))
