"""Batches as bytes: exact, canonical, bounded, and refused when damaged."""

from __future__ import annotations

import struct

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffeeshop.codec import MAX_BODY, decode, digest, encode, split
from coffeeshop.errors import CodecError
from tests.unit.helpers import MENU, STORES, TRANSACTIONS, stream


@pytest.mark.parametrize("batch", [*TRANSACTIONS, MENU, MENU.slice(0, 0)])
def test_what_is_encoded_comes_back(batch: pa.RecordBatch) -> None:
    assert decode(encode(batch)).equals(batch, check_metadata=True)


def test_the_metadata_of_a_schema_travels() -> None:
    batch = MENU.replace_schema_metadata({"warnings": '["a"]'})
    assert decode(encode(batch)).schema.metadata == {b"warnings": b'["a"]'}


def test_equal_batches_have_equal_bytes() -> None:
    fresh = pa.record_batch([pa.array([2], pa.int64()), pa.array(["Latte"])], schema=MENU.schema)
    assert encode(MENU.slice(1)) == encode(fresh)


def test_the_announced_schema_is_accepted() -> None:
    assert decode(encode(MENU), MENU.schema).equals(MENU)


WHOLE = st.lists(st.none() | st.integers(-(1 << 63), (1 << 63) - 1), max_size=5)


@given(WHOLE, st.sampled_from([pa.int64(), pa.timestamp("s")]))
def test_whole_numbers_and_instants_of_any_size_come_back(
    values: list[int | None], kind: pa.DataType
) -> None:
    batch = pa.record_batch([pa.array(values, pa.int64()).view(kind)], names=["a"])
    assert decode(encode(batch), batch.schema).equals(batch, check_metadata=True)


@pytest.mark.parametrize(
    ("values", "width"),
    [
        ([-128, 127], pa.int8()),
        ([128], pa.int16()),
        ([-129], pa.int16()),
        ([1 << 15], pa.int32()),
        ([-(1 << 31), (1 << 31) - 1, None], pa.int32()),
        ([1 << 31], pa.int64()),
        ([-(1 << 31) - 1], pa.int64()),
        ([None], pa.int8()),
        ([], pa.int8()),
    ],
)
def test_a_column_travels_in_the_least_width_that_holds_it(
    values: list[int | None], width: pa.DataType
) -> None:
    body = encode(pa.record_batch([pa.array(values, pa.int64())], names=["a"]))
    assert pa.ipc.open_stream(body).schema.types == [width]


def test_a_batch_that_nobody_narrowed_is_accepted() -> None:
    assert decode(stream(MENU), MENU.schema).equals(MENU)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (pa.int32(), None),
        (pa.int32(), "float64"),
        (pa.uint32(), "int64"),
        (pa.float32(), "int64"),
        (pa.string(), "int64"),
    ],
)
def test_only_narrowed_whole_numbers_are_widened(kind: pa.DataType, told: str | None) -> None:
    field = pa.field("a", kind, metadata=None if told is None else {"wide": told})
    batch = pa.record_batch([pa.nulls(2, kind)], schema=pa.schema([field]))
    assert decode(stream(batch)).equals(batch)
    with pytest.raises(CodecError, match="not \\['a'\\]"):
        decode(stream(batch), pa.schema([("a", pa.int64())]))


def test_other_columns_than_announced_are_refused() -> None:
    with pytest.raises(CodecError, match="store_id"):
        decode(encode(STORES), MENU.schema)


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"\xff\xff\xff\xff", encode(MENU)[:40], encode(MENU)[:-60], bytes(64)],
    ids=["nothing", "text", "marker only", "cut schema", "cut body", "zeros"],
)
def test_other_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(CodecError):
        decode(body)


def test_a_stream_without_a_batch_is_refused() -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, MENU.schema):
        pass
    with pytest.raises(CodecError):
        decode(sink.getvalue().to_pybytes())


def test_every_truncation_is_a_codec_error_or_the_batch() -> None:
    body = encode(MENU)
    for end in range(len(body)):
        try:
            assert decode(body[:end]).equals(MENU)
        except CodecError:
            continue


def _wide(rows: int, width: int) -> pa.RecordBatch:
    return pa.record_batch([pa.array(["x" * width] * rows)], names=["text"])


def test_a_small_batch_stays_in_one_piece() -> None:
    assert split(MENU) == [MENU]


def test_an_empty_batch_is_one_piece() -> None:
    assert [piece.num_rows for piece in split(MENU.slice(0, 0))] == [0]


def test_a_large_batch_is_split_below_the_limit_and_loses_no_row() -> None:
    batch = pa.record_batch([pa.array(range(3_000_000), pa.int64())], names=["n"])
    pieces = split(batch)
    assert len(pieces) > 1
    assert all(len(encode(piece)) <= MAX_BODY for piece in pieces)
    assert pa.Table.from_batches(pieces).combine_chunks().to_batches()[0].equals(batch)


def test_a_batch_of_few_large_rows_is_split_into_rows() -> None:
    pieces = split(_wide(3, 3 << 20))
    assert [piece.num_rows for piece in pieces] == [1, 1, 1]


def test_one_row_is_never_split() -> None:
    assert [piece.num_rows for piece in split(_wide(1, 9 << 20))] == [1]


def test_rows_of_uneven_size_are_split_below_the_limit() -> None:
    texts = ["x" * (1 << 20)] * 7 + ["x"] * 21
    batch = pa.record_batch([pa.array(texts)], names=["text"])
    assert all(len(encode(piece)) <= MAX_BODY for piece in split(batch))


def test_the_digest_tells_contents_apart() -> None:
    assert digest(b"a") == digest(b"a")
    assert digest(b"a") != digest(b"b")
    assert len(digest(b"")) == 32


def test_a_stream_of_two_batches_is_refused() -> None:
    with pytest.raises(CodecError, match="expected one batch, not 2"):
        decode(stream(MENU, MENU))


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
@pytest.mark.parametrize("batch", [MENU, _wide(1_000, 20)])
def test_a_compressed_batch_is_refused(batch: pa.RecordBatch, compression: str) -> None:
    with pytest.raises(CodecError, match="compressed"):
        decode(stream(batch, compression=compression))
    assert decode(stream(batch)).equals(batch)


def test_columns_that_share_their_bytes_are_refused() -> None:
    """A few bytes could stand for many columns."""
    numbers = pa.array(range(1_000), pa.int64())
    batch = pa.record_batch({"a": numbers, "b": numbers})
    body = bytearray(stream(batch))
    size = struct.pack("<q", 8_000)
    where = body.rindex(2 * size)  # where the last column's bytes begin, and how many they are
    body[where : where + 8] = bytes(8)
    both = struct.pack("<q", 16_000)
    assert body.count(both) == 1
    whole = body.index(both)
    body[whole : whole + 8] = size
    del body[-8_008:-8]  # before the mark at the end
    with pytest.raises(CodecError, match="share"):
        decode(bytes(body))
    assert decode(stream(batch)).equals(batch)
