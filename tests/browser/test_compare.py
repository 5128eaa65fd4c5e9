"""Two sessions side by side on the page: joined by their keys, with an address of their own."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from coffeeshop.client.remote import analyse
from coffeeshop.generate import generate
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.questions.asking import questions_of
from coffeeshop.reading.folder import open_folder
from tests.browser.conftest import Open
from tests.browser.test_languages import untranslated
from tests.browser.test_looks import NARROW, OVERFLOW, violations
from tests.running import Running, new_id

JOINED = """async ([a, b]) => {
    const { joined } = await import("/static/js/compare/join.js");
    return joined([0], [1], a, b);
}"""
NAMES = ("query1", "query2", "query3", "query4", "sales_cube")
Pair = tuple[str, str, Decimal, Decimal]


@pytest.fixture(scope="module")
def pair(system: Running, dirs: Path, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Two completed sessions, and the revenue of each."""
    other = tmp_path_factory.mktemp("compare") / "avenues"
    generate(other, transactions=1_000, seed=33)
    found = []
    for folder in (dirs, other):
        spec = SessionSpec(new_id(), questions=questions_of((name, "") for name in NAMES))
        _, tables, _ = analyse(system.client(), open_folder(folder), spec)
        found.append((spec.id, sum(tables["sales_cube"]["revenue"].to_pylist(), Decimal())))
    (a, revenue), (b, other_revenue) = found
    return a, b, revenue, other_revenue


def test_rows_of_equal_keys_are_joined_and_subtracted_exactly(
    system: Running, open_page: Open
) -> None:
    page = open_page(system.url).page
    a = [["x", "0.1"], ["y", "90071992547409931"], ["y", "1"], ["z", "0"], ["only a", "5"]]
    b = [["y", "90071992547409932.5"], ["y", "3"], ["x", "0.3"], ["z", "2"], ["only b", "-1.25"]]
    assert page.evaluate(JOINED, [a, b]) == [
        ["x", "0.1", "0.3", "0.2", "200.00"],
        ["y", "90071992547409931", "90071992547409932.5", "1.5", "0.00"],
        ["y", "1", "3", "2", "200.00"],
        ["z", "0", "2", "2", ""],
        ["only a", "5", "", "", ""],
        ["only b", "", "-1.25", "", ""],
    ]


def test_two_sessions_are_chosen_and_compared_and_the_address_brings_it_back(
    system: Running, open_page: Open, pair: Pair
) -> None:
    a, b, revenue, other = pair
    page = open_page(system.url, f"/#/sessions/{a}").page
    page.locator(f"a[href*='compare/{a}']").click()  # not that of the head, which names no session
    page.get_by_label("Session B").select_option(b)
    line = page.get_by_role("row", name="Revenue").first
    expect(line).to_contain_text(f"{other - revenue:,.3f}".removesuffix("0"))
    page.get_by_role("tab", name="Revenue of stores").click()
    panel = page.get_by_role("tabpanel")
    expect(panel.locator("tfoot")).to_contain_text("Total")
    page.get_by_role("button", name="Revenue B").press("Enter")
    page.reload()
    expect(page.get_by_role("tab", name="Revenue of stores")).to_have_attribute(
        "aria-selected", "true"
    )
    expect(page.get_by_role("columnheader", name="Revenue B")).to_have_attribute(
        "aria-sort", "descending"
    )
    page.get_by_role("button", name="Swap").press("Enter")
    page.wait_for_url(f"**/#/compare/{b}/{a}*")
    expect(page.get_by_role("row", name="Revenue").first).to_contain_text(
        f"{revenue - other:,.3f}".removesuffix("0")
    )


def test_two_periods_of_one_session_are_compared_in_spanish_on_a_narrow_screen(
    system: Running, open_page: Open, pair: Pair
) -> None:
    a, *_ = pair
    page = open_page(
        system.url, f"/#/compare/{a}/{a}", locale="es-AR", viewport=NARROW, color_scheme="dark"
    ).page
    expect(page.get_by_role("group", name="Período de A").get_by_label("Desde")).to_have_value(
        "2024-01"
    )
    expect(page.get_by_role("group", name="Período de B").get_by_label("Desde")).to_have_value(
        "2025-01"
    )
    expect(page.get_by_role("row", name="Ticket promedio").first).to_be_visible()
    assert violations(page) == []
    assert page.evaluate(OVERFLOW) <= 0
    assert untranslated(page) == []
