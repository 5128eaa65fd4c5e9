"""The page while the gateway is away, overloaded, or started anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from coffeeshop.actors.hosted import HostedNode
from coffeeshop.gateway.server import GatewayServer
from coffeeshop.names import STAGES
from coffeeshop.pipeline.messages import SessionSpec
from tests.browser.conftest import Open
from tests.browser.test_session import downloaded
from tests.oracle import answers
from tests.running import Running, new_id, running

AWAY = "The gateway does not answer"
LOUD = ("Failed to load resource: net::ERR_", "Failed to load resource: the server responded")


@pytest.fixture
def own() -> Iterator[Running]:
    """A gateway of a test's own, without a node: sessions stay open until the test starts one."""
    with running(node=False) as made:
        yield made


def stop_gateway(system: Running) -> int:
    """Stop the gateway and give its port."""
    gateway = system.gateways.pop()
    gateway.close()
    return gateway.port


def start_gateway(system: Running, port: int) -> None:
    """A new gateway over the same broker, where the old one was."""
    gateway = GatewayServer(system.transport, "127.0.0.1", port)
    system.gateways.append(gateway)
    gateway.start()


def test_an_upload_goes_on_where_it_was_when_the_gateway_is_started_anew(
    own: Running, open_page: Open, flat: Path
) -> None:
    watched = open_page(own.url)
    watched.forgive(*LOUD)
    page = watched.page
    held: list[Route] = []
    page.route("**/transaction_items/files?*", lambda route: held.append(route), times=1)
    session = watched.upload(flat)
    expect(page.get_by_role("heading", name="Uploading")).to_be_visible()
    page.wait_for_function("() => document.querySelector('#bar-transactions').value === 1")
    watched.wait(lambda: bool(held))

    port = stop_gateway(own)
    held[0].continue_()
    expect(page.locator("#banner")).to_contain_text(AWAY)
    expect(page.get_by_text("Waiting to send again: the gateway does not answer.")).to_be_visible()
    start_gateway(own, port)
    expect(page.locator("#banner")).to_have_text("The gateway answers again.")
    expect(page.get_by_role("heading", name="Uploaded")).to_be_visible()
    watched.expect_state("Open")
    node = HostedNode(own.transport, STAGES, own.failures.append)
    try:
        watched.expect_state("Completed")
        assert downloaded(watched, "query1").decode() == answers(flat)["query1.csv"]
        assert session in page.url
    finally:
        node.close(0.0)
    expect(page.locator("#banner")).to_be_hidden()


def test_the_overview_says_that_the_gateway_is_away_and_recovers_by_itself(
    own: Running, open_page: Open
) -> None:
    own.client().open(SessionSpec(new_id()), "still there")
    watched = open_page(own.url)
    watched.forgive(*LOUD)
    page = watched.page
    expect(page.get_by_role("link", name="still there")).to_be_visible()
    port = stop_gateway(own)
    expect(page.locator("#banner")).to_contain_text(AWAY)
    expect(page.get_by_role("link", name="still there")).to_be_visible()
    start_gateway(own, port)
    expect(page.locator("#banner")).to_have_text("The gateway answers again.")
    expect(page.locator("#banner")).to_be_hidden()


def test_a_page_opened_before_there_is_anything_to_show_says_so(
    own: Running, open_page: Open
) -> None:
    watched = open_page(own.url, None)
    watched.forgive(*LOUD)
    page = watched.page
    page.route("**/v1/overview*", lambda route: route.abort())
    page.goto(own.url)
    expect(page.get_by_role("alert")).to_contain_text("This page tries again by itself.")
    page.unroute("**/v1/overview*")
    expect(page.get_by_text("There are no sessions yet.")).to_be_visible()
    expect(page.get_by_text("No worker is running.")).to_be_visible()


def test_that_no_worker_runs_is_said_on_every_view_and_no_task_is_said_to_be_at_work(
    own: Running, open_page: Open
) -> None:
    session = new_id()
    own.client().open(SessionSpec(session, "staged"), "waits")
    watched = open_page(own.url)
    page = watched.page
    banner = page.locator("#trouble")
    expect(banner).to_have_text("No worker is running; your data is safe and waits.")
    expect(page.get_by_role("heading", name="Plan: staged")).to_be_visible()
    page.goto(f"{own.url}/#/sessions/{session}")
    drawing = page.get_by_role("img", name="The pipeline.")
    expect(drawing).to_have_attribute("aria-label", re.compile("filter year: 2 tasks waiting"))
    expect(drawing).not_to_have_attribute("aria-label", re.compile("at work"))
    expect(page.get_by_role("tabpanel")).to_contain_text(
        "No worker is running; your data is safe and waits."
    )
    expect(banner).to_be_visible()


