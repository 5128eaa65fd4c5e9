"""Input that nobody should send, over real sockets: a clear 4xx, nothing broken, nothing left."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx2 as httpx
import numpy as np
import pyarrow as pa
import pytest

from coffeeshop.codec import MAX_BODY, encode
from coffeeshop.gateway import state
from coffeeshop.gateway.bodies import MAX_JSON
from coffeeshop.gateway.lifetimes import Lifetimes
from coffeeshop.schema import TABLES
from coffeeshop.service import resident_bytes
from tests.running import PATIENCE, Running, eventually, http, new_id, running
from tests.unit.helpers import MENU, STORES, USERS

ARROW = "application/vnd.apache.arrow.stream"
SMALL = 64 << 20
"""Bytes of memory that no refused request may cost for good."""


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with running(lifetimes=Lifetimes(client_timeout=3600.0)) as made:
        yield made


@pytest.fixture(scope="module")
def api(system: Running) -> Iterator[httpx.Client]:
    with http(system) as made:
        yield made


@pytest.fixture(autouse=True)
def harmless(system: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test sends: no thread, no bytes, no memory stay; and the gateway still answers."""
    monkeypatch.setattr(state, "NEWS_TIMEOUT", 0.02)
    memory, arrow = resident_bytes(), pa.total_allocated_bytes()
    threads = threading.active_count()
    yield
    gateway = system.gateways[0].gateway
    eventually(lambda: gateway.admission.in_memory == 0, "no body is held")
    assert threading.active_count() <= threads + 45  # the event loop's pool has at most 40
    assert resident_bytes() - memory < SMALL
    assert pa.total_allocated_bytes() - arrow < SMALL
    with http(system) as probe:
        assert probe.get("/readyz").status_code == 200


@pytest.fixture(scope="module")
def session(api: httpx.Client) -> str:
    found: str = api.post("/v1/sessions", json={}).json()["id"]
    return found


def refused(answer: httpx.Response, *statuses: int) -> str:
    assert answer.status_code in statuses, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 4_000
    assert "Traceback" not in answer.text
    return answer.text


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
    "UTF-16": "user_id,birthdate\n1,\n".encode("utf-16"),
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


PATHS = (
    "/v1/sessions/..",
    "/v1/sessions/../../etc/passwd",
    "/v1/sessions/%2e%2e%2fetc",
    "/v1/sessions/%00",
    "/v1/sessions/" + "a" * 8_000,
    "/v1/sessions/{0}x",
    "/v1/sessions/{0}/results/query9",
    "/v1/sessions/{0}/results/..%2f..",
    "/v1/sessions/{0}/downloads/..%2fquery1.csv",
    "/v1/sessions/%ff%fe",
    "/v1/sessions?limit=0",
    "/v1/sessions?limit=99999999999999999999999",
    "/v1/sessions?state=all",
    "/v1/sessions?after=1e999",
    "/v1/sessions?after=%00",
    "//v1//sessions",
)


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_lead_nowhere(system: Running, session: str, path: str) -> None:
    found = raw(system, f"GET {path.replace('{0}', session)} HTTP/1.1\r\n".encode())
    assert re.match(rb"HTTP/1\.1 (400|404|405|414|422|431) ", found), found[:200]


def test_a_page_beyond_the_end_is_empty(api: httpx.Client) -> None:
    for after in ("0_" + new_id(), "1e-999_" + new_id()):
        assert api.get("/v1/sessions", params={"after": after}).json()["sessions"] == []
    far = api.get("/v1/sessions", params={"after": "1e999_" + new_id()})
    assert far.status_code == 200


@pytest.mark.parametrize("value", ["-2", "x", str(1 << 63), "9" * 400, "1.5"])
def test_an_event_id_that_is_none(api: httpx.Client, session: str, value: str) -> None:
    headers = {"Last-Event-ID": value}
    refused(api.get(f"/v1/sessions/{session}/events", headers=headers), 400, 422)


@pytest.mark.parametrize(
    ("table", "number", "producer"),
    [
        ("users", "-1", "0"),
        ("users", "9" * 30, "0"),
        ("users", "x", "0"),
        ("users", "0", "-1"),
        ("users", "0", "10000"),
        ("users", "0", "1"),
        ("nothing", "0", "0"),
        ("%2e%2e", "0", "0"),
    ],
)
def test_numbers_and_tables_that_there_are_not(
    api: httpx.Client, session: str, table: str, number: str, producer: str
) -> None:
    path = f"/v1/sessions/{session}/tables/{table}/batches/{number}?producer={producer}"
    refused(api.put(path, content=encode(USERS), headers={"Content-Type": ARROW}), 404, 409, 422)


@pytest.mark.parametrize("kind", ["", "text/html", "application/json", "text/csvx", "x" * 9_000])
def test_a_body_of_another_kind(api: httpx.Client, session: str, kind: str) -> None:
    path = f"/v1/sessions/{session}/tables/users/batches/0"
    answer = api.put(path, content=b"x", headers={"Content-Type": kind})
    refused(answer, 415)


# The end-of-stream protocol.


def fed(api: httpx.Client, session: str, table: str, number: int, made: pa.RecordBatch) -> int:
    path = f"/v1/sessions/{session}/tables/{table}/batches/{number}"
    answer = api.put(path, content=encode(made), headers={"Content-Type": ARROW})
    return answer.status_code


def ended(api: httpx.Client, session: str, table: str, batches: int) -> int:
    path = f"/v1/sessions/{session}/tables/{table}/eof"
    return api.put(path, json={"batches": batches}).status_code


