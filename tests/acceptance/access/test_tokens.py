"""Who gets in: nobody without a token, each to its own sessions, admins to all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from coffeeshop.errors import ProtocolError
from coffeeshop.gateway.security.access import Access, AuthenticationMiddleware
from coffeeshop.gateway.security.tokens import Tokens, line_of
from coffeeshop.gateway.server import GatewayServer
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.sessions.lifecycle import Timeouts
from tests.acceptance.access.requests import (
    ALICE,
    API,
    BOB,
    FOR_ADMINS,
    OPEN,
    OPS,
    WHO,
    ask,
    refused,
)
from tests.running import Running, eventually, http, new_id, running

# Without a token, with a wrong one.


@pytest.mark.parametrize(("method", "path"), [e for e in API if e[1] not in OPEN | {"/"}])
@pytest.mark.parametrize("token", [None, "x", ALICE[:-1]], ids=["none", "wrong", "cut off"])
def test_nobody_gets_anywhere_without_a_token(
    system: Running, completed: str, method: str, path: str, token: str | None
) -> None:
    with http(system, token=token) as api:
        answer = ask(api, method, path, completed)
        if method == "HEAD":
            assert answer.status_code == 401
        else:
            refused(answer, 401)


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/redoc", "/nothing"])
def test_what_describes_the_api_needs_a_token_too(system: Running, path: str) -> None:
    with http(system) as api:
        refused(api.get(path), 401)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_no_page_loads_scripts_from_elsewhere(system: Running, path: str) -> None:
    with http(system, token=ALICE) as api:
        assert api.get(path).status_code == 404
        assert api.get("/openapi.json").status_code == 200


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", f"bearer  {BOB}x", f"Basic {BOB}", BOB, f"Bearer {BOB} {BOB}", "Bearer \xff"],
    ids=["empty", "no token", "wrong", "Basic", "no scheme", "two tokens", "no text"],
)
def test_other_authorizations_are_none(system: Running, value: str) -> None:
    with http(system) as api:
        headers = {"Authorization": value.encode("latin-1")}
        refused(api.get("/v1/sessions", headers=headers), 401)  # type: ignore[arg-type]


def test_a_wrong_authorization_is_not_saved_by_a_cookie(system: Running) -> None:
    with http(system, token="x") as api:
        refused(api.get("/v1/sessions", headers={"Cookie": f"coffeeshop={ALICE}"}), 401)


def test_a_body_is_not_read_for_who_may_not_send_it(system: Running) -> None:
    def endless() -> Iterator[bytes]:
        for number in range(200):
            sent.append(number)
            yield b"x" * 65_536

    sent: list[int] = []
    with http(system) as api:
        path = f"/v1/sessions/{new_id()}/tables/users/batches/0"
        refused(api.put(path, content=endless()), 401)
    assert system.gateways[0].gateway.admission.in_memory == 0


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/login", "/static/login.js"])
def test_health_and_the_way_in_are_open(system: Running, path: str) -> None:
    with http(system) as api:
        assert api.get(path).status_code == 200


# Owners.


@pytest.mark.parametrize(
    ("method", "path"), [each for each in API if "{session}" in each[1]], ids=str
)
@pytest.mark.parametrize("number", [0, 1], ids=["the same replica", "another replica"])
def test_a_session_of_somebody_else_does_not_exist(
    system: Running, completed: str, opened: str, method: str, path: str, number: int
) -> None:
    with http(system, number, token=BOB) as api:
        for session in (completed, opened):
            refused(ask(api, method, path, session), 404)
    for each, expected in ((completed, "completed"), (opened, "open")):
        assert system.client(number, token=ALICE).session(each)["state"] == expected


def test_the_refusal_is_word_for_word_that_of_a_session_that_never_was(
    system: Running, completed: str
) -> None:
    other = new_id()
    with http(system, token=BOB) as api:
        first, second = (api.get(f"/v1/sessions/{each}") for each in (completed, other))
    assert first.text.replace(completed, "") == second.text.replace(other, "")
    ignored = {"date"}
    one, two = ({k: v for k, v in a.headers.items() if k not in ignored} for a in (first, second))
    assert one == two


def test_lists_show_each_client_its_own_and_an_admin_all(
    system: Running, completed: str, opened: str
) -> None:
    mine = new_id()
    system.client(token=BOB).open(SessionSpec(mine))
    for number, path in product(range(2), ("/v1/sessions", "/v1/overview")):

        def listed(who: str, number: int = number, path: str = path) -> set[str]:
            with http(system, number, token=WHO[who]) as api:
                found = api.get(path, params={"limit": 1000}).json()
            return {each["id"] for each in found["sessions"]}

        eventually(lambda: mine in listed("bob"), "the replica heard of it")
        assert {completed, opened} <= listed("alice")
        assert listed("alice").isdisjoint(listed("bob"))
        assert listed("ops") == listed("alice") | listed("bob")
    shown = system.client(token=OPS).session(mine)
    assert shown["owner"] == "bob"


def test_a_clients_overview_counts_its_own_sessions_and_shows_no_nodes(
    system: Running, completed: str
) -> None:
    with http(system, token=ALICE) as api:
        shown = api.get("/v1/overview").json()
    assert shown["status"]["sessions_completed"] == 1
    assert (shown["nodes"], shown["status"]["nodes"]) == ([], 0)
    with http(system, token=BOB) as api:
        shown = api.get("/v1/overview").json()
    assert shown["status"]["sessions_completed"] == 0
    of_all = {"bytes_in_memory", "requests_refused_total"}
    assert not of_all & shown["status"].keys()
    with http(system, token=OPS) as api:
        eventually(lambda: api.get("/v1/overview").json()["nodes"], "the node is heard of")
        assert of_all < api.get("/v1/overview").json()["status"].keys()


def test_somebody_elses_id_cannot_be_joined_or_taken(system: Running, opened: str) -> None:
    for number in range(2):
        with pytest.raises(ProtocolError, match="different parameters"):
            system.client(number, token=BOB).open(SessionSpec(opened))
    assert system.client(token=ALICE).open(SessionSpec(opened))["owner"] == "alice"


def test_a_removed_session_is_gone_for_its_owner_and_never_was_for_others(
    system: Running, opened: str
) -> None:
    system.client(token=ALICE).delete(opened)
    with http(system, token=ALICE) as api:
        refused(api.get(f"/v1/sessions/{opened}"), 410)
        assert api.delete(f"/v1/sessions/{opened}").status_code == 204
    with http(system, token=BOB) as api:
        refused(api.get(f"/v1/sessions/{opened}"), 404)
        refused(api.delete(f"/v1/sessions/{opened}"), 404)


def test_an_admin_may_end_anybodys_session(system: Running, opened: str) -> None:
    system.client(token=OPS).cancel(opened)
    client = system.client(token=ALICE)
    eventually(lambda: client.session(opened)["state"] == "cancelled", "it is cancelled")


def test_sessions_made_without_tokens_are_seen_by_admins_only(
    system: Running, tokens_file: Path
) -> None:
    with running(node=False) as free:
        session = free.client().open(SessionSpec(new_id()))["id"]
        guarded = GatewayServer(free.transport, "127.0.0.1", 0, access=Access(Tokens(tokens_file)))
        free.gateways.append(guarded)
        guarded.start()
        with http(free, 1, token=ALICE) as api:
            refused(api.get(f"/v1/sessions/{session}"), 404)
        assert free.client(1, token=OPS).session(session)["owner"] == ""


# Admins.


@pytest.mark.parametrize("path", sorted(FOR_ADMINS))
def test_nodes_and_figures_are_for_admins(system: Running, path: str) -> None:
    with http(system, token=ALICE) as api:
        refused(api.get(path), 403)
    with http(system, token=OPS) as api:
        assert api.get(path).status_code == 200


def test_without_tokens_everybody_on_this_machine_is_an_admin() -> None:
    with running(node=False) as free, http(free) as api:
        assert all(api.get(path).status_code == 200 for path in FOR_ADMINS)
        assert api.get("/login").headers["location"] == "./"
        refused(api.post("/login", json={"token": "x"}), 403)


# Tokens that change.


def test_a_token_that_is_taken_away_counts_no_more(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(line_of("alice", ALICE))
    access = Access(Tokens(file))
    with running(node=False, access=access) as system, http(system, token=ALICE) as api:
        assert api.get("/v1/sessions").status_code == 200
        file.write_text(line_of("bob", BOB))
        refused(api.get("/v1/sessions"), 401)
        file.write_text(line_of("alice", ALICE))
        access.reread()
        assert api.get("/v1/sessions").status_code == 200


# Another replica, and what is no request.


def test_sessions_outlive_a_change_of_replica_with_their_owner(tokens_file: Path) -> None:
    access, short = Access(Tokens(tokens_file)), Timeouts()
    with running(node=False, access=access, timeouts=short) as system:
        session = system.client(token=ALICE).open(SessionSpec(new_id()))["id"]
        later = GatewayServer(system.transport, "127.0.0.1", 0, access=access)
        system.gateways.append(later)
        later.start()
        assert system.client(1, token=ALICE).session(session)["owner"] == "alice"
        with http(system, 1, token=BOB) as api:
            refused(api.get(f"/v1/sessions/{session}"), 404)


def test_what_is_no_request_goes_through_the_guard() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def nothing(*message: Any) -> Any:
        raise AssertionError

    Access().reread()  # of no file
    asyncio.run(AuthenticationMiddleware(app, Access())({"type": "lifespan"}, nothing, nothing))
    assert seen == ["lifespan"]
