"""Questions of one's own on the page: their charts, their tables, their addresses."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from coffeeshop.client.remote import analyse
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.questions.asking import questions_of
from coffeeshop.reading.folder import open_folder
from tests.browser.conftest import Open
from tests.browser.test_looks import NARROW, OVERFLOW, violations
from tests.browser.test_session import downloaded, drawn
from tests.running import Running, new_id

QUESTIONS = {
    "by_month": """-- Revenue per month and store
        SELECT strftime(t.created_at, '%Y-%m') AS month, s.store_name, count(*) AS sales,
               sum(t.final_amount) AS revenue, round(avg(t.final_amount), 2) AS average_ticket
        FROM transactions t JOIN stores s USING (store_id)
        GROUP BY ALL ORDER BY month, s.store_name""",
    "by_item": """SELECT m.item_name, sum(i.quantity) AS items, sum(i.subtotal) AS revenue
        FROM transaction_items i JOIN menu_items m USING (item_id)
        GROUP BY ALL ORDER BY m.item_name""",
    "by_hour": """SELECT isodow(created_at) AS weekday, hour(created_at) AS hour, count(*) AS sales
        FROM transactions GROUP BY ALL ORDER BY weekday, hour""",
}
TITLES = {"by_month": "Revenue per month and store", "by_item": "By item", "by_hour": "By hour"}


@pytest.fixture(scope="module")
def asked(system: Running, dirs: Path) -> str:
    """A completed session with the questions above."""
    tables = ("stores", "menu_items", "transactions", "transaction_items")
    spec = SessionSpec(new_id(), questions=questions_of(QUESTIONS.items()))
    analyse(
        system.client(),
        open_folder(dirs, tables),
        spec,
    )
    return spec.id


def rows_of(answer: bytes) -> list[list[str]]:
    """The rows of a CSV text behind its header."""
    return list(csv.reader(io.StringIO(answer.decode())))[1:]


def cells(page: Page, row: int) -> list[str]:
    """The texts of a row of the table that is shown."""
    return page.get_by_role("tabpanel").locator("tbody tr").nth(row).locator("td").all_inner_texts()


def test_an_answer_is_drawn_added_up_sorted_and_searched_and_its_address_brings_it_back(
    system: Running, open_page: Open, asked: str
) -> None:
    watched = open_page(system.url, f"/#/sessions/{asked}/by_item")
    page = watched.page
    _, [items] = drawn(page, "By item: Items")
    answer = rows_of(downloaded(watched, "by_item"))
    assert items == sorted(items, reverse=True)
    panel = page.get_by_role("tabpanel")
    total = sum(Decimal(row[2]) for row in answer)
    expect(panel.locator("tfoot")).to_contain_text(f"{total:,.2f}"[:-1])
    page.get_by_role("button", name="Revenue").press("Enter")
    best = max(answer, key=lambda row: Decimal(row[2]))
    assert cells(page, 0)[0] == best[0]
    page.get_by_label("Search").fill(best[0])
    expect(panel.get_by_role("status")).to_have_text("1 row")
    page.reload()
    expect(panel.get_by_role("status")).to_have_text("1 row")
    expect(page.get_by_label("Search")).to_have_value(best[0])
    expect(page.get_by_role("columnheader", name="Revenue")).to_have_attribute(
        "aria-sort", "descending"
    )
    page.get_by_role("tab", name="Revenue per month and store").click()
    months, lines = drawn(page, "Revenue per month and store: Sales")
    assert [months[0], months[-1]] == ["Dec 2023", "Jan 2026"]
    assert len(lines) == min(8, len({row[1] for row in rows_of(downloaded(watched, "by_month"))}))


@pytest.mark.parametrize(("scheme", "size"), [("light", None), ("dark", NARROW)])
def test_everybody_can_read_the_answers_of_any_kind(
    system: Running, open_page: Open, asked: str, scheme: str, size: dict[str, int] | None
) -> None:
    how = {"color_scheme": scheme, **({} if size is None else {"viewport": size})}
    watched = open_page(system.url, f"/#/sessions/{asked}", **how)
    page = watched.page
    for title in TITLES.values():
        page.get_by_role("tab", name=title).click()
        expect(page.get_by_role("tabpanel").locator("tbody").last).to_be_visible()
        assert violations(page) == []
        page.wait_for_function(f"() => ({OVERFLOW})() <= 0")
    expect(page.get_by_role("rowheader", name="Monday")).to_be_visible()


def test_questions_are_chosen_written_and_mended_on_the_page_of_a_dropped_folder(
    system: Running, open_page: Open, dirs: Path
) -> None:
    watched = open_page(system.url)
    watched.forgive("Failed to load resource: the server responded with a status of 400")
    page = watched.page
    watched.drop(dirs, page.locator("main"))
    expect(page.get_by_label("Name (optional)")).to_have_value(dirs.name)
    page.get_by_label("The four questions").press("Space")
    page.get_by_label("Other questions").press("Space")
    weekly = "Sales and revenue per day of the week and hour"
    page.get_by_role("checkbox", name=weekly).press("Space")
    page.get_by_text("Stores stores").click()
    expect(page.get_by_text("store_name text")).to_be_visible()
    area = page.get_by_label("SQL", exact=True)
    area.fill("SELECT store_id, count(*) AS sales\nFROM transactions GROUP BY shop")
    page.get_by_role("button", name="Start the analysis").click()
    expect(area).to_be_focused()
    expect(page.get_by_role("alert")).to_contain_text("Line 2, column 28: ")
    assert area.evaluate("a => a.value.slice(a.selectionStart, a.selectionEnd)") == "shop"
    assert violations(page) == []
    area.fill("SELECT store_id, count(*) AS sales\nFROM transactions GROUP BY store_id")
    page.get_by_role("button", name="Start the analysis").click()
    watched.expect_state("Completed")
    page.get_by_role("tab", name=weekly).click()
    expect(page.get_by_role("columnheader", name="Monday")).to_have_count(0)
    expect(page.get_by_role("rowheader", name="Monday")).to_be_visible()
    page.get_by_role("tab", name="Own1").click()
    _, [sales] = drawn(page, "Own1: Sales")
    assert sum(sales) == 3_000
    expect(page.get_by_role("row", name="Total 3,000")).to_be_visible()


def test_parameters_are_set_in_the_form_and_said_with_the_results(
    system: Running, open_page: Open, dirs: Path
) -> None:
    watched = open_page(system.url)
    watched.forgive("Failed to load resource: the server responded with a status of 400")
    page = watched.page
    watched.choose(dirs)
    page.get_by_label("Years").fill("lately")
    page.get_by_label("Least amount").fill("20.5")
    page.get_by_role("button", name="Start the analysis").click()
    expect(page.get_by_role("alert")).to_contain_text("years are written 2024 or 2023-2025")
    expect(page.get_by_label("Years")).to_be_focused()
    page.get_by_label("Years").fill("2025")
    page.get_by_role("button", name="Start the analysis").click()
    watched.expect_state("Completed")
    page.get_by_role("tab", name="Large purchases").click()
    expect(page.get_by_text("of 20.5 or more in 2025, between 6:00 and 23:00.")).to_be_visible()
