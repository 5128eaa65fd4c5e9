"""Request bodies: bounded, and turned into batches or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from coffeeshop.client.part import csv_batch
from coffeeshop.codec import MAX_BODY, decode, encode
from coffeeshop.errors import BadData, CodecError
from coffeeshop.gateway import bodies
from coffeeshop.gateway.bodies import ARROW, CSV, Batch, announced_size, batch_of, read_body
from coffeeshop.gateway.problems import Problem
from coffeeshop.schema import TABLES
from tests.unit.helpers import DATA, MENU, STORES, TRANSACTIONS, USERS

USERS_CSV = b"user_id,gender,birthdate,registered_at\n1.0,x,1969-12-31,y\n2,x,NULL,y\n"


def request(
    pieces: Iterable[bytes] = (), headers: dict[str, str] | None = None, *, end: str = "done"
) -> Request:
    """A request whose body comes in pieces and then is done, gone, or stuck.

    ``later``: the last piece takes a moment."""
    last: dict[str, Any] = {"type": "http.request", "body": b"", "more_body": False}
    if end == "gone":
        last = {"type": "http.disconnect"}
    waiting = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    waiting.append(last)

    async def receive() -> dict[str, Any]:
        if end == "stuck" and len(waiting) == 1:
            await asyncio.Event().wait()
        if end == "later" and len(waiting) == 2:
            await asyncio.sleep(0.001)
        return waiting.pop(0)

    raw = [(k.encode(), v.encode("latin-1")) for k, v in (headers or {}).items()]
    return Request({"type": "http", "method": "PUT", "headers": raw}, receive)


def refused(status: int, awaited: Any) -> Problem:
    with pytest.raises(Problem) as error:
        asyncio.run(awaited)
    assert error.value.status == status
    return error.value


def arrow(table: str, body: bytes) -> Batch:
    return batch_of(table, ARROW, body, csv_batch)


def text(table: str, body: bytes) -> pa.RecordBatch:
    return decode(batch_of(table, CSV, body, csv_batch).body, TABLES[table].schema)


# How it arrives.


def test_a_body_arrives_in_any_pieces() -> None:
    assert asyncio.run(read_body(request([b"ab", b"", b"c"]))) == b"abc"
    assert asyncio.run(read_body(request())) == b""


@pytest.mark.parametrize("pieces", [[b"x" * 11], [b"x" * 10, b"y"]])
def test_a_body_without_a_length_is_cut_off_at_the_limit(pieces: list[bytes]) -> None:
    assert asyncio.run(read_body(request([b"x" * 10]), largest=10)) == b"x" * 10
    refused(413, read_body(request(pieces), largest=10))


def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.01)
    refused(408, read_body(request([b"some"], end="stuck")))


def test_what_came_gives_time_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.0)
    monkeypatch.setattr(bodies, "SLOWEST", 1)
    assert asyncio.run(read_body(request([bytes(600), b"end"], end="later"))).endswith(b"end")


def test_a_client_that_goes_away_in_the_middle_is_a_client_error() -> None:
    refused(400, read_body(request([b"some"], end="gone")))


@pytest.mark.parametrize(
    ("headers", "size"),
    [({}, MAX_BODY), ({"content-length": "0"}, 0), ({"content-length": str(MAX_BODY)}, MAX_BODY)],
)
def test_the_announced_size_is_the_length_or_the_most_there_may_be(
    headers: dict[str, str], size: int
) -> None:
    assert announced_size(request(headers=headers)) == size


@pytest.mark.parametrize("length", [str(MAX_BODY + 1), "9" * 5000, "-1", "many", "²", ""])
def test_a_length_that_is_too_large_or_none_is_refused_before_reading(length: str) -> None:
    with pytest.raises(Problem) as error:
        announced_size(request(headers={"content-length": length}))
    assert error.value.status == 413


# Arrow.


@pytest.mark.parametrize("table", DATA)
def test_an_arrow_batch_goes_on_byte_for_byte(table: str) -> None:
    body = encode(DATA[table][0])
    taken = arrow(table, body)
    assert (taken.body, taken.rows) == (body, DATA[table][0].num_rows)
    assert taken.digest == arrow(table, body).digest


def test_two_contents_have_two_digests() -> None:
    first, second = (arrow("transactions", encode(each)) for each in TRANSACTIONS)
    assert first.digest != second.digest


@pytest.mark.parametrize("body", [b"", b"hello", encode(USERS)[:90], encode(USERS)[:-60]])
def test_a_damaged_arrow_stream_is_refused(body: bytes) -> None:
    with pytest.raises(CodecError):
        arrow("users", body)


def test_any_one_byte_changed_is_refused_or_still_a_batch_of_the_table() -> None:
    body = encode(STORES)
    for place in range(len(body)):
        changed = body[:place] + bytes([body[place] ^ 0x55]) + body[place + 1 :]
        try:
            taken = arrow("stores", changed)
        except (CodecError, BadData):
            continue
        assert decode(taken.body).schema.equals(STORES.schema)


@pytest.mark.parametrize(
    "batch",
    [
        STORES,
        USERS.rename_columns(["id", "birthdate"]),
        USERS.append_column("more", pa.array([1, 2])),
        USERS.select(["user_id"]),
        USERS.select(["birthdate", "user_id"]),
        USERS.set_column(0, "user_id", pa.array([1.0, 2.0])),
    ],
    ids=["another table", "other names", "one more", "one less", "another order", "floats"],
)
def test_other_columns_are_refused(batch: pa.RecordBatch) -> None:
    with pytest.raises(CodecError, match="the batch has"):
        arrow("users", encode(batch))


def stream(*batches: pa.RecordBatch, compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def test_a_second_batch_is_not_lost_in_silence() -> None:
    with pytest.raises(CodecError, match="one batch is wanted, not 2"):
        arrow("transactions", stream(*TRANSACTIONS))


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_a_few_bytes_that_stand_for_many_are_refused(compression: str) -> None:
    rows = 1_000_000
    batch = pa.record_batch(
        [pa.array(np.zeros(rows, "i8")), pa.nulls(rows, pa.string())], schema=MENU.schema
    )
    body = stream(batch, compression=compression)
    before = pa.total_allocated_bytes()
    assert len(body) < 100_000
    with pytest.raises(CodecError, match="compressed"):
        arrow("menu_items", body)
    assert pa.total_allocated_bytes() <= before


def test_a_value_may_be_missing_only_where_the_schema_says_so() -> None:
    nobody = pa.record_batch([pa.nulls(1, pa.int64()), pa.nulls(1, pa.date32())], USERS.schema)
    nobody = pa.record_batch(nobody.columns, schema=USERS.schema)
    with pytest.raises(BadData, match="user_id: must not be empty"):
        arrow("users", encode(nobody))


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("users", "user_id", 2**53 + 1),
        ("users", "user_id", -(2**63)),
        ("users", "birthdate", 2**31 - 1),
        ("users", "birthdate", -(2**31)),
        ("transactions", "final_amount", 10**10 + 1),
        ("transactions", "created_at", 2**62),
        ("transactions", "created_at", -(2**62)),
        ("transaction_items", "quantity", 2**62),
        ("transaction_items", "subtotal", -(10**10) - 1),
    ],
)
def test_a_value_beyond_the_schemas_bounds_is_refused(table: str, column: str, value: int) -> None:
    schema = TABLES[table].schema
    good = DATA[table][0].slice(0, 1)
    place = schema.get_field_index(column)
    kind = schema.field(column).type
    whole = "i4" if kind == pa.date32() else "i8"
    values = pa.array(np.array([value], whole)).view(kind)
    columns = [values if i == place else each for i, each in enumerate(good.columns)]
    with pytest.raises(BadData, match=f"column {column}: out of range"):
        arrow(table, encode(pa.record_batch(columns, schema=schema)))


def test_text_that_is_not_utf8_is_refused() -> None:
    names = pa.array([b"\xff"], pa.binary()).view(pa.string())
    with pytest.raises(CodecError, match="damaged"):
        arrow("menu_items", encode(pa.record_batch([pa.array([1]), names], schema=MENU.schema)))


# CSV.


def test_a_csv_text_becomes_a_batch_of_the_needed_columns() -> None:
    assert text("users", USERS_CSV).to_pylist() == [
        {"user_id": 1, "birthdate": pa.scalar(-1, pa.int32()).cast(pa.date32()).as_py()},
        {"user_id": 2, "birthdate": None},
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"user_id,birthdate\n",
        b"user_id,birthdate",
        b"\xef\xbb\xbfbirthdate,more,user_id\r\n",
    ],
)
def test_a_header_alone_is_a_batch_without_rows(body: bytes) -> None:
    assert text("users", body).num_rows == 0


@pytest.mark.parametrize(
    ("body", "line", "column", "value"),
    [
        (USERS_CSV + b"three,x,1990-01-01,y\n", 4, "user_id", "three"),
        (USERS_CSV.replace(b"1969-12-31", b"1969-13-31"), 2, "birthdate", "1969-13-31"),
        (USERS_CSV + b",x,1990-01-01,y\n", 4, "user_id", None),
        (USERS_CSV + b"9007199254740994,x,,y\n", 4, "user_id", "9007199254740994"),
    ],
)
def test_a_bad_csv_value_is_named_with_line_column_and_value(
    body: bytes, line: int, column: str, value: str | None
) -> None:
    with pytest.raises(BadData) as error:
        text("users", body)
    found = error.value
    assert (found.line, found.column, found.value or None) == (line, column, value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b"user_id,user_id,birthdate\n",
        b"user_id\n1\n",
        b'user_id,birthdate\n"1,1990-01-01\n',
        b"user_id,birthdate\n1,1990-01-01,more\n",
        b"user_id,birthdate\n1,\xff\xfe\n",
        b"user_id,birthdate\nx,\r1,",
        b"user_id\r,birthdate",
        "user_id,birthdate\n1,1990-01-01\n".encode("utf-16"),
    ],
    ids=range(10),
)
def test_what_is_no_csv_of_the_table_is_bad_data(body: bytes) -> None:
    with pytest.raises(BadData):
        text("users", body)


@given(st.binary(max_size=200) | st.text("1,\"\n\r 0-:.NUL'e\0é", max_size=60).map(str.encode))
def test_whatever_csv_a_client_sends_is_taken_or_called_bad(tail: bytes) -> None:
    try:
        batch = text("users", b"user_id,birthdate\n" + tail)
    except BadData:
        return
    assert batch.schema.equals(USERS.schema)


@given(st.binary(max_size=80))
def test_whatever_header_a_client_sends_is_taken_or_called_bad(body: bytes) -> None:
    try:
        text("stores", body)
    except BadData:
        return


@pytest.mark.parametrize("media_type", ["", "application/json", "text/plain", "application/csv"])
def test_other_media_types_are_refused(media_type: str) -> None:
    with pytest.raises(Problem) as error:
        batch_of("users", media_type, USERS_CSV, csv_batch)
    assert error.value.status == 415


def test_rows_that_make_too_large_a_batch_are_refused() -> None:
    row = b"1,a\n"
    body = b"item_id,item_name\n" + row * (MAX_BODY // len(row) - 10)
    with pytest.raises(Problem) as error:
        batch_of("menu_items", CSV, body, csv_batch)
    assert error.value.status == 413
