"""Request bodies: bounded, and CSV texts turned into batches or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from coffeeshop.codec import MAX_BODY, decode
from coffeeshop.errors import BadData
from coffeeshop.gateway import bodies
from coffeeshop.gateway.bodies import CSV, announced_size, batch_of, read_body
from coffeeshop.gateway.problems import Problem
from coffeeshop.reading.bodies import csv_body
from coffeeshop.schema import TABLES
from tests.unit.helpers import USERS

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


def text(table: str, body: bytes) -> pa.RecordBatch:
    return decode(batch_of(TABLES[table], CSV, body, csv_body).body, TABLES[table].schema)


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
        "user_id,birthdate\n1,1990-01-01\n".encode("utf-16-le"),
        "user_id,birthdate\n1,1990-01-01\n".encode("utf-32"),
        "user_id,birthdate\n1,1990-01-01\n".encode("utf-16")[:-1],
    ],
    ids=range(12),
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
        batch = text("stores", body)
    except BadData:
        return
    assert batch.schema.equals(TABLES["stores"].schema)


@pytest.mark.parametrize("media_type", ["", "application/json", "text/plain", "application/csv"])
def test_other_media_types_are_refused(media_type: str) -> None:
    with pytest.raises(Problem) as error:
        batch_of(TABLES["users"], media_type, USERS_CSV, csv_body)
    assert error.value.status == 415


def test_rows_that_make_too_large_a_batch_are_refused() -> None:
    row = b"1,a\n"
    body = b"item_id,item_name\n" + row * (MAX_BODY // len(row) - 10)
    with pytest.raises(Problem) as error:
        batch_of(TABLES["menu_items"], CSV, body, csv_body)
    assert error.value.status == 413
