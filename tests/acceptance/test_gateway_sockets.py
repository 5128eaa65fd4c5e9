"""The gateway against clients that do not speak HTTP as they should."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from coffeeshop.codec import encode
from coffeeshop.gateway import protocol
from coffeeshop.gateway.server import _listening
from coffeeshop.service import resident_bytes
from tests.running import PATIENCE, Running, eventually, http, new_id, running
from tests.unit.helpers import USERS

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with running(node=False) as made:
        yield made


@pytest.fixture
def client(system: Running) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", system.gateways[0].port), PATIENCE) as made:
        yield made


def flood(client: socket.socket, piece: bytes, times: int) -> int:
    """Send it over and over; the bytes that were taken before the connection ended."""
    sent = 0
    try:
        for _ in range(times):
            client.sendall(piece)
            sent += len(piece)
    except OSError:
        pass
    return sent


def all_of(client: socket.socket) -> bytes:
    found = b""
    try:
        while piece := client.recv(1 << 16):
            found += piece
    except ConnectionResetError:
        pass
    return found


def alive(system: Running) -> bool:
    with http(system) as api:
        return api.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "piece",
    [b"X: " + b"a" * 50_000 + b"\r\n", b"a" * 50_000],
    ids=["many headers", "one endless header"],
)
def test_headers_without_end_do_not_fill_the_memory(
    system: Running, client: socket.socket, piece: bytes
) -> None:
    before = resident_bytes()
    client.sendall(HEALTH + b"Y: ")
    sent = flood(client, piece, 2_000)
    assert sent < 50 << 20
    assert resident_bytes() - before < 30 << 20
    assert alive(system)


def test_a_head_that_is_too_large_is_answered_so(client: socket.socket) -> None:
    client.sendall(HEALTH + b"X: " + b"a" * (protocol.HEAD_BYTES + 1_000))
    assert b" 431 " in all_of(client)


def test_a_large_head_within_the_bound_is_taken(client: socket.socket) -> None:
    client.sendall(HEALTH + b"X: " + b"a" * (protocol.HEAD_BYTES - 5_000) + b"\r\n")
    client.sendall(b"Connection: close\r\n\r\n")
    assert b" 200 " in all_of(client)


@pytest.mark.parametrize("piece", [b"4;" + b"e" * 50_000, b"0\r\nT: " + b"t" * 50_000])
def test_chunks_that_bring_no_body_end_the_connection(
    system: Running, client: socket.socket, piece: bytes
) -> None:
    with http(system) as api:
        session = api.post("/v1/sessions", json={}).json()["id"]
    client.sendall(
        f"PUT /v1/sessions/{session}/tables/users/batches/0 HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        + piece
    )
    assert flood(client, b"x" * 50_000, 2_000) < 50 << 20
    assert alive(system)


def test_many_requests_on_one_connection_are_no_endless_head(client: socket.socket) -> None:
    for _ in range(200):
        client.sendall(HEALTH + b"X: " + b"a" * 1_000 + b"\r\n\r\n")
    client.sendall(HEALTH + b"Connection: close\r\n\r\n")
    assert all_of(client).count(b"HTTP/1.1 200 ") == 201


def connections(system: Running) -> int:
    return len(system.gateways[0]._server.server_state.connections)


def test_requests_without_end_do_not_wait_for_their_turn(
    system: Running, client: socket.socket
) -> None:
    assert flood(client, (HEALTH + b"\r\n") * 2_000, 2_000) < 50 << 20
    eventually(lambda: connections(system) == 0, "the connection is given up")
    assert alive(system)


def test_a_body_that_goes_on_after_its_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch, client: socket.socket
) -> None:
    monkeypatch.setattr(protocol, "UNWANTED_BYTES", 1 << 20)
    client.sendall(
        b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000\r\n\r\n"
    )
    assert client.recv(1 << 16).startswith(b"HTTP/1.1 413 ")
    assert flood(client, bytes(1 << 16), 2_000) < 50 << 20


def test_bytes_after_an_answer_that_lead_to_nothing_are_given_up(
    monkeypatch: pytest.MonkeyPatch, client: socket.socket
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    client.sendall(HEALTH + b"\r\n")
    assert client.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
    client.sendall(b"\r\n")
    all_of(client)  # ends


def test_who_does_not_read_the_answers_is_given_up(
    monkeypatch: pytest.MonkeyPatch, system: Running, client: socket.socket
) -> None:
    monkeypatch.setattr(protocol, "UNREAD_SECONDS", 0.2)
    chart = b"GET /static/vendor/chartjs/chart.umd.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    client.sendall(chart * 200)
    eventually(lambda: connections(system) == 0, "the connection is given up")
    assert all_of(client).count(b"HTTP/1.1 200 ") < 200


@pytest.mark.parametrize("beginning", [b"", b"GET / HT", HEALTH, HEALTH + b"\r\n" + HEALTH])
def test_a_head_that_never_ends_is_given_up(
    monkeypatch: pytest.MonkeyPatch, system: Running, beginning: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    with socket.create_connection(("127.0.0.1", system.gateways[0].port), PATIENCE) as client:
        client.sendall(beginning)
        all_of(client)  # ends
    assert alive(system)


def test_a_request_that_takes_its_time_is_not_given_up(
    monkeypatch: pytest.MonkeyPatch, system: Running
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    with http(system) as api:
        answer = api.get(f"/v1/sessions/{new_id()}")  # waits for word of it
    assert answer.status_code == 404
    assert answer.elapsed.total_seconds() > 0.5


@pytest.mark.parametrize(
    "text",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PUT /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"PUT /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"PUT /v1/sessions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=range(6),
)
def test_what_is_no_http_is_refused_and_harms_nobody(
    system: Running, client: socket.socket, text: bytes
) -> None:
    client.sendall(text)
    client.shutdown(socket.SHUT_WR)
    found = all_of(client)
    assert found == b"" or b" 400 " in found
    assert alive(system)


def test_a_client_that_leaves_in_the_middle_of_a_body_leaves_nothing(
    system: Running, client: socket.socket
) -> None:
    with http(system) as api:
        session = api.post("/v1/sessions", json={}).json()["id"]
        body = encode(USERS)
        client.sendall(
            f"PUT /v1/sessions/{session}/tables/users/batches/0 HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: text/csv\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body[:50]
        )
        client.close()
        path = f"/v1/sessions/{session}/tables/users/batches/0"
        arrow = {"Content-Type": "application/vnd.apache.arrow.stream"}
        assert api.put(path, content=body, headers=arrow).status_code == 204


def test_no_answer_waits_for_the_last_one_to_be_acknowledged() -> None:
    """asyncio turns that off for sockets that name their protocol; uvloop for all."""
    bound = _listening("127.0.0.1", 0)
    with bound, socket.create_connection(bound.getsockname()):
        taken, _ = bound.accept()
        with taken:
            assert taken.proto == socket.IPPROTO_TCP
