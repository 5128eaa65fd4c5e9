"""Bytes on a socket that are no HTTP request as it should be."""

from __future__ import annotations

import contextlib
import re
import socket

import pytest

from coffeeshop.gateway.protocol import HEAD_BYTES
from tests.running import PATIENCE, Running, new_id

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


def test_a_head_one_byte_beyond_the_limit_is_called_too_large(system: Running) -> None:
    start = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "
    found = raw(system, start + b"a" * (HEAD_BYTES + 1 - len(start)), b"")
    assert found.startswith(b"HTTP/1.1 431 ")
    assert b" 200 " in raw(system, b"GET /healthz HTTP/1.1\r\n")


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
    assert re.findall(rb"no session ([0-9a-f-]{36})", found) == [i.encode() for i in ids]
    assert found.count(b"HTTP/1.1 ") == 21