def test_sessions_are_found_among_all_and_not_only_those_shown(
    own: Running, open_page: Open
) -> None:
    client = own.client()
    client.open(SessionSpec(new_id()), "the oldest harbour")
    for number in range(55):
        client.open(SessionSpec(new_id()), f"mall {number}")
    watched = open_page(own.url)
    page = watched.page
    links = page.locator(".card h3 a")
    expect(links).to_have_count(12)
    expect(page.get_by_text("12 of 56")).to_be_visible()
    page.get_by_label("Search").fill("HARBOUR")
    expect(links).to_have_text(["the oldest harbour"])
    page.get_by_label("Show").select_option("failed")
    expect(page.get_by_text("There are no failed sessions with “HARBOUR”.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("There are no failed sessions with “HARBOUR”.")).to_be_visible()
    page.get_by_label("Search").fill("")
    expect(page.get_by_text("There are no failed sessions.")).to_be_visible()
    expect(page.locator("#state-filter option").nth(1)).to_have_text("Open (56)")


def test_a_busy_gateway_is_given_the_time_it_asks_for(
    system: Running, open_page: Open, dirs: Path
) -> None:
    watched = open_page(system.url)
    watched.forgive(*LOUD)
    page = watched.page
    moments: list[float] = []

    def refuse(route: Route) -> None:
        moments.append(page.evaluate("performance.now()"))
        if len(moments) > 2:
            route.continue_()
            return
        route.fulfill(
            status=(429, 503)[len(moments) - 1],
            headers={"Retry-After": "1", "Content-Type": "application/problem+json"},
            body='{"detail": "too much under way"}',
        )

    page.route("**/tables/stores/files?*", refuse)
    watched.upload(dirs)
    expect(page.get_by_text("Waiting to send again: too much under way.")).to_be_visible()
    watched.expect_state("Completed")
    assert len(moments) == 3
    assert all(b - a >= 1_000 for a, b in pairwise(moments))
    expect(page.locator("#banner")).to_be_hidden()


def test_events_go_on_after_the_last_one_that_was_heard(own: Running, open_page: Open) -> None:
    session = new_id()
    own.client().open(SessionSpec(session))
    watched = open_page(own.url, None)
    page = watched.page
    asked: list[str | None] = []

    def answer(route: Route) -> None:
        asked.append(route.request.headers.get("last-event-id"))
        told = 'event: result\nid: 7\ndata: {"query": "query3"}\n\n' if len(asked) == 1 else ""
        end = "event: completed\nid: 9\ndata: {}\n\n" if len(asked) == 3 else ": silence\n\n"
        route.fulfill(content_type="text/event-stream", body=f"retry: 1000\n\n{told}{end}")

    page.route("**/events", answer)
    page.goto(f"{own.url}/#/sessions/{session}")
    watched.wait(lambda: len(asked) == 3)
    page.wait_for_timeout(500)  # an end is an end
    assert asked == [None, "7", "7"]


def test_a_result_that_could_not_be_fetched_can_be_asked_for_again(
    system: Running, open_page: Open, dirs: Path
) -> None:
    watched = open_page(system.url)
    watched.forgive(*LOUD)
    page = watched.page
    page.route("**/downloads/query1.csv", lambda route: route.abort(), times=1)
    watched.upload(dirs)
    watched.expect_state("Completed")
    page.get_by_role("tab", name="Large purchases").click()
    expect(page.get_by_text("The result could not be fetched")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("img", name="How many purchases")).to_be_visible()


def test_a_session_somebody_else_deletes_is_said_to_be_gone(
    system: Running, open_page: Open
) -> None:
    session = new_id()
    client = system.client()
    client.open(SessionSpec(session), "short-lived")
    watched = open_page(system.url, f"/#/sessions/{session}")
    watched.forgive(*LOUD)
    watched.expect_state("Open")
    client.delete(session)
    expect(watched.page.get_by_role("alert")).to_contain_text("were deleted")
