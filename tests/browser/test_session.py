"""A whole session in a browser: from a data folder to answers one can look at."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from coffeeshop.pipeline.messages import SessionSpec
from tests.browser.conftest import Open
from tests.browser.watched import Watched
from tests.oracle import answers
from tests.running import Running, new_id

QUERIES = ("query1", "query2_best_selling", "query2_most_profitable", "query3", "query4")


def downloaded(watched: Watched, query: str, suffix: str = "csv") -> bytes:
    """What the button of a result gives; its tab is open, or it is that of query 1."""
    if query == "query1":
        watched.page.locator("#tab-q1").click()
    with watched.page.expect_download() as found:
        watched.page.locator(f'a[download="{query}.{suffix}"]').click()
    return Path(found.value.path()).read_bytes()


def drawn(page: Page, title: str) -> list[Any]:
    """The labels and values of a chart that is on the screen."""
    chart = page.get_by_role("img", name=title)
    expect(chart.locator("canvas")).to_be_visible()
    page.wait_for_function(
        "canvas => globalThis.Chart && Chart.getChart(canvas)",
        arg=chart.locator("canvas").element_handle(),
    )
    found: list[Any] = chart.locator("canvas").evaluate(
        "c => [Chart.getChart(c).data.labels, Chart.getChart(c).data.datasets.map(d => d.data)]"
    )
    return found


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


@pytest.mark.parametrize("layout", ["flat", "dirs"])
def test_a_folder_of_either_layout_goes_from_upload_to_charts(
    system: Running, open_page: Open, layout: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(layout)
    expected = answers(folder)
    lines = {query: expected[f"{query}.csv"].splitlines()[1:] for query in QUERIES}
    watched = open_page(system.url)
    page = watched.page
    watched.upload(folder)
    watched.expect_state("Completed")
    expect(page.get_by_role("heading", level=1)).to_have_text(folder.name)

    tab(page, "Large purchases")
    labels, [counts] = drawn(page, "How many purchases")
    assert sum(counts) == len(lines["query1"])
    assert len(labels) == len(counts)
    assert downloaded(watched, "query1").decode() == expected["query1.csv"]
    tab(page, "Best sellers")
    months, sold = drawn(page, "The best seller of each month, by quantity")
    assert len(months) == len(lines["query2_best_selling"])
    assert all(sum(value is not None for value in month) == 1 for month in zip(*sold, strict=True))
    drawn(page, "The best seller of each month, by revenue")
    assert (
        downloaded(watched, "query2_best_selling").decode() == expected["query2_best_selling.csv"]
    )
    tab(page, "Revenue")
    stores, halves = drawn(page, "Revenue of each store")
    assert sum(value is not None for half in halves for value in half) == len(lines["query3"])
    assert len(stores) == len({line.split(",", 1)[1].rsplit(",", 1)[0] for line in lines["query3"]})
    assert downloaded(watched, "query3").decode() == expected["query3.csv"]
    tab(page, "Customers")
    _, ranks = drawn(page, "Purchases of the most frequent")
    shown = sorted(value for rank in ranks for value in rank if value is not None)
    assert shown == sorted(int(line.rsplit(",", 1)[1]) for line in lines["query4"])
    assert downloaded(watched, "query4").decode() == expected["query4.csv"]
    assert downloaded(watched, "query4", "parquet")[:4] == b"PAR1"
    assert downloaded(watched, "query4", "json").startswith(b"[")


def test_the_protocol_is_told_in_its_order(system: Running, open_page: Open, flat: Path) -> None:
    watched = open_page(system.url)
    watched.upload(flat)
    watched.expect_state("Completed")
    story = watched.page.get_by_role("log")
    expect(story).to_contain_text("The input was removed from the broker")
    told = story.locator("li span:last-child").all_inner_texts()
    assert told[0] == "Registered: 5 tables, 1 producer announced"
    assert "Transactions: producer 0 ended with 2 batches" in told
    results = [text for text in told if text.endswith(": result complete")]
    assert len(results) == 7
    ends = [told.index(each) for each in results]
    assert told.index("Every producer ended every table") < told.index(
        "Completed: all results are available"
    )
    assert max(ends) < told.index("Completed: all results are available")
    inputs = watched.page.get_by_role("group", name="Input of the session")
    rows = inputs.get_by_role("row", name="Transactions")
    expect(rows.first).to_contain_text("ended")
    expect(rows.first).to_contain_text("50,000")
    times = story.locator("time").all_inner_texts()
    assert times == sorted(times)
    watched.page.reload()
    watched.page.locator("details.work").evaluate("details => { details.open = true; }")
    expect(story.locator("time")).to_have_text(times)
    pipeline = watched.page.get_by_role("img", name="The pipeline. clients: all sent;")
    expect(pipeline).to_have_attribute("aria-label", re.compile("results: 7 of 7 ready"))


def test_compressed_tables_are_sent_as_they_are(
    system: Running, open_page: Open, dirs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "packed"
    for file in dirs.rglob("*.csv"):
        packed = folder / file.relative_to(dirs)
        packed.parent.mkdir(parents=True, exist_ok=True)
        packed.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    watched = open_page(system.url)
    watched.upload(folder)
    watched.expect_state("Completed")
    expect(watched.page.get_by_role("heading", name="Uploaded")).to_be_visible()
    assert downloaded(watched, "query1").decode() == answers(dirs)["query1.csv"]


def test_a_folder_can_be_dropped(system: Running, open_page: Open, dirs: Path) -> None:
    watched = open_page(system.url)
    page = watched.page
    page.get_by_role("button", name="New analysis").click()
    watched.drop(dirs, page.locator(".drop"))
    expect(page.get_by_label("Name (optional)")).to_have_value(dirs.name)
    page.get_by_role("button", name="Start the analysis").click()
    watched.expect_state("Completed")


def test_two_pages_at_once_each_have_their_own_session(
    system: Running, open_page: Open, flat: Path, dirs: Path
) -> None:
    one, two = open_page(system.url), open_page(system.url)
    first, second = one.upload(flat, "one"), two.upload(dirs, "two")
    assert first != second
    for watched, folder, name in ((two, dirs, "two"), (one, flat, "one")):
        watched.expect_state("Completed")
        expect(watched.page.get_by_role("heading", level=1)).to_have_text(name)
        assert downloaded(watched, "query1").decode() == answers(folder)["query1.csv"]
    for watched, other in ((one, second), (two, first)):
        assert not [url for url in watched.requests if other in url]


def test_a_bad_row_is_shown_with_its_file_its_line_in_the_file_and_its_value(
    system: Running, open_page: Open, flat: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "bad"
    shutil.copytree(flat, folder)
    file = folder / "transactions.csv"
    rows = file.read_text().split("\n")
    line = len(rows) - 5
    cells = rows[line - 1].split(",")
    cells[7] = "<b>lots</b>"
    rows[line - 1] = ",".join(cells)
    file.write_text("\n".join(rows))
    assert len("\n".join(rows[: line - 1])) > 3_500_000, "the row is in the second batch"

    watched = open_page(system.url)
    watched.forgive("Failed to load resource: the server responded with a status of 422")
    watched.upload(folder)
    alert = watched.page.get_by_role("alert")
    expect(alert).to_contain_text(
        f"bad/transactions.csv, line {line}, column final_amount: not an amount with up to "
        "3 decimals (found “<b>lots</b>”)"
    )
    watched.expect_state("Open")
    watched.page.get_by_role("button", name="Give up").click()
    watched.expect_state("Failed")
    where = f"bad/transactions.csv, line {line}, column final_amount, value “<b>lots</b>”"
    watched.page.reload()
    expect(watched.page.locator(".head .notice.bad")).to_contain_text(f"bad data: {where}")
    row = watched.page.get_by_role("row", name=str(line))
    expect(row).to_contain_text("<b>lots</b>")


def test_a_wrong_header_is_told_even_when_there_are_no_rows(
    system: Running, open_page: Open, dirs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "headless"
    shutil.copytree(dirs, folder)
    file = next((folder / "stores").iterdir())
    file.write_text("store_id,name\n")
    watched = open_page(system.url)
    watched.forgive("Failed to load resource: the server responded with a status of 422")
    watched.upload(folder)
    expect(watched.page.get_by_role("alert")).to_contain_text(
        f"headless/stores/{file.name}, line 1: no column store_name"
    )


def test_a_folder_with_a_table_missing_is_not_started(
    system: Running, open_page: Open, dirs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "incomplete"
    shutil.copytree(dirs, folder)
    shutil.rmtree(folder / "users")
    watched = open_page(system.url)
    watched.choose(folder)
    expect(watched.page.get_by_role("alert")).to_have_text("No files for table users.")
    expect(watched.page.get_by_role("button", name="Start the analysis")).to_be_disabled()


def test_names_are_texts_whatever_is_in_them(
    system: Running, open_page: Open, dirs: Path, tmp_path: Path
) -> None:
    markup = '<img src=x onerror="document.title=1">'
    folder = tmp_path / "shops"
    shutil.copytree(dirs, folder)
    for file in (folder / "stores").iterdir():
        header, *rows = file.read_text().splitlines()
        cells = [row.split(",") for row in rows]
        lines = [",".join([c[0], '"<b>""bold""</b>, ' + c[0] + '"', *["x"] * 6]) for c in cells]
        file.write_text("\n".join([header, *lines]) + "\n")
    watched = open_page(system.url)
    page = watched.page
    watched.upload(folder, markup)
    watched.expect_state("Completed")
    expect(page.get_by_role("heading", level=1)).to_have_text(markup)
    tab(page, "Revenue")
    expect(page.get_by_role("cell", name='<b>"bold"</b>, 1').first).to_be_visible()
    page.get_by_role("link", name="Overview").first.click()
    expect(page.get_by_role("link", name=markup)).to_be_visible()
    assert page.locator("main img").count() == 0


def test_cancel_and_delete_ask_first(system: Running, open_page: Open) -> None:
    session = new_id()
    system.client().open(SessionSpec(session), "to be cancelled")
    watched = open_page(system.url, f"/#/sessions/{session}")
    page = watched.page
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.keyboard.press("Escape")
    watched.expect_state("Open")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the session").click()
    watched.expect_state("Cancelled")
    expect(page.locator(".head .notice")).to_have_text("Cancelled by the client.")
    expect(page.locator(".head .notice.bad")).to_have_count(0)  # it was wanted, so it is no alarm
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Go back").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("to be cancelled")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete the session").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    expect(page.get_by_role("link", name="to be cancelled")).to_have_count(0)


def test_a_session_that_does_not_exist_is_said_to(system: Running, open_page: Open) -> None:
    watched = open_page(system.url, "/#/sessions/00000000-0000-4000-8000-000000000000")
    watched.forgive("Failed to load resource: the server responded with a status of 404")
    expect(watched.page.get_by_role("alert")).to_contain_text("The session cannot be shown")
