"""The empty page of `coffeeshop serve` offers data to try it with."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from coffeeshop.reading.folder import open_folder
from tests.browser.conftest import Open
from tests.running import Running, running


def test_the_example_is_analysed_at_one_press(open_page: Open, flat: Path) -> None:
    found = {
        file.relative_to(flat).as_posix(): file
        for files in open_folder(flat).files.values()
        for file in files
    }
    with running(example=lambda: found) as system:
        page = open_page(system.url).page
        page.get_by_role("button", name="Try with example data").click()
        page.wait_for_url("**/#/sessions/*")
        expect(page.get_by_role("heading", level=1)).to_have_text("example")
        expect(page.get_by_role("tab", name="Revenue")).to_be_visible()
        # Whoever has sessions has data.
        page.locator("#to-overview").click()
        expect(page.get_by_role("link", name="example")).to_be_visible()
        expect(page.get_by_role("button", name="Try with example data")).to_be_hidden()
        page.close()  # before its gateway goes, of which it would complain


def test_what_is_wrong_with_the_example_is_said(open_page: Open, tmp_path: Path) -> None:
    with running(example=lambda: {"stores.csv": tmp_path / "gone.csv"}) as system:
        opened = open_page(system.url)
        opened.forgive("Failed to load resource")
        opened.page.get_by_role("button", name="Try with example data").click()
        expect(opened.page.get_by_role("alert")).to_contain_text("could not be started")


def test_a_gateway_without_an_example_offers_none(system: Running, open_page: Open) -> None:
    page = open_page(system.url).page
    expect(page.get_by_role("button", name="Analyse a data folder")).to_be_visible()
    expect(page.get_by_role("button", name="Try with example data")).to_be_hidden()
