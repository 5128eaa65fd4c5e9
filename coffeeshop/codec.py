"""Record batches to bytes and back: one Arrow IPC stream with one batch each.

The bytes of equal batches are equal, so a digest of the bytes identifies the content.
"""

from __future__ import annotations

import hashlib

import pyarrow as pa

from coffeeshop.errors import CodecError

MAX_BODY = 4 << 20
"""The largest body of a record, in bytes."""
_FRAME = 64 << 10  # what the stream format may add to the columns


def encode(batch: pa.RecordBatch) -> bytes:
    """The batch as an Arrow IPC stream. Never larger than ``MAX_BODY`` for a batch of `split`."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def decode(body: bytes, schema: pa.Schema | None = None) -> pa.RecordBatch:
    """The one batch in ``body``, sharing its memory.

    Raises `CodecError` when the bytes are no such stream, are damaged, or (where ``schema`` is
    given) hold other columns.
    """
    try:
        with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
            batch = reader.read_next_batch()
            batch.validate()
    except (pa.ArrowException, StopIteration, OSError, ValueError) as error:
        raise CodecError(f"not an Arrow batch: {error}") from error
    if schema is not None and not batch.schema.equals(schema):
        raise CodecError(f"the batch has {batch.schema.names}, not {schema.names}")
    return batch


def split(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    """The batch in pieces that encode to at most ``MAX_BODY`` (at least one, also when empty)."""
    if batch.num_rows <= 1 or batch.nbytes <= MAX_BODY - _FRAME:
        return [batch]
    half = batch.num_rows // 2
    return split(batch.slice(0, half)) + split(batch.slice(half))


def digest(body: bytes) -> str:
    """A content digest of a body, for telling two answers to one id apart."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()
