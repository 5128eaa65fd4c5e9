"""Answers that are under way when the token of who hears them is taken away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from starlette.requests import Request

from coffeeshop.client.sse import Event, parse_events
from coffeeshop.errors import Forbidden
from coffeeshop.gateway import changes as module
from coffeeshop.gateway.security.access import Access, StillAllowed
from coffeeshop.gateway.security.tokens import Tokens, line_of, new_token
from coffeeshop.pipeline.messages import SessionSpec
from tests.running import PATIENCE, Running, http, new_id, running

ALICE, BOB = new_token(), new_token()


@pytest.fixture
def tokens_file(tmp_path: Path) -> Path:
    file = tmp_path / "tokens"
    file.write_text("\n".join([line_of("alice", ALICE), line_of("bob", BOB)]))
    return file


@pytest.fixture
def system(tokens_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(module, "LOOK", 0.05)
    with running(node=False, access=Access(Tokens(tokens_file))) as made:
        yield made


@pytest.fixture
def opened(system: Running) -> str:
    """An open session of Alice's, in which nothing happens."""
    spec = SessionSpec(new_id())
    system.client(token=ALICE).open(spec)
    return spec.id


def show_cookie(api: httpx.Client) -> None:
    assert api.post("/login", json={"token": ALICE}).status_code == 204


def events_until_the_end(api: httpx.Client, session: str, began: threading.Event) -> list[Event]:
    with api.stream("GET", f"/v1/sessions/{session}/events", timeout=PATIENCE) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        assert next(lines).startswith("retry")
        began.set()
        return list(parse_events(lines))


@pytest.mark.parametrize("shown", ["bearer", "cookie"])
def test_a_stream_of_events_ends_soon_after_its_token_is_taken_away(
    system: Running, opened: str, tokens_file: Path, shown: str
) -> None:
    began = threading.Event()
    token = ALICE if shown == "bearer" else None
    with http(system, token=token) as api, ThreadPoolExecutor(1) as pool:
        if shown == "cookie":
            show_cookie(api)
        hears = pool.submit(events_until_the_end, api, opened, began)
        assert began.wait(PATIENCE)
        tokens_file.write_text(line_of("bob", BOB))
        (event,) = hears.result(PATIENCE)
        assert (event.name, event.offset) == ("error", -1)
        assert (event.data["status"], event.data["title"]) == (401, "Unauthorized")
        assert api.get(f"/v1/sessions/{opened}/events").status_code == 401


def test_a_stream_goes_on_while_its_token_counts(
    system: Running, opened: str, tokens_file: Path
) -> None:
    began = threading.Event()
    with http(system, token=ALICE) as api, ThreadPoolExecutor(1) as pool:
        hears = pool.submit(events_until_the_end, api, opened, began)
        assert began.wait(PATIENCE)
        tokens_file.write_text(line_of("alice", ALICE))
        tokens_file.write_text("this is no tokens file")
        system.client(token=ALICE).cancel(opened)
        assert [event.name for event in hears.result(PATIENCE)] == ["cancelled"]


def test_a_client_that_follows_is_told_that_it_may_not_any_more(
    system: Running, opened: str, tokens_file: Path
) -> None:
    events = system.client(token=ALICE).events(opened)
    with ThreadPoolExecutor(1) as pool:
        hears = pool.submit(next, events)
        tokens_file.write_text(line_of("bob", BOB))

        def follow() -> None:
            assert hears.result(PATIENCE).name == "error"
            next(events)

        with pytest.raises(Forbidden):
            follow()


# The look itself.


def request_with(token: str) -> Request:
    headers = [(b"authorization", f"Bearer {token}".encode())]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers})


def test_a_changed_file_is_looked_at_and_a_no_is_final(tokens_file: Path) -> None:
    allowed = StillAllowed(request_with(ALICE), Access(Tokens(tokens_file)))
    before = tokens_file.read_text()
    assert allowed()
    tokens_file.write_text(line_of("bob", BOB))
    assert not allowed()
    tokens_file.write_text(before)
    assert not allowed()


def test_who_listens_hashes_no_token_while_the_file_stays(
    tokens_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = Tokens(tokens_file)
    allowed = StillAllowed(request_with(ALICE), Access(tokens))
    monkeypatch.setattr(tokens, "client_of", None)
    assert allowed()
    assert allowed()


@pytest.mark.parametrize("line", [("alice", True), ("carol", False)])
def test_a_token_that_now_stands_for_somebody_else_is_one_that_was_taken_away(
    tokens_file: Path, line: tuple[str, bool]
) -> None:
    allowed = StillAllowed(request_with(ALICE), Access(Tokens(tokens_file)))
    assert allowed()
    tokens_file.write_text(line_of(line[0], ALICE, admin=line[1]))
    assert not allowed()


def test_where_no_token_is_needed_nobody_loses_one() -> None:
    nobody: Any = request_with("")
    assert StillAllowed(nobody, Access())()
