"""Two users of one gateway, each with a token of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from coffeeshop.actors.hosted import HostedNode
from coffeeshop.gateway.security.access import Access
from coffeeshop.gateway.security.tokens import Tokens, line_of, new_token
from coffeeshop.gateway.server import GatewayServer
from coffeeshop.names import STAGES
from coffeeshop.presence import Presence
from coffeeshop.transport.memory import MemoryTransport
from tests.browser.conftest import Open
from tests.browser.test_looks import violations
from tests.browser.test_session import downloaded
from tests.browser.watched import Watched
from tests.oracle import answers

TOKENS = {"alice": new_token(), "bob": new_token(), "ops": new_token()}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A gateway that knows two clients and an admin."""
    file = tmp_path / "tokens"
    lines = [line_of(name, token, admin=name == "ops") for name, token in TOKENS.items()]
    file.write_text("\n".join(lines) + "\n")
    transport = MemoryTransport()
    failures: list[str] = []
    node = HostedNode(transport, STAGES, failures.append)
    presence = Presence(transport, ["worker"], node.status, period=0.2)
    access = Access(Tokens(file))
    gateway = GatewayServer(transport, "127.0.0.1", 0, access=access)
    try:
        presence.start()
        gateway.start()
        yield f"http://127.0.0.1:{gateway.port}"
    finally:
        gateway.close()
        presence.close()
        node.close(0.0)
        transport.close()
    assert not failures


def sign_in(watched: Watched, name: str) -> None:
    page = watched.page
    page.get_by_label("Your token").fill(TOKENS[name])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_two_users_do_not_see_each_other(url: str, open_page: Open, flat: Path, dirs: Path) -> None:
    alice, bob = open_page(url), open_page(url)
    sign_in(alice, "alice")
    sign_in(bob, "bob")
    mine, yours = alice.upload(flat, "the malls"), bob.upload(dirs, "the streets")
    for watched, folder in ((alice, flat), (bob, dirs)):
        watched.expect_state("Completed")
        assert downloaded(watched, "query1").decode() == answers(folder)["query1.csv"]
    for watched, name, other in ((alice, "the malls", yours), (bob, "the streets", mine)):
        page = watched.page
        page.get_by_role("link", name="Overview").first.click()
        expect(page.locator(".cards h3")).to_have_text([name])
        expect(page.get_by_role("heading", name="Nodes", exact=True)).to_be_hidden()
        watched.forgive("Failed to load resource: the server responded with a status of 404")
        page.goto(f"{url}/#/sessions/{other}")
        expect(page.get_by_role("alert")).to_contain_text("The session cannot be shown")

    ops = open_page(url)
    sign_in(ops, "ops")
    expect(ops.page.locator(".cards h3")).to_have_count(2)
    expect(ops.page.get_by_role("heading", name="Nodes", exact=True)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_asks_who_one_is_and_forgets_it(url: str, open_page: Open, scheme: str) -> None:
    watched = open_page(url, color_scheme=scheme)
    watched.forgive("Failed to load resource: the server responded with a status of 4")
    page = watched.page
    assert violations(page) == []
    page.get_by_label("Your token").fill("coffeeshop_wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Invalid token.")
    assert violations(page) == []
    sign_in(watched, "alice")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Your token")).to_be_visible()
    page.goto(url)
    expect(page.get_by_label("Your token")).to_be_visible()


def test_a_page_whose_token_no_longer_counts_asks_for_another(url: str, open_page: Open) -> None:
    watched = open_page(url)
    watched.forgive("Failed to load resource: the server responded with a status of 401")
    sign_in(watched, "bob")
    watched.context.clear_cookies()
    expect(watched.page.get_by_label("Your token")).to_be_visible()