def test_counts_that_contradict_what_was_sent_or_said(api: httpx.Client) -> None:
    session = api.post("/v1/sessions", json={}).json()["id"]
    assert fed(api, session, "menu_items", 0, MENU) == 204
    assert fed(api, session, "menu_items", 0, MENU) == 204
    assert fed(api, session, "menu_items", 0, MENU.slice(1)) == 409  # another body, the same number
    assert ended(api, session, "menu_items", 2) == 204
    assert ended(api, session, "menu_items", 2) == 204
    for other in (0, 1, 3):
        assert ended(api, session, "menu_items", other) == 409
    assert fed(api, session, "menu_items", 2, MENU) == 409
    assert fed(api, session, "menu_items", 1 << 39, MENU) == 409
    assert fed(api, session, "menu_items", 1, MENU.slice(1)) == 204


def test_a_count_that_is_smaller_than_what_was_sent_ends_in_one_failure(api: httpx.Client) -> None:
    session = api.post("/v1/sessions", json={}).json()["id"]
    for number in (0, 1, 2):
        assert fed(api, session, "menu_items", number, MENU) == 204
    assert ended(api, session, "menu_items", 1) == 204
    events = api.get(f"/v1/sessions/{session}/events").text
    assert events.count("event: failed") == 1
    assert "event: completed" not in events
    assert "menu_items" in events


def test_a_gap_in_the_numbers_is_waited_for_and_never_answered_without(api: httpx.Client) -> None:
    session = api.post("/v1/sessions", json={}).json()["id"]
    for table in TABLES:
        assert ended(api, session, table, 2 if table == "menu_items" else 0) == 204
    assert fed(api, session, "menu_items", 1, MENU) == 204  # 0 is missing
    assert api.get(f"/v1/sessions/{session}").json()["state"] == "open"
    answer = api.get(f"/v1/sessions/{session}/results/query2_best_selling")
    assert answer.status_code == 409
    assert fed(api, session, "menu_items", 0, MENU.slice(0, 0)) == 204
    events = api.get(f"/v1/sessions/{session}/events").text
    assert events.count("event: completed") == 1


# HTTP itself.


def raw(system: Running, head: bytes, rest: bytes = b"", end: bytes = b"\r\n") -> bytes:
    """What comes back for these bytes."""
    host = b"Host: localhost\r\nConnection: close\r\n" if b"\r\nHost" not in head else b""
    with socket.create_connection(("127.0.0.1", system.gateways[0].port), PATIENCE) as client:
        with contextlib.suppress(OSError):
            client.sendall(head + host + end + rest)
        found = b""
        try:
            while piece := client.recv(1 << 16):
                found += piece
        except ConnectionResetError:
            pass
        return found


def test_headers_of_a_megabyte(system: Running) -> None:
    found = raw(system, b"GET /healthz HTTP/1.1\r\nX: " + b"a" * (1 << 20) + b"\r\n")
    assert found == b"" or b" 431 " in found
    many = b"".join(b"X-%d: %s\r\n" % (n, b"b" * 50) for n in range(20_000))
    found = raw(system, b"GET /healthz HTTP/1.1\r\n" + many)
    assert found == b"" or b" 431 " in found


SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Smuggled: 1\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4",
        b"Content-Length: 4\r\nContent-Length: 5",
        b"Content-Length: +4",
        b"Content-Length: 4 4",
        b"Content-Length: 0x4",
        b"Content-Length: 4,4",
        b"Content-Length: " + b"9" * 40,
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding:\x0bchunked",
        b"Transfer-Encoding\r\n : chunked",
    ],
    ids=range(13),
)
def test_two_ways_of_counting_a_body_are_none(system: Running, framing: bytes) -> None:
    head = b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\n" + framing + b"\r\n"
    found = raw(system, head, b"0\r\n\r\n" + SMUGGLED)
    answers = re.findall(rb"HTTP/1\.1 (\d+) ", found)
    assert answers in ([], [b"400"], [b"413"], [b"422"]), found
    assert b'"status":"ok"' not in found


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz\r\n",
        b"GET /healthz HTTP/1.1\nHost: localhost\n",
        b"GET /health\x00z HTTP/1.1\r\n",
        b"GET http://evil.example/v1/sessions HTTP/1.1\r\nHost: evil.example\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\n",
        b"TRACE /v1/sessions HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
        b"GET /healthz HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nHost: x\r\n",
        b"\x00" * 100 + b"\r\n",
    ],
    ids=range(10),
)
def test_strange_heads_are_answered_or_dropped(system: Running, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", system.gateways[0].port), PATIENCE) as client:
        client.sendall(head + b"\r\n")
        client.shutdown(socket.SHUT_WR)
        found = b""
        while piece := client.recv(1 << 16):
            found += piece
    assert b"HTTP/1.1 5" not in found
    assert b"root:" not in found


def test_pipelined_requests_are_answered_in_order(system: Running) -> None:
    ids = [new_id() for _ in range(20)]
    text = b"".join(
        f"GET /v1/sessions/{each} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for each in ids
    )
    last = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    found = raw(system, text + last)
    assert re.findall(rb"there is no session ([0-9a-f-]{36})", found) == [i.encode() for i in ids]
    assert found.count(b"HTTP/1.1 ") == 21


def test_a_flood_of_wrong_requests_leaves_nothing(system: Running, session: str) -> None:
    with http(system) as api:
        path = f"/v1/sessions/{session}/tables/users/batches/0"
        for number in range(100):
            body = bytes([number]) * 100_000
            refused(api.put(path, content=body, headers={"Content-Type": ARROW}), 422)
