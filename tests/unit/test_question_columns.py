"""What the page is told of the columns of an answer."""

from __future__ import annotations

from coffeeshop.questions.columns import described
from coffeeshop.questions.sql import question_of

GROUPED = """SELECT s.city, date_trunc('month', t.created_at) AS month, hour(t.created_at) AS hour,
    count(*) AS sales, sum(t.final_amount) AS revenue, round(avg(t.final_amount), 2) AS ticket,
    count(DISTINCT t.user_id) AS customers, max(t.final_amount) AS largest
    FROM transactions t JOIN stores s USING (store_id) GROUP BY ALL"""
ROWS = "SELECT transaction_id, store_id, final_amount FROM transactions WHERE final_amount > 80"


def test_only_counts_and_sums_of_groups_may_be_added_up() -> None:
    found = {each["name"]: each for each in described(question_of(GROUPED, "x"))}
    assert [name for name, each in found.items() if each["adds"]] == ["sales", "revenue"]
    assert [name for name, each in found.items() if each["role"] == "key"] == [
        "city",
        "month",
        "hour",
    ]
    assert (found["month"]["part"], found["hour"]["part"]) == ("month_start", "hour")
    assert found["ticket"]["kind"] == "average"


def test_rows_that_are_not_grouped_have_totals_of_amounts_alone() -> None:
    found = described(question_of(ROWS, "x"))
    assert {each["role"] for each in found} == {"value"}
    assert [each["name"] for each in found if each["adds"]] == ["final_amount"]
