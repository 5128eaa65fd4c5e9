"""One client can use up its own share of a gateway, not everybody's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from coffeeshop.codec import encode
from coffeeshop.gateway.admission import Admission, Limits
from coffeeshop.gateway.problems import Problem
from coffeeshop.gateway.security.access import Access
from coffeeshop.gateway.security.tokens import Tokens, line_of, new_token
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.sessions.lifecycle import Session
from tests.running import Running, eventually, http, new_id, running
from tests.unit.helpers import STORES

ALICE, ALICE_TOO, BOB, OPS = (new_token() for _ in range(4))
BODY = encode(STORES)
LIMITS = Limits(client_sessions=2, client_journals=2 * len(BODY))


@contextmanager
def limited(folder: Path, limits: Limits, gateways: int = 1) -> Iterator[Running]:
    """Gateways without nodes that know alice (by two tokens), bob, and ops, who is an admin."""
    lines = [line_of("alice", ALICE), line_of("alice", ALICE_TOO), line_of("bob", BOB)]
    file = folder / "tokens"
    file.write_text("\n".join([*lines, line_of("ops", OPS, admin=True)]))
    access = Access(Tokens(file))
    with running(gateways=gateways, node=False, limits=limits, access=access) as made:
        yield made


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Running]:
    with limited(tmp_path, LIMITS, gateways=2) as made:
        yield made


def opened(api: httpx.Client, **parameters: Any) -> httpx.Response:
    return api.post("/v1/sessions", json=parameters)


def put(api: httpx.Client, session: str, number: int) -> httpx.Response:
    return api.put(
        f"/v1/sessions/{session}/tables/stores/batches/{number}",
        content=BODY,
        headers={"Content-Type": "application/vnd.apache.arrow.stream"},
    )


def refused(answer: httpx.Response, words: str) -> None:
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "5"
    assert words in answer.json()["detail"]
    assert "wait until one ends, or cancel one" in answer.json()["detail"]


def test_a_client_has_only_so_many_open_sessions_whichever_of_its_tokens_it_shows(
    system: Running,
) -> None:
    with http(system, token=ALICE) as api, http(system, 1, token=ALICE_TOO) as other:
        first = opened(api).json()["id"]
        second = new_id()
        assert opened(other, id=second).status_code == 201
        seen = f"/v1/sessions/{second}"
        eventually(lambda: api.get(seen).status_code == 200, "the other replica's is known")
        refused(opened(api), "alice has 2 open sessions")
        assert opened(other, id=second).status_code == 200, "joining opens nothing"
        assert api.delete(f"/v1/sessions/{first}").status_code == 204
        assert opened(api).status_code == 201


def test_the_others_have_their_own_share(system: Running) -> None:
    with http(system, token=ALICE) as api:
        assert [opened(api).status_code for _ in range(3)] == [201, 201, 429]
    for token in (BOB, OPS):
        with http(system, token=token) as api:
            assert [opened(api).status_code for _ in range(3)] == [201, 201, 429]


def test_sessions_that_are_opened_at_once_are_counted_before_they_are_known(
    system: Running,
) -> None:
    with http(system, token=ALICE) as api, ThreadPoolExecutor(12) as pool:
        gate = threading.Barrier(12)

        def one(_: int) -> int:
            gate.wait()
            return opened(api).status_code

        assert sorted(pool.map(one, range(12))) == [201] * 2 + [429] * 10


def test_a_clients_input_is_bounded_over_all_its_sessions(system: Running) -> None:
    with http(system, token=ALICE) as api:
        one, two = opened(api).json()["id"], opened(api).json()["id"]
        assert put(api, one, 0).status_code == 204
        assert put(api, two, 0).status_code == 204
        refused(put(api, one, 1), f"hold {2 * len(BODY)} bytes of input")
        assert api.delete(f"/v1/sessions/{two}").status_code == 204
        assert put(api, one, 1).status_code == 204
        refused(opened(api), "bytes of input")
    with http(system, token=BOB) as api:
        session = opened(api).json()["id"]
        assert put(api, session, 0).status_code == 204


def test_refusals_are_figures(system: Running) -> None:
    with http(system, token=BOB) as api:
        assert [opened(api).status_code for _ in range(3)] == [201, 201, 429]
    with http(system, token=OPS) as api:
        assert 'requests_refused_total{reason="client_sessions"} 1' in api.get("/metrics").text


def test_without_tokens_nobody_has_a_name_and_a_share() -> None:
    with running(node=False, limits=LIMITS) as free, http(free) as api:
        sessions = [opened(api).json()["id"] for _ in range(4)]
        assert [put(api, sessions[0], n).status_code for n in range(4)] == [204] * 4


def session_of(owner: str, size: int) -> Session:
    return Session(SessionSpec(new_id()), "g1", 0.0, owner=owner, taken={"g1": size})


def test_a_session_whose_opening_failed_is_counted_no_more() -> None:
    admission = Admission(Limits(client_sessions=1))
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), admission.opening("alice", new_id(), []):
            raise ZeroDivisionError
    with (
        admission.opening("alice", "s", []),
        pytest.raises(Problem) as caught,
        admission.opening("alice", "t", []),
    ):
        pass
    assert caught.value.status == 429
    assert admission.refusals["client_sessions"] == 1


def test_many_that_open_one_session_at_once_count_as_one() -> None:
    admission = Admission(Limits(client_sessions=1))
    first, second = (admission.opening("alice", "s", []) for _ in range(2))
    with first:
        with second:
            pass
        with pytest.raises(Problem), admission.opening("alice", "t", []):
            pass
    with admission.opening("alice", "t", []):
        pass


def test_sessions_that_have_results_count_until_they_are_removed(tmp_path: Path) -> None:
    with (
        limited(tmp_path, Limits(client_results=2)) as made,
        http(made, token=ALICE) as api,
        http(made, token=BOB) as other,
    ):
        for _ in range(2):
            session = opened(api).json()["id"]
            assert api.post(f"/v1/sessions/{session}/cancel").status_code == 202
        answer = opened(api)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        assert "alice has 2 sessions, those with results included" in answer.json()["detail"]
        assert opened(other).status_code == 201
        assert api.delete(f"/v1/sessions/{session}").status_code == 204
        assert opened(api).status_code == 201


def test_a_client_listens_to_so_many_sessions_only(tmp_path: Path) -> None:
    with (
        limited(tmp_path, Limits(client_listeners=1)) as made,
        http(made, token=ALICE) as api,
        http(made, token=BOB) as other,
    ):
        mine, others = (f"/v1/sessions/{opened(who).json()['id']}/events" for who in (api, other))
        admission = made.gateways[0].gateway.admission
        for _ in range(2):
            with api.stream("GET", mine) as first:
                assert first.status_code == 200
                assert api.get(mine).status_code == 429
                with other.stream("GET", others) as second:
                    assert second.status_code == 200
            eventually(lambda: admission.listeners == 0, "who left listens no more")


def test_of_sessions_that_are_kept_the_one_that_is_joined_does_not_count() -> None:
    admission = Admission(Limits(client_results=2))
    known = [session_of("alice", 0), session_of("alice", 0), session_of("bob", 0)]
    with admission.opening("alice", known[0].spec.id, known), admission.opening("bob", "s", known):
        pass
    with admission.opening("alice", "t", known[1:]), pytest.raises(Problem) as caught:
        admission.opening("alice", "u", known[1:]).__enter__()
    assert "alice has 2 sessions" in caught.value.detail


def test_what_was_released_is_held_no_more() -> None:
    admission = Admission(Limits(client_journals=10))
    known = [session_of("alice", 9), session_of("alice", 1), session_of("bob", 99)]
    with pytest.raises(Problem):
        admission.client_input("alice", known)
    known[1] = replace(known[1], released=True)
    admission.client_input("alice", known)
