"""Batches and ends of tables over the gateway's API: what is taken, what is refused."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import httpx2 as httpx
import pytest

from coffeeshop.codec import MAX_BODY, encode
from coffeeshop.gateway import dependencies
from coffeeshop.gateway.bodies import MAX_JSON
from coffeeshop.pipeline.messages import SessionSpec, out_journal
from coffeeshop.schema import TABLES
from coffeeshop.sessions.steps import open_session
from coffeeshop.testing.clock import VirtualClock
from coffeeshop.transport.outbox import Outbox
from tests.acceptance.http.requests import CSV, end, events_of, opened, problem, put, state_of
from tests.running import Running, eventually, http, new_id, running
from tests.unit.helpers import STORES, TRANSACTIONS, USERS

# Batches.


def test_a_batch_may_be_sent_again_and_is_counted_once(
    api: httpx.Client, data: Path, expected: dict[str, str]
) -> None:
    session = opened(api)
    for table in TABLES:
        text = (data / f"{table}.csv").read_bytes()
        for _ in range(3):
            assert put(api, session, table, 0, text, headers=CSV).status_code == 204
        for _ in range(2):
            assert end(api, session, table, 1).status_code in (204, 410)
    assert "event: completed" in events_of(api, session)
    result = api.get(f"/v1/sessions/{session}/results/query3").text
    assert result == expected["query3.csv"]


def test_another_body_under_the_same_number_is_refused(api: httpx.Client) -> None:
    session = opened(api, producers=2)
    assert put(api, session, "users", 0, encode(USERS)).status_code == 204
    found = problem(put(api, session, "users", 0, encode(USERS.slice(1))), 409)
    assert found["detail"] == "a different batch with this number was stored before"
    for same in (
        put(api, session, "users", 0, encode(USERS)),
        put(api, session, "users", 1, encode(USERS.slice(1))),
        put(api, session, "users", 0, encode(USERS.slice(1)), params={"producer": 1}),
        put(api, session, "stores", 0, encode(STORES)),
    ):
        assert same.status_code == 204
    assert state_of(api, session) == "open"


def test_another_body_at_another_replica_fails_the_session_and_says_why() -> None:
    with running(gateways=2) as system, http(system) as one, http(system, 1) as other:
        session = opened(one)
        assert put(one, session, "users", 0, encode(USERS)).status_code == 204
        assert put(other, session, "users", 0, encode(USERS)).status_code == 204
        assert put(other, session, "users", 1, encode(USERS)).status_code == 204
        assert put(one, session, "users", 1, encode(USERS.slice(1))).status_code == 204
        assert "was sent twice with different content" in events_of(other, session)
        eventually(lambda: state_of(one, session) == "failed", "the session failed")


def test_the_end_of_a_table_is_said_once(api: httpx.Client) -> None:
    session = opened(api)
    assert end(api, session, "users", 2).status_code == 204
    eventually(
        lambda: api.get(f"/v1/sessions/{session}").json()["tables"]["users"], "the end is known"
    )
    assert end(api, session, "users", 2).status_code == 204
    assert problem(end(api, session, "users", 3), 409)["detail"].endswith("ended with 2 batches")
    assert put(api, session, "users", 1, encode(USERS)).status_code == 204
    assert problem(put(api, session, "users", 2, encode(USERS)), 409)
    assert state_of(api, session) == "open"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"batches": -1}', b'{"batches": 1.5}', b"3"])
def test_an_end_that_makes_no_sense_is_a_client_error(api: httpx.Client, body: bytes) -> None:
    path = f"/v1/sessions/{opened(api)}/tables/users/eof"
    problem(api.put(path, content=body, headers={"Content-Type": "application/json"}), 422)


@pytest.mark.parametrize("body", [b"", b"hello", encode(USERS)[:100], encode(STORES)])
def test_what_is_no_batch_of_the_table_is_refused(api: httpx.Client, body: bytes) -> None:
    problem(put(api, opened(api), "users", 0, body), 422)


def test_a_bad_csv_value_is_named(api: httpx.Client) -> None:
    text = b"user_id,birthdate\n1,1990-01-01\n2,1990-13-01\n"
    found = problem(put(api, opened(api), "users", 0, text, headers=CSV), 422)
    assert (found["line"], found["column"], found["value"]) == (3, "birthdate", "1990-13-01")


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", ""])
def test_other_media_types_are_refused(api: httpx.Client, media_type: str) -> None:
    headers = {"Content-Type": media_type}
    problem(put(api, opened(api), "users", 0, encode(USERS), headers=headers), 415)


@pytest.mark.parametrize("media_type", ["TEXT/CSV", "text/csv; charset=utf-8"])
def test_media_types_are_compared_as_the_standard_says(api: httpx.Client, media_type: str) -> None:
    text = b"user_id,birthdate\n"
    headers = {"Content-Type": media_type}
    assert put(api, opened(api), "users", 0, text, headers=headers).status_code == 204


def test_a_body_that_is_too_large_is_refused(api: httpx.Client) -> None:
    session = opened(api)
    problem(put(api, session, "users", 0, b"x" * (MAX_BODY + 1)), 413)
    pieces = (b"x" * (1 << 20) for _ in range(6))
    problem(put(api, session, "users", 0, pieces), 413)  # type: ignore[arg-type]


def test_a_body_of_unknown_length_is_taken(api: httpx.Client) -> None:
    body = encode(USERS)
    pieces = (body[at : at + 50] for at in range(0, len(body), 50))
    assert put(api, opened(api), "users", 0, pieces).status_code == 204  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/sessions/x/cancel", "/v1/nodes", "/nowhere"])
def test_no_other_body_may_be_large(api: httpx.Client, path: str) -> None:
    problem(api.post(path, content=b"x" * (MAX_JSON + 1)), 413)
    pieces = (b" " * 10_000 for _ in range(8))
    problem(api.post(path, content=pieces), 413)


@pytest.mark.parametrize(("producer", "status"), [(2, 409), (9_999, 409), (10_000, 422), (-1, 422)])
def test_only_announced_producers_send(api: httpx.Client, producer: int, status: int) -> None:
    session = opened(api, producers=2)
    how = {"producer": producer}
    problem(put(api, session, "users", 0, encode(USERS), params=how), status)
    problem(end(api, session, "users", 0, **how), status)


# What is being opened.


def half_opened(system: Running) -> SessionSpec:
    """A session whose gateway crashed after its first record."""
    spec = SessionSpec(new_id())
    log = system.gateways[0].sessions.log
    log.append_and_read_back("opened", spec.id, spec=asdict(spec), name="")
    return spec


def test_a_session_that_is_being_opened_asks_to_come_back(
    system: Running, api: httpx.Client
) -> None:
    session = half_opened(system).id
    for answer in (
        put(api, session, "users", 0, encode(USERS)),
        end(api, session, "users", 0),
        api.get(f"/v1/sessions/{session}/events"),
    ):
        problem(answer, 503)
        assert answer.headers["retry-after"] == "1"
    assert api.post(f"/v1/sessions/{session}/heartbeat").status_code == 204
    answer = api.post("/v1/sessions", json={"id": session})
    assert answer.status_code == 201
    assert put(api, session, "users", 0, encode(USERS)).status_code == 204


@pytest.mark.parametrize("journals", ["none", "out", "all"])
def test_a_session_that_is_being_opened_can_be_cancelled(
    system: Running, api: httpx.Client, journals: str
) -> None:
    """And who listens hears of it, though no journal but that of all sessions tells so."""
    spec = half_opened(system)
    session = spec.id
    if journals == "out":
        system.transport.declare_journal(out_journal(session))
    elif journals == "all":
        open_session(Outbox(system.transport, VirtualClock()), spec)
    assert api.post(f"/v1/sessions/{session}/cancel").status_code == 202
    eventually(lambda: state_of(api, session) == "cancelled", "the session is cancelled")
    assert "event: cancelled" in events_of(api, session)


def test_a_batch_for_journals_that_are_gone_is_too_late(system: Running, api: httpx.Client) -> None:
    session = opened(api)
    for name in system.left():
        if session in name and name.startswith("in."):
            system.transport.delete_journal(name)
    problem(put(api, session, "transactions", 0, encode(TRANSACTIONS[0])), 410)


def test_a_replica_remembers_so_many_batches_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "REMEMBERED", 2)
    with running() as system, http(system) as api:
        session = opened(api)
        for number in range(4):
            assert put(api, session, "users", number, encode(USERS)).status_code == 204
        problem(put(api, session, "users", 3, encode(USERS.slice(1))), 409)
        # The first is forgotten here, but not by the task that gets it.
        assert put(api, session, "users", 0, encode(USERS.slice(1))).status_code == 204
        assert "was sent twice with different content" in events_of(api, session)
