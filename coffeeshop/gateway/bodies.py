"""Request bodies: bounded in size and in patience, and turned into batches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
from starlette.requests import ClientDisconnect, Request

from coffeeshop.codec import MAX_BODY, digest, encode, opened
from coffeeshop.errors import BadData
from coffeeshop.gateway.problems import Problem
from coffeeshop.operators import NOTHING_LATE, Late
from coffeeshop.schema import Column, Table, in_bounds

ARROW = "application/vnd.apache.arrow.stream"
CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
SLOWEST = 64 << 10
"""Bytes a second below which a body is given up, after `PATIENCE`."""
PATIENCE = 10.0
MAX_JSON = 64 << 10

Reader = Callable[[Table, bytes], pa.RecordBatch]
"""A CSV text with its header, or a Parquet file, to the batch of its rows, within the schema's
bounds and perhaps narrowed; raises `BadData`."""
_CHARSETS = ("utf-8", "utf8", "us-ascii", "")


@dataclass(frozen=True)
class Batch:
    """A batch as it goes on: its Arrow bytes and their digest."""

    body: bytes
    digest: str
    rows: int


def announced_size(request: Request, largest: int = MAX_BODY) -> int:
    """The body's size by its Content-Length; `largest` when it does not say. `Problem` 413."""
    text = request.headers.get("content-length")
    if text is None:
        return largest
    size = int(text) if text.isdecimal() and len(text) < 20 else largest + 1
    if size > largest:
        raise Problem(413, f"the body has more than {largest} bytes")
    return size


async def read_body(request: Request, largest: int = MAX_BODY) -> bytes:
    """The whole body. `Problem` 413 when it is too large, 408 when it comes too slowly."""
    began = asyncio.get_running_loop().time() + PATIENCE
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(PATIENCE) as allowed:
            async for piece in request.stream():
                size += len(piece)
                if size > largest:
                    raise Problem(413, f"the body has more than {largest} bytes")
                pieces.append(piece)
                allowed.reschedule(began + size / SLOWEST)
    except TimeoutError:
        raise Problem(408, f"the body arrived slower than {SLOWEST} bytes/s") from None
    except ClientDisconnect:
        raise Problem(400, "the client disconnected") from None
    return b"".join(pieces)


class PulledBody:
    """A body that a thread reads piece by piece, as a binary file. Made in the event loop.

    Nothing is taken from the connection before it is asked for, so a reader that is busy makes the
    sender wait. `Problem` 408 when the body comes too slowly, 400 when the client goes away.
    """

    def __init__(self, request: Request) -> None:
        self._loop = asyncio.get_running_loop()
        self._pieces = aiter(request.stream())
        self._held = b""
        self._waited = 0.0
        self._size = 0

    def read(self, size: int) -> bytes:
        """At least one byte and at most ``size``; nothing at the end. Not in the event loop."""
        while not self._held:
            piece = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
            if piece is None:
                return b""
            self._held = piece
        given, self._held = self._held[:size], self._held[size:]
        return given

    async def drain(self) -> None:
        """Take what is left: a connection can go on only behind the whole body."""
        while await self._next() is not None:
            pass

    async def _next(self) -> bytes | None:
        began = self._loop.time()
        patience = PATIENCE + self._size / SLOWEST - self._waited
        try:
            async with asyncio.timeout(max(0.0, patience)):
                piece = await anext(self._pieces, None)
        except TimeoutError:
            raise Problem(408, f"the body arrived slower than {SLOWEST} bytes/s") from None
        except ClientDisconnect:
            raise Problem(400, "the client disconnected") from None
        self._waited += self._loop.time() - began
        self._size += len(piece or b"")
        return piece


def media_type_of(content_type: str, content_encoding: str) -> str:
    """The media type that a body is read as; `Problem` 415 for one that is packed or of another
    character set."""
    if content_encoding.strip().lower() not in ("", "identity"):
        raise Problem(
            415, f"Content-Encoding {content_encoding} is not accepted: send the body without it"
        )
    media_type, *parameters = (part.strip() for part in content_type.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip(' "').lower() not in _CHARSETS:
            raise Problem(415, f"charset {value} is not accepted: send UTF-8")
    return media_type.lower()


def batch_of(
    table: Table, media_type: str, body: bytes, read: Reader, late: Late = NOTHING_LATE
) -> Batch:
    """The body of a PUT as a batch of its table, without the texts that are ``late``.

    Raises `CodecError` or `BadData` for what is not one, `Problem` 415 for other media types and
    413 for rows whose batch is too large.
    """
    if media_type == ARROW:
        batch, encoded = _arrow_batch(table, late, body), body
    elif media_type in (CSV, PARQUET):
        batch = late.withheld(read(table, body))
        encoded = encode(batch)
    else:
        raise Problem(415, f"unsupported Content-Type: send {ARROW}, {CSV} or {PARQUET}")
    if len(encoded) > MAX_BODY:
        raise Problem(413, f"these rows make a batch of more than {MAX_BODY} bytes")
    return Batch(encoded, digest(encoded), batch.num_rows)


def _arrow_batch(table: Table, late: Late, body: bytes) -> pa.RecordBatch:
    batch = opened(body, late.schema_of(table.schema), table.schema, every_value=True)
    for column, values in zip(table.columns, batch.columns, strict=True):
        if column.name not in late.columns:
            check_values(column, values)
    if (lacking := late.lacking(batch)) is not None:
        raise BadData("must not be empty", column=lacking)
    return batch


def check_values(column: Column, values: pa.Array) -> None:
    """Raise `BadData` for values that the type allows and the schema does not."""
    if values.null_count and not column.nullable:
        raise BadData("must not be empty", column=column.name)
    if not in_bounds(column, values):
        raise BadData("out of range", column=column.name)
