"""The way in and out: a wrong token, the right one, and one that stops counting meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from coffeeshop.gateway.security.access import Access
from coffeeshop.gateway.security.tokens import Tokens, line_of, new_token
from coffeeshop.pipeline.messages import SessionSpec
from tests.browser.conftest import Open
from tests.browser.test_looks import NARROW, OVERFLOW, focused, violations
from tests.browser.watched import Watched
from tests.running import Running, new_id, running

TOKEN, OTHER = new_token(), new_token()
REFUSED = "Failed to load resource: the server responded with a status of 40"
SIGNED_OUT = "You are signed out"


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    file = tmp_path / "tokens"
    file.write_text(f"{line_of('alice', TOKEN)}\n{line_of('bob', OTHER)}\n")
    return file


@pytest.fixture
def guarded(tokens: Path) -> Iterator[Running]:
    """A gateway that asks who one is."""
    with running(access=Access(Tokens(tokens))) as made:
        yield made


@pytest.fixture
def session(guarded: Running) -> str:
    """An open session of Alice's."""
    made = new_id()
    guarded.client(token=TOKEN).open(SessionSpec(made), "the harbour")
    return made


def sign_in(page: Page, token: str = TOKEN) -> None:
    page.get_by_label("Your token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def expect_heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def opened(guarded: Running, open_page: Open, path: str = "/", **how: Any) -> Watched:
    watched = open_page(guarded.url, path, **how)
    watched.forgive(REFUSED)
    return watched


def test_a_wrong_token_is_said_to_be_one_and_nothing_is_kept(
    guarded: Running, open_page: Open
) -> None:
    watched = opened(guarded, open_page)
    page = watched.page
    sign_in(page, new_token())
    expect(page.get_by_role("alert")).to_have_text("Invalid token.")
    assert watched.context.cookies() == []
    expect(page.get_by_label("Your token")).to_be_focused()
    page.keyboard.type(TOKEN)  # the wrong one is selected, so it goes
    page.keyboard.press("Enter")
    expect_heading(page, "Overview")


def test_it_leads_where_one_wanted_to_go(guarded: Running, session: str, open_page: Open) -> None:
    page = opened(guarded, open_page, f"/#/sessions/{session}").page
    sign_in(page)
    expect_heading(page, "the harbour")
    assert page.url == f"{guarded.url}/#/sessions/{session}"


def test_the_cookie_is_for_this_gateway_and_for_no_script(
    guarded: Running, open_page: Open
) -> None:
    watched = opened(guarded, open_page)
    sign_in(watched.page)
    expect_heading(watched.page, "Overview")
    [cookie] = watched.context.cookies()
    assert (cookie.get("httpOnly"), cookie.get("sameSite")) == (True, "Strict")
    assert 11 * 3600 < cookie.get("expires", 0) - time.time() <= 12 * 3600
    assert watched.page.evaluate("() => document.cookie") == ""
    stored = "() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }])"
    assert watched.page.evaluate(stored) == "[{},{}]"
    assert not [url for url in watched.requests if TOKEN in url]


def test_who_signs_out_is_out(guarded: Running, open_page: Open) -> None:
    watched = opened(guarded, open_page)
    page = watched.page
    sign_in(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Your token")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_text("")
    assert watched.context.cookies() == []
    page.goto(f"{guarded.url}/#/")
    expect(page.get_by_label("Your token")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/login?again#/"])
def test_axe_finds_nothing_and_nothing_is_wider_than_a_narrow_screen(
    guarded: Running, open_page: Open, scheme: str, path: str
) -> None:
    page = opened(guarded, open_page, path, color_scheme=scheme, viewport=NARROW).page
    expect(page.get_by_label("Your token")).to_be_focused()
    assert violations(page) == []
    assert page.evaluate(OVERFLOW) <= 0


def test_the_way_in_and_out_by_keyboard(guarded: Running, open_page: Open) -> None:
    page = opened(guarded, open_page).page
    expect(page.get_by_label("Your token")).to_be_focused()
    page.keyboard.type(TOKEN)
    page.keyboard.press("Tab")
    assert focused(page) == "Sign in"
    page.keyboard.press("Space")
    expect_heading(page, "Overview")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.get_by_role("button", name="Sign out").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Your token")).to_be_focused()


@pytest.mark.parametrize("why", ["expired", "revoked"])
def test_a_page_whose_token_stops_counting_says_so_and_comes_back(
    guarded: Running, session: str, tokens: Path, open_page: Open, why: str
) -> None:
    watched = opened(guarded, open_page, f"/#/sessions/{session}")
    page = watched.page
    sign_in(page)
    expect_heading(page, "the harbour")
    if why == "expired":
        watched.context.clear_cookies()
    else:
        tokens.write_text(f"{line_of('bob', OTHER)}\n")
    expect(page.get_by_role("alert")).to_contain_text(SIGNED_OUT)
    tokens.write_text(f"{line_of('bob', OTHER)}\n{line_of('alice', TOKEN)}\n")
    sign_in(page)
    expect_heading(page, "the harbour")
    assert page.url == f"{guarded.url}/#/sessions/{session}"


def test_an_upload_waits_until_its_user_signs_in_again_in_another_tab(
    guarded: Running, open_page: Open, flat: Path
) -> None:
    watched = opened(guarded, open_page)
    page = watched.page
    sign_in(page)
    expect_heading(page, "Overview")
    held: list[Route] = []
    page.route("**/transaction_items/files?*", lambda route: held.append(route), times=1)
    session = watched.upload(flat)
    watched.wait(lambda: bool(held))
    watched.context.clear_cookies()
    held[0].continue_()
    expect(page.locator("#banner")).to_contain_text(SIGNED_OUT)
    assert page.url.endswith(session)
    assert violations(page) == []

    with watched.context.expect_page() as tab:
        page.get_by_role("link", name="sign in again in another tab").click()
    expect(tab.value.get_by_role("alert")).to_contain_text(SIGNED_OUT)
    sign_in(tab.value)
    expect_heading(tab.value, flat.name)
    tab.value.close()
    watched.expect_state("Completed")
    expect(page.locator("#banner")).to_be_hidden()


def test_a_gateway_that_is_away_is_said_to_be_at_the_way_in_and_out(
    guarded: Running, open_page: Open
) -> None:
    watched = opened(guarded, open_page)
    watched.forgive("Failed to load resource: net::ERR_FAILED")
    page = watched.page
    page.route("**/login", lambda route: route.abort(), times=1)
    sign_in(page)
    expect(page.get_by_role("alert")).to_have_text("The gateway does not answer.")
    sign_in(page)
    expect_heading(page, "Overview")
    page.route("**/logout", lambda route: route.abort())
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#banner")).to_contain_text("The gateway")
    expect_heading(page, "Overview")
