"""The gateway's API in operation: limits, health, its own description, bugs, shutdown."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import pytest

from coffeeshop.codec import encode
from coffeeshop.formats import MEDIA_TYPES
from coffeeshop.gateway.admission import Limits
from coffeeshop.gateway.dependencies import AWAY_RETRY_SECONDS, BROKER_PATIENCE
from tests.acceptance.http.requests import events_of, listening, opened, problem, put
from tests.running import PATIENCE, Running, eventually, http, readers_of, running
from tests.unit.helpers import USERS

# Limits.


def test_too_much_at_once_is_refused_for_now() -> None:
    limits = Limits(in_memory=2700, session_window=1600, open_sessions=3)
    with running(node=False, limits=limits) as system, http(system) as api:
        first, second, third = (opened(api) for _ in range(3))
        with Stuck(system, first, 1500), Stuck(system, second, 1000):
            answer = put(api, first, "users", 0, encode(USERS))
            problem(answer, 429)
            assert answer.headers["retry-after"] == "1"
            answer = put(api, third, "users", 0, encode(USERS))
            problem(answer, 503)
            assert answer.headers["retry-after"] == "1"
            assert api.get("/v1/status").json()["bytes_in_memory"] == 2500
        eventually(lambda: api.get("/v1/status").json()["bytes_in_memory"] == 0, "room is made")
        assert put(api, first, "users", 0, encode(USERS)).status_code == 204
        answer = api.post("/v1/sessions")
        problem(answer, 422)
        answer = api.post("/v1/sessions", json={})
        assert problem(answer, 503)["detail"].startswith("3 sessions are open")
        assert answer.headers["retry-after"] == "1"
        assert api.get("/v1/status").json()["requests_refused_total"] == 3


class Stuck:
    """A client that announces a body and does not send it."""

    def __init__(self, system: Running, session: str, size: int) -> None:
        self._system = system
        self._size = size
        self._text = (
            f"PUT /v1/sessions/{session}/tables/users/batches/9 HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: text/csv\r\nContent-Length: {size}\r\n\r\n"
        )

    def __enter__(self) -> None:
        admission = self._system.gateways[0].gateway.admission
        before = admission.in_memory
        self._socket = socket.create_connection(("127.0.0.1", self._system.gateways[0].port))
        self._socket.sendall(self._text.encode())
        eventually(lambda: admission.in_memory == before + self._size, "it is waited for")

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def test_empty_bodies_at_once_are_client_errors(api: httpx.Client) -> None:
    session = opened(api)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda n: put(api, session, "users", n, b"").status_code, range(40))
    assert set(found) == {422}


# Operation.


def test_health_readiness_figures_and_nodes(system: Running, api: httpx.Client) -> None:
    assert api.get("/healthz").json() == {"status": "ok"}
    assert api.get("/readyz").json() == {"status": "ready", "broker": "connected"}
    eventually(lambda: api.get("/v1/nodes").json()["nodes"], "a node is listed")
    (node,) = api.get("/v1/nodes").json()["nodes"]
    assert node["types"] == ["worker"]
    status = api.get("/v1/status").json()
    assert status["nodes"] == 1
    assert status["gateway"] == system.gateways[0].sessions.name
    metrics = api.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    for name in ("sessions_by_state{", "journal_bytes ", "requests_refused_total{", "threads "):
        assert f"\ncoffeeshop_{name}" in metrics.text


def test_a_gateway_whose_broker_is_away_stays_with_the_balancer_and_says_so() -> None:
    """So does every other gateway: with all of them taken out nobody would answer at all."""
    with running(node=False, connected=lambda: False) as system, http(system) as api:
        answer = api.get("/readyz")
        assert (answer.status_code, answer.json()["broker"]) == (200, "away")
        assert not system.client().ready()


def test_requests_are_answered_at_once_when_the_broker_has_been_away_for_a_while() -> None:
    there = True
    with running(node=False, connected=lambda: there) as system, http(system) as api:
        session = api.post("/v1/sessions", json={}).json()["id"]
        table = f"/v1/sessions/{session}/tables/users"
        there = False
        assert api.get("/readyz").status_code == 200
        assert api.put(f"{table}/eof", json={"batches": 0}).status_code == 204  # for a while
        gateway = system.gateways[0].gateway
        assert gateway._away_since is not None
        gateway._away_since -= BROKER_PATIENCE
        for answer in (
            api.post("/v1/sessions", json={}),
            api.put(f"{table}/batches/0", content=b"x", headers={"Content-Type": "text/csv"}),
            api.put(f"{table}/eof", json={"batches": 0}),
        ):
            problem(answer, 503)
            assert answer.headers["retry-after"] == str(AWAY_RETRY_SECONDS)
        there = True
        assert api.post("/v1/sessions", json={}).status_code == 201


def test_a_gateway_that_stops_is_not_ready() -> None:
    with running(node=False) as system, http(system) as api:
        system.gateways[0].gateway.stopping = True
        answer = api.get("/readyz")
        problem(answer, 503)
        assert answer.headers["retry-after"] == "1"
        assert api.get("/healthz").status_code == 200


def test_the_api_describes_itself(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    names = [
        (path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    assert {(path, method) for path, method, _ in names} == {
        ("/v1/sessions", "post"),
        ("/v1/sessions", "get"),
        ("/v1/sessions/{session}", "get"),
        ("/v1/sessions/{session}", "delete"),
        ("/v1/sessions/{session}/heartbeat", "post"),
        ("/v1/sessions/{session}/cancel", "post"),
        ("/v1/sessions/{session}/keep", "post"),
        ("/v1/sessions/{session}/partial", "get"),
        ("/v1/sessions/{session}/links", "post"),
        ("/v1/sessions/{session}/links", "delete"),
        ("/v1/sessions/{session}/tables/{table}/files", "put"),
        ("/v1/folder", "post"),
        ("/v1/sessions/{session}/events", "get"),
        ("/v1/sessions/{session}/results/{query}", "get"),
        ("/v1/sessions/{session}/tables/{table}/batches/{number}", "put"),
        ("/v1/sessions/{session}/tables/{table}/eof", "put"),
        ("/v1/leftovers", "get"),
        ("/v1/nodes", "get"),
        ("/v1/status", "get"),
        ("/healthz", "get"),
        ("/readyz", "get"),
        ("/metrics", "get"),
    }
    ids = [operation["operationId"] for _, _, operation in names]
    assert len(set(ids)) == len(ids)
    for path, _, operation in names:
        declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}
        assert "application/problem+json" in operation["responses"]["4XX"]["content"]
        assert operation["summary"]
    for reference in references(document):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    body = document["paths"]["/v1/sessions/{session}/tables/{table}/batches/{number}"]["put"]
    kinds = {MEDIA_TYPES[name] for name in ("arrow", "csv", "parquet")}
    assert set(body["requestBody"]["content"]) == kinds


def references(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(document, list):
        for value in document:
            yield from references(value)


def test_a_bug_is_a_problem_document_too(
    monkeypatch: pytest.MonkeyPatch, system: Running, api: httpx.Client
) -> None:
    def broken() -> list[dict[str, Any]]:
        raise ZeroDivisionError("the secret is 42")

    monkeypatch.setattr(system.gateways[0].nodes, "all", broken)
    found = problem(api.get("/v1/nodes"), 500)
    assert "42" not in json.dumps(found)


def test_a_shutdown_is_prompt_though_somebody_listens() -> None:
    with running(node=False) as system, http(system) as api:
        session = opened(api)
        with ThreadPoolExecutor(1) as pool:
            heard = pool.submit(events_of, api, session)
            listening(system)
            began = time.monotonic()
            system.gateways[0].close()
            assert time.monotonic() - began < 2.0
            assert heard.result(PATIENCE) == "retry: 1000\n\n"
        assert readers_of(system.transport, "") == 0


def test_a_taken_port_is_an_error_at_once(system: Running) -> None:
    from coffeeshop.gateway.server import GatewayServer

    with pytest.raises(OSError, match="in use"):
        GatewayServer(system.transport, "127.0.0.1", system.gateways[0].port)
