"""The page for everybody: contrast, names, keys, narrow screens, little motion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.sessions.lifecycle import Timeouts
from tests.browser.conftest import Open
from tests.browser.watched import Watched
from tests.running import Running, new_id, running

AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
NARROW = {"width": 320, "height": 640}
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
TABS = ("Summary", "Large purchases", "Best sellers", "Revenue", "Customers")


@pytest.fixture(scope="module")
def settled() -> Iterator[Running]:
    """A system with an open session, which nobody feeds, and which waits for that all the same."""
    with running(timeouts=Timeouts(client_timeout=600.0)) as made:
        made.client().open(SessionSpec(new_id(), producers=2), "an open session")
        yield made


@pytest.fixture(scope="module")
def session(settled: Running, dirs: Path) -> str:
    """A completed session."""
    from coffeeshop.client.remote import analyse
    from coffeeshop.reading.folder import open_folder

    spec = SessionSpec(new_id())
    analyse(settled.client(), open_folder(dirs), spec)
    return spec.id


def violations(page: Page) -> list[Any]:
    """What axe finds, as rule and selectors."""
    if not page.evaluate("() => 'axe' in globalThis"):
        page.evaluate(AXE.read_text())  # not by a script element: the page's policy forbids it
    page.evaluate("() => document.activeElement.blur()")
    found: list[Any] = page.evaluate(
        """async () => (await axe.run()).violations.map(
            (v) => [v.id, v.help, v.nodes.map((n) => [n.target.join(" "), n.failureSummary])]
        )"""
    )
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [None, NARROW])
def test_axe_finds_nothing_wrong(
    settled: Running, session: str, dirs: Path, open_page: Open, scheme: str, size: Any
) -> None:
    how = {"color_scheme": scheme, **({} if size is None else {"viewport": size})}
    watched = open_page(settled.url, **how)
    page = watched.page
    expect(page.get_by_role("link", name="an open session")).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()
    assert violations(page) == []
    watched.choose(dirs)
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.goto(f"{settled.url}/#/sessions/{session}")
    for name in TABS:
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_role("tabpanel").locator("canvas").first).to_be_visible()
        assert violations(page) == []


def test_axe_finds_nothing_wrong_with_trouble_on_the_page(
    settled: Running, open_page: Open, tmp_path: Path
) -> None:
    for scheme in ("light", "dark"):
        watched = open_page(settled.url, color_scheme=scheme)
        watched.forgive("Failed to load resource: net::ERR_FAILED")
        page = watched.page
        expect(page.get_by_role("link", name="an open session")).to_be_visible()
        page.route("**/v1/overview*", lambda route: route.abort())
        expect(page.locator("#banner")).to_be_visible()
        assert violations(page) == []
        page.get_by_role("button", name="New analysis").click()
        (tmp_path / "notes").mkdir(exist_ok=True)
        (tmp_path / "notes" / "users.csv").write_text("user_id,birthdate\n")
        page.locator("#pick-folder").set_input_files(tmp_path / "notes")
        expect(page.get_by_role("alert")).to_be_visible()
        assert violations(page) == []


def test_nothing_is_wider_than_a_narrow_screen(
    settled: Running, session: str, dirs: Path, open_page: Open
) -> None:
    watched = open_page(settled.url, viewport=NARROW)
    page = watched.page
    expect(page.get_by_role("link", name="an open session")).to_be_visible()
    # Charts fit themselves into the screen once they are drawn.
    page.wait_for_function(f"() => ({OVERFLOW})() <= 0")
    watched.choose(dirs)
    assert page.evaluate(OVERFLOW) <= 0
    dialog = page.get_by_role("dialog")
    assert dialog.evaluate("(d) => d.scrollWidth - d.clientWidth") <= 0
    page.keyboard.press("Escape")
    page.goto(f"{settled.url}/#/sessions/{session}")
    for name in TABS:
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_role("tabpanel").locator("canvas").first).to_be_visible()
        assert page.evaluate(OVERFLOW) <= 0


def focused(page: Page) -> str:
    found: str = page.evaluate(
        "() => document.activeElement.innerText || document.activeElement.id"
    )
    return found.strip()


def tab_to(page: Page, name: str, most: int = 40) -> None:
    """Press Tab until something of that name has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if focused(page) == name:
            return
    raise AssertionError(f"{name} was not reached")


