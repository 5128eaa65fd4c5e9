"""The summary at a glance: exact sums of the cube in the browser, filters, addresses."""

from __future__ import annotations

import csv
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from coffeeshop.client.remote import analyse
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.questions.asking import questions_of
from coffeeshop.reading.folder import open_folder
from tests.browser.conftest import Open
from tests.browser.test_languages import untranslated
from tests.browser.test_looks import NARROW, OVERFLOW, violations
from tests.browser.test_session import drawn
from tests.running import Running, new_id

HUNDREDTH = Decimal("0.01")
CUBE = """async ([text, wanted]) => {
    const { Cube } = await import("/static/js/summary/cube.js");
    const { MEASURES } = await import("/static/js/summary/measures.js");
    const { rowsOf } = await import("/static/js/csv.js");
    const key = { role: "key", kind: "text", part: "" };
    const cube = new Cube([
        { ...key, name: "store_id" }, { ...key, name: "store_name" }, { ...key, name: "month" },
        { ...key, name: "weekday", part: "iso_weekday" }, { ...key, name: "hour", part: "hour" },
        { name: "sales", role: "measure", kind: "int" },
        { name: "revenue", role: "measure", kind: "amount" },
    ], rowsOf(text));
    const { all } = cube.sums(wanted);
    return Object.values(MEASURES).map((measure) => measure.value(all));
}"""


@pytest.fixture(scope="module")
def asked(system: Running, dirs: Path) -> str:
    """A completed session with the four questions and those of the summary."""
    names = ("query1", "query2", "query3", "query4", "sales_cube", "items_by_month")
    spec = SessionSpec(new_id(), questions=questions_of((name, "") for name in names))
    analyse(system.client(), open_folder(dirs), spec)
    return spec.id


def sales_of(folder: Path) -> list[tuple[str, str, Decimal]]:
    """Store, month and final amount of every transaction."""
    found = []
    for file in sorted((folder / "transactions").iterdir()):
        with file.open(encoding="utf-8-sig") as lines:
            for row in csv.DictReader(lines):
                store = str(int(Decimal(row["store_id"])))
                amount = Decimal(row["final_amount"])
                found.append((store, row["created_at"].strip('"')[:7], amount))
    return found


def shown(amount: Decimal) -> str:
    """An exact amount as the page writes it in English."""
    return f"{amount:,.3f}".removesuffix("0")


def tile(page: Page, title: str) -> str:
    """The figure under that title."""
    return (
        page.locator(".tile").filter(has=page.locator("dt", has_text=title)).locator(".value")
    ).inner_text()


def test_money_is_added_up_in_whole_units_and_averages_are_rounded_half_up(
    system: Running, open_page: Open
) -> None:
    page = open_page(system.url).page
    rows = [
        ("1", "North", "2024-01", "1", "9", 1, "0.1"),
        ("1", "North", "2024-02", "7", "9", 1, "0.2"),
        ("2", "South", "2024-02", "7", "10", 2, "90071992547409.935"),
        ("2", "South", "2024-02", "7", "23", 1, "-0.005"),
    ]
    text = "head\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    assert page.evaluate(CUBE, [text, {}])[:2] == ["90071992547410.230", "5"]
    first = {"store": "1"}
    assert page.evaluate(CUBE, [text, first]) == ["0.300", "2", "0.15"]
    february = {"period": {"from": "2024-02", "to": "2024-02"}, "hours": {"from": 9, "to": 10}}
    assert page.evaluate(CUBE, [text, february])[:2] == ["90071992547410.135", "3"]
    halves = {"store": "2", "hours": {"from": 23, "to": 23}}
    assert page.evaluate(CUBE, [text, halves]) == ["-0.005", "1", "-0.01"]
    assert page.evaluate(CUBE, [text, {"hours": {"from": 0, "to": 3}}]) == ["0.000", "0", ""]


def test_the_first_tab_is_the_summary_and_its_filters_and_address_hold(
    system: Running, open_page: Open, asked: str, dirs: Path
) -> None:
    page = open_page(system.url, f"/#/sessions/{asked}").page
    expect(page.get_by_role("tab").first).to_have_text("Summary")
    expect(page.locator(".tile").first).to_be_visible()
    sales = sales_of(dirs)
    by_store: dict[str, Decimal] = defaultdict(Decimal)
    for store, _, amount in sales:
        by_store[store] += amount
    total = sum(by_store.values(), Decimal())
    assert tile(page, "Revenue") == shown(total)
    assert tile(page, "Transactions") == f"{len(sales):,}"
    ticket = (total / len(sales)).quantize(HUNDREDTH, ROUND_HALF_UP)
    assert tile(page, "Average ticket") == f"{ticket:,}"
    months, [revenue] = drawn(page, "Sales by month")
    assert len(months) == len(revenue) == 26
    best = max(by_store, key=lambda store: by_store[store])
    page.get_by_label("Store", exact=True).select_option(best)
    expect(page.locator(".tile .value").first).to_have_text(shown(by_store[best]))
    assert tile(page, "Best store") == page.get_by_label("Store", exact=True).evaluate(
        "select => select.selectedOptions[0].textContent"
    )
    page.get_by_label("From", exact=True).select_option("2025-01")
    page.get_by_label("To", exact=True).select_option("2025-06")
    months_of = {f"2025-{month:02d}" for month in range(1, 7)}
    chosen = sum(a for store, month, a in sales if store == best and month in months_of)
    before = {f"2024-{month:02d}" for month in range(7, 13)}
    earlier = sum(a for store, month, a in sales if store == best and month in before)
    change = (100 * (chosen - earlier) / earlier).quantize(Decimal("0.1"), ROUND_HALF_UP)
    for _ in range(2):
        expect(page.locator(".tile .value").first).to_have_text(shown(Decimal(chosen)))
        expect(page.locator(".change").first).to_contain_text(
            f"{change:+}% against Jul 2024 – Dec 2024"
        )
        page.reload()
    page.get_by_role("button", name="Show all").click()
    expect(page.locator(".tile .value").first).to_have_text(shown(total))
    page.get_by_role("tab", name="Customers").click()
    expect(page.get_by_text("The three customers of each store")).to_be_visible()


@pytest.mark.parametrize("size", [None, NARROW])
def test_everybody_can_read_the_summary_in_spanish(
    system: Running, open_page: Open, asked: str, size: dict[str, int] | None
) -> None:
    how = {"locale": "es-AR", **({} if size is None else {"viewport": size})}
    page = open_page(system.url, f"/#/sessions/{asked}", **how).page
    expect(page.get_by_role("rowheader", name="lunes")).to_be_visible()
    page.get_by_label("Período", exact=True).select_option("3")
    drawn(page, "Productos destacados")
    assert violations(page) == []
    page.wait_for_function(f"() => ({OVERFLOW})() <= 0")
    assert untranslated(page) == []
