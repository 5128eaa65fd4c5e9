"""Bodies that nobody should send: a clear 4xx, nothing broken, nothing left."""

from __future__ import annotations

import json
import struct
from functools import cache
from typing import Any

import httpx2 as httpx
import numpy as np
import pyarrow as pa
import pytest

from coffeeshop.codec import MAX_BODY, encode
from coffeeshop.gateway.bodies import MAX_JSON
from tests.acceptance.hostile.refusals import ARROW, refused
from tests.running import Running, http
from tests.unit.helpers import STORES, USERS


def batch(columns: dict[str, Any]) -> bytes:
    return encode(pa.record_batch(columns))


def stream(made: pa.RecordBatch, compression: str) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, made.schema, options=options) as writer:
        writer.write_batch(made)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def bomb(compression: str) -> bytes:
    """A few bytes that stand for 400 MB."""
    rows = 25_000_000
    zeros = pa.record_batch({"user_id": np.zeros(rows, "i8"), "birthdate": np.zeros(rows, "i8")})
    made = stream(zeros, compression)
    assert len(made) < MAX_BODY
    return made


def nested(depth: int) -> pa.DataType:
    kind = pa.int64()
    for _ in range(depth):
        kind = pa.list_(kind)
    return kind


@cache
def arrow_bodies() -> dict[str, bytes]:
    good = encode(USERS)
    ids = pa.array([1, 2])
    many = {f"c{number}": pa.array([1]) for number in range(15_000)}
    longer = bytearray(good)
    struct.pack_into("<i", longer, 4, 0x7FFFFFF0)
    return {
        "nothing": b"",
        "text": b"user_id,birthdate\n1,\n",
        "cut in the schema": good[:60],
        "cut in the body": good[:-40],
        "an endless schema": bytes(longer),
        "a marker": b"\xff\xff\xff\xff",
        "negative length": b"\xff\xff\xff\xff\xff\xff\xff\xff" + good,
        "another table": encode(STORES),
        "a dictionary": batch({"user_id": ids.dictionary_encode(), "birthdate": [None, None]}),
        "an extension": batch({"user_id": pa.array(["{}"], pa.json_()), "birthdate": [None]}),
        "a struct": batch({"user_id": pa.array([{"a": 1}]), "birthdate": pa.array([None])}),
        "deep lists": encode(pa.record_batch([pa.nulls(1, nested(60))], names=["user_id"])),
        "15,000 columns": encode(pa.record_batch(many)),
        "zeros": bytes(1 << 20),
    }


@pytest.mark.parametrize("name", arrow_bodies())
def test_arrow_bytes_that_are_no_batch_of_the_table(
    api: httpx.Client, session: str, name: str
) -> None:
    path = f"/v1/sessions/{session}/tables/users/batches/0"
    answer = api.put(path, content=arrow_bodies()[name], headers={"Content-Type": ARROW})
    refused(answer, 422)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_compressed_bomb_is_refused_before_it_is_unpacked(
    api: httpx.Client, session: str, compression: str
) -> None:
    body = bomb(compression)
    before = pa.total_allocated_bytes()
    path = f"/v1/sessions/{session}/tables/users/batches/0"
    refused(api.put(path, content=body, headers={"Content-Type": ARROW}), 422)
    assert pa.total_allocated_bytes() <= before + MAX_BODY


CSV_BODIES = {
    "nothing": b"",
    "NUL bytes": b"user_id,birthdate\n1\x00,\n",
    "only NUL bytes": bytes(1 << 20),
    "an open quote": b'user_id,birthdate\n"1,\n',
    "binary": bytes(range(256)) * 100,
    "100,000 columns": ",".join(f"c{n}" for n in range(100_000)).encode() + b"\n",
    "a header without end": b"x" * 2_000_000,
    "ragged rows": b"user_id,birthdate\n1\n2,,,,\n",
    "numbers without end": b"user_id,birthdate\n" + b"9" * 1_000_000 + b",\n",
    "not a number": b"user_id,birthdate\nnan,\ninf,\n",
    "UTF-16 without a mark": "user_id,birthdate\n1,\n".encode("utf-16-le"),
    "a formula": b"user_id,birthdate\n=1+1,\n",
    "newlines": b"\n" * 1_000_000,
    "quotes": b'"' * 1_000_000,
    "commas": b"user_id,birthdate\n" + b"," * 1_000_000,
}