def test_everything_can_be_done_by_keyboard(
    settled: Running, session: str, dirs: Path, open_page: Open
) -> None:
    watched = open_page(settled.url)
    page = watched.page
    expect(page.get_by_role("link", name="an open session")).to_be_visible()
    tab_to(page, "Skip to the content", 1)
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "main"

    page.reload()
    expect(page.get_by_role("link", name="an open session")).to_be_visible()
    tab_to(page, "New analysis")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    tab_to(page, "pick-files")
    assert not watched.choosers, "the Enter that opened the dialog opened no chooser"
    page.keyboard.press("Space")
    watched.chooser().set_files(sorted((dirs / "menu_items").iterdir()))
    expect(page.get_by_role("list", name="Tables in what was chosen")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert focused(page) == "New analysis"

    tab_to(page, dirs.name)
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name=TABS[0])).to_be_visible()
    assert page.evaluate("() => document.activeElement.tagName") == "H1"
    tab_to(page, "Delete")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert focused(page) == "Go back"
    page.keyboard.press("Enter")
    assert focused(page) == "Delete"
    tab_to(page, TABS[0])
    for name in (*TABS[1:], TABS[0]):
        page.keyboard.press("ArrowRight")
        assert focused(page) == name
        expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("End")
    assert focused(page) == TABS[-1]
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="Next")).to_be_visible()
    tab_to(page, "Next")
    page.keyboard.press("Enter")
    expect(page.get_by_text("26 to 50 of")).to_be_visible()
    assert focused(page) == "Next"


def test_what_changes_is_said_and_what_stays_keeps_the_focus(
    settled: Running, open_page: Open
) -> None:
    watched = open_page(settled.url)
    page = watched.page
    link = page.get_by_role("link", name="an open session")
    link.focus()
    other = new_id()
    settled.client().open(SessionSpec(other), "a newer session")
    expect(page.get_by_role("link", name="a newer session")).to_be_visible()
    expect(link).to_be_focused()
    page.goto(f"{settled.url}/#/sessions/{other}")
    watched.expect_state("Open")
    settled.client().cancel(other)
    expect(page.locator("#announcer")).to_have_text("The session is cancelled.")


def test_who_wants_little_motion_gets_none(settled: Running, open_page: Open) -> None:
    moving = "() => document.getAnimations().filter((a) => a.playState === 'running').length"
    by_motion = {
        motion: open_page(settled.url, reduced_motion=motion)
        for motion in ("no-preference", "reduce")
    }
    for watched in by_motion.values():
        expect(watched.page.locator(".pill.open").first).to_be_visible()
        expect(watched.page.locator(".drawing").first).to_be_visible()
    # An animation begins with a frame, some time after its element is there.
    by_motion["no-preference"].wait(lambda: bool(by_motion["no-preference"].page.evaluate(moving)))
    assert by_motion["reduce"].page.evaluate(moving) == 0


def test_charts_follow_the_colours(settled: Running, session: str, open_page: Open) -> None:
    watched: Watched = open_page(settled.url, f"/#/sessions/{session}")
    page = watched.page
    colour = """() => {
        const canvas = document.querySelector("[role=tabpanel] canvas");
        return globalThis.Chart?.getChart(canvas)?.data.datasets[0].backgroundColor ?? "";
    }"""
    watched.wait(lambda: page.evaluate(colour) == "#8a4a1f")
    page.emulate_media(color_scheme="dark")
    watched.wait(lambda: page.evaluate(colour) == "#e5a970")
