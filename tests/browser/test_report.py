"""A report opened from a disk, with nothing around it: it draws, answers, and asks for nothing."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from coffeeshop.api import Client, Results
from coffeeshop.formats import to_csv
from coffeeshop.report import Run, write_report
from tests.browser.conftest import Open
from tests.browser.test_looks import NARROW, OVERFLOW, violations
from tests.browser.test_session import drawn
from tests.browser.watched import Watched

HOSTILE = '</script><img src=x onerror="globalThis.ran = 1"><b>bold</b>'
CHARTS = (
    "How many purchases there are of each size",
    "The best seller of each month, by quantity",
    "The best seller of each month, by revenue",
    "Revenue of each store by half-year",
    "Purchases of the most frequent customers of each store",
)
NAMES = (
    "large purchases",
    "best sellers by quantity",
    "best sellers by revenue",
    "revenue of stores",
    "most frequent customers",
)
Show = Callable[..., Watched]


@pytest.fixture(scope="module")
def results(dirs: Path) -> Results:
    """The answers for a small folder."""
    with Client() as client:
        return client.submit(dirs)


@pytest.fixture
def show(results: Results, open_page: Open, tmp_path: Path) -> Show:
    """Open a report, by default of ``results``, from a folder where it is alone."""

    def shown(found: Results = results, **how: Any) -> Watched:
        file = found.report(tmp_path / "report.html")
        watched = open_page(tmp_path.as_uri(), f"/{file.name}", **how)
        expect(watched.page.get_by_role("heading", name="Customers")).to_be_visible()
        return watched

    return shown


def asked(watched: Watched) -> list[str]:
    return [url for url in watched.requests if not url.startswith(("data:", "blob:"))]


def downloaded(page: Page, name: str) -> str:
    with page.expect_download() as found:
        page.get_by_role("link", name=f"Download {name} (CSV)").click()
    return Path(found.value.path()).read_text(encoding="utf-8")


def test_it_draws_every_chart_and_gives_every_file_without_a_request(
    results: Results, show: Show, tmp_path: Path
) -> None:
    watched = show()
    page = watched.page
    expect(page.get_by_role("heading", level=1)).to_have_text("streets")
    values = [drawn(page, title)[1] for title in CHARTS]
    numbers = [[n for line in lines for n in line if n is not None] for lines in values]
    assert sum(numbers[0]) == results["query1"].num_rows
    assert [len(each) for each in numbers[1:]] == [
        results[query].num_rows for query in list(results)[1:]
    ]
    for name, query in zip(NAMES, results, strict=True):
        assert downloaded(page, name) == to_csv(results[query]).decode()
    assert asked(watched) == [f"{tmp_path.as_uri()}/report.html"]


def test_purchases_are_searched_and_turned_over(results: Results, show: Show) -> None:
    page = show().page
    first, *_, last = results["query1"]["transaction_id"].to_pylist()
    total = results["query1"].num_rows
    expect(page.get_by_text(f"1 to 25 of {total} purchases")).to_be_visible()
    expect(page.get_by_role("cell", name=first)).to_be_visible()
    page.get_by_role("button", name="Last", exact=True).first.click()
    expect(page.get_by_role("cell", name=last)).to_be_visible()
    page.get_by_label("Search id or amount").fill(first)
    expect(page.get_by_text("1 to 1 of 1 purchase")).to_be_visible()
    expect(page.get_by_role("cell", name=first)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [None, NARROW])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    show: Show, scheme: str, size: Any
) -> None:
    page = show(color_scheme=scheme, **({} if size is None else {"viewport": size})).page
    for title in CHARTS:
        drawn(page, title)
    assert page.evaluate(OVERFLOW) <= 0
    assert violations(page) == []


def test_hostile_names_are_texts(show: Show, dirs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "<b>malls & 'more'"
    shutil.copytree(dirs, folder)
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    for table in ("stores", "menu_items"):
        for file in (folder / table).iterdir():
            header, *rows = file.read_text().splitlines()
            rest = [""] * (header.count(",") - 1)
            lines = [",".join([row.split(",")[0], quoted, *rest]) for row in rows]
            file.write_text("\n".join([header, *lines]) + "\n")
    with Client() as client:
        found = client.submit(folder)
    assert set(found["query3"]["store_name"].to_pylist()) == {HOSTILE}
    page = show(found).page
    for title in CHARTS:
        drawn(page, title)
    expect(page.get_by_role("heading", level=1)).to_have_text(folder.name)
    expect(page.get_by_role("cell", name=f"{HOSTILE} (1)", exact=True).first).to_be_visible()
    assert page.evaluate("() => globalThis.ran") is None
    assert page.locator("img").count() == 1, "the cup"
    assert page.locator("main b").count() == 0
    assert "onerror" in downloaded(page, "revenue of stores")


def test_a_part_of_a_large_result_is_said_to_be_one(
    results: Results, open_page: Open, tmp_path: Path
) -> None:
    moment = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    run = Run("malls", "an id", "fused", 2, moment, files={"query1": "results/malls/query1.csv"})
    file = write_report(dict(results), run, tmp_path / "report.html", 10)
    page = open_page(tmp_path.as_uri(), f"/{file.name}").page
    total = f"{results['query1'].num_rows:,}"
    expect(
        page.get_by_text(f"the table and the download have the 10 largest of {total} rows.")
    ).to_contain_text("The full result is in results/malls/query1.csv.")
    expect(page.get_by_text(f"{total} purchases of 75 or more")).to_be_visible()
    expect(page.get_by_text("1 to 10 of 10 purchases")).to_be_visible()
    assert sum(drawn(page, CHARTS[0])[1][0]) == results["query1"].num_rows
    expect(page.get_by_text("The full result is not in this file.").first).to_be_visible()


def test_paper_is_light_and_shows_what_is_folded(show: Show) -> None:
    page = show(color_scheme="dark").page
    for title in CHARTS:
        drawn(page, title)
    folded = page.get_by_role("table", name="Best sellers by quantity")
    expect(folded).to_be_hidden()
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    expect(folded).to_be_visible()
    expect(page.get_by_label("Search id or amount")).to_be_hidden()
    ink = "() => getComputedStyle(document.documentElement).getPropertyValue('--ink')"
    assert page.evaluate(ink) == "#2a1f18"
    page.wait_for_function(
        "() => Object.values(Chart.instances)"
        ".every((chart) => chart.options.scales.y.ticks.color === '#665548')"
    )
    page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    expect(folded).to_be_hidden()