@pytest.mark.parametrize("name", CSV_BODIES)
def test_texts_that_are_no_rows_of_the_table(api: httpx.Client, session: str, name: str) -> None:
    path = f"/v1/sessions/{session}/tables/users/batches/0"
    answer = api.put(path, content=CSV_BODIES[name], headers={"Content-Type": "text/csv"})
    refused(answer, 413, 422)


def test_a_csv_text_with_100_000_columns_more_is_taken_or_refused_in_time(
    api: httpx.Client, session: str
) -> None:
    more = 100_000
    head = "user_id,birthdate," + ",".join(f"c{n}" for n in range(more))
    text = f"{head}\n1,,{',' * (more - 1)}\n"
    path = f"/v1/sessions/{session}/tables/users/batches/7"
    answer = api.put(path, content=text, headers={"Content-Type": "text/csv"})
    assert answer.status_code in (204, 413, 422), answer.text
    assert answer.elapsed.total_seconds() < 10


JSON_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "deep lists": b"[" * 30_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "deep in a field": b'{"name":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "too large": b'{"name": "' + b"x" * MAX_JSON + b'"}',
    "an endless number": b'{"producers": ' + b"9" * 20_000 + b"}",
    "infinity": b'{"producers": Infinity}',
    "a large exponent": b'{"partitions": 1e999999}',
    "a lone surrogate": b'{"name": "\\ud800"}',
    "NUL": b'{"name": "\\u0000"}',
    "a path": b'{"name": "../../etc/passwd"}',
    "another path": b'{"name": "..\\\\x"}',
    "a line": b'{"name": "a\\nb"}',
    "a long name": b'{"name": "' + b"x" * 201 + b'"}',
    "another field": b'{"owner": "admin"}',
    "not UTF-8": b'{"name": "\xff"}',
    "many keys": json.dumps({f"k{n}": n for n in range(4_000)}).encode(),
    "a wrong id": b'{"id": "../x"}',
    "a number": b"1",
    "null": b"null",
}


@pytest.mark.parametrize("name", JSON_BODIES)
def test_json_that_is_no_wish_for_a_session(api: httpx.Client, name: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = api.post("/v1/sessions", content=JSON_BODIES[name], headers=headers)
    refused(answer, 400, 413, 422)


@pytest.mark.parametrize(
    "body", [b"[" * 30_000, b'{"batches": -1}', b'{"batches": 1e400}', b'{"batches": 1.5}', b"{}"]
)
def test_json_that_is_no_end_of_a_table(api: httpx.Client, session: str, body: bytes) -> None:
    path = f"/v1/sessions/{session}/tables/users/eof"
    answer = api.put(path, content=body, headers={"Content-Type": "application/json"})
    refused(answer, 400, 422)


@pytest.mark.parametrize("kind", ["", "text/html", "application/json", "text/csvx", "x" * 9_000])
def test_a_body_of_another_kind(api: httpx.Client, session: str, kind: str) -> None:
    path = f"/v1/sessions/{session}/tables/users/batches/0"
    answer = api.put(path, content=b"x", headers={"Content-Type": kind})
    refused(answer, 415)


def test_a_flood_of_wrong_requests_leaves_nothing(system: Running, session: str) -> None:
    with http(system) as api:
        path = f"/v1/sessions/{session}/tables/users/batches/0"
        for number in range(100):
            body = bytes([number]) * 100_000
            refused(api.put(path, content=body, headers={"Content-Type": ARROW}), 422)
