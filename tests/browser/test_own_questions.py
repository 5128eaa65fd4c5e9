"""A session with a question of its own on the page: its tables, its stages, its answer."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from coffeeshop.client.remote import analyse
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.questions.asking import questions_of
from coffeeshop.reading.folder import open_folder
from tests.browser.conftest import Open
from tests.running import Running, new_id

SQL = (
    "select s.store_name, count(*) as sales, sum(t.final_amount) as revenue from transactions t "
    "join stores s using (store_id) group by s.store_name order by s.store_name"
)


def test_the_answer_to_a_question_of_ones_own_is_a_table(
    system: Running, open_page: Open, flat: Path
) -> None:
    spec = SessionSpec(new_id(), questions=questions_of([("best_stores", SQL)]))
    folder = open_folder(flat, plan_of(spec).table_names)
    _, tables, _ = analyse(system.client(), folder, spec, timeout=30)
    page = open_page(system.url, f"/#/sessions/{spec.id}").page
    expect(page.get_by_role("tab")).to_have_text(["Best stores"])
    answer = page.get_by_role("group", name="Best stores", exact=True).get_by_role("row")
    expect(answer).to_have_count(tables["best_stores"].num_rows + 2)  # with its head and total
    expect(answer.first).to_have_text("Store nameSalesRevenue")
    first = tables["best_stores"].slice(0, 1).to_pylist()[0]
    expect(answer.nth(1)).to_contain_text(first["store_name"])
    expect(answer.nth(1)).to_contain_text(f"{first['sales']:,}")
    page.locator("details.work").evaluate("details => { details.open = true; }")
    inputs = page.get_by_role("group", name="Input of the session").get_by_role("rowheader")
    expect(inputs).to_have_text(["Stores", "Transactions"])
    expect(page.get_by_role("log")).to_contain_text("Registered: 2 tables")
    page.get_by_text("The question in SQL").click()
    expect(page.get_by_text("group by s.store_name")).to_be_visible()
