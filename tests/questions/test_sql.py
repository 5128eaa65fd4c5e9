"""What is not understood of a text is refused, with its place and what would work instead."""

from __future__ import annotations

import pyarrow as pa
import pytest

from coffeeshop.errors import CodecError, QuestionRefused, SessionFailed, UsageError
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.questions.asking import questions_of
from coffeeshop.questions.form import Question
from coffeeshop.questions.groups import Groups, Merged
from coffeeshop.questions.sql import question_of

REFUSED = (
    ("", "an empty text", None),
    ("select 'a", "a quote that is not closed", (1, 8)),
    ("select from transactions where", "where", (1, 26)),
    ("select 1; select 2", "a second statement", (1, 18)),
    ("delete from transactions", "DELETE", (1, 1)),
    ("select store_id from transactions union select 1", "UNION", (1, 48)),
    ("with x as (select 1) select count(*) from x", "WITH", (1, 6)),
    ("select * from transactions", "*", (1, 8)),
    ("select t.* from transactions t", "*", (1, 8)),
    ("select count(*)", "a query without FROM", None),
    ("select count(*) from sales", "no table sales", (1, 22)),
    ("select count(*) from 'x.csv'", 'no table "x.csv"', (1, 22)),
    ("select count(*) from (select 1)", "a query in FROM", (1, 30)),
    ("select count(*) from transactions a, stores", "JOIN", None),
    ("select count(*) from transactions a join transactions b using (store_id)", "second time",
     (1, 42)),
    ("select count(*) from transactions join transaction_items using (transaction_id)",
     "a join with transaction_items", (1, 40)),
    ("select count(*) from transactions right join stores using (store_id)", "RIGHT JOIN", (1, 46)),
    ("select count(*) from transactions t join stores s on t.store_id > s.store_id",
     "this condition of a join", (1, 54)),
    ("select stoer_id from transactions", "no column stoer_id", (1, 8)),
    ("select x.store_id from transactions t", "no table x here", (1, 8)),
    ("select store_id from transactions join stores on transactions.store_id = stores.store_id",
     "store_id may be transactions.store_id and stores.store_id", (1, 8)),
    ("select store_id, count(*) from transactions", "neither grouped by", (1, 8)),
    ("select count(*) from transactions\nwhere count(*) > 1", "an aggregate where rows", (2, 7)),
    ("select sum(user_id) from transactions", "a sum of ids", (1, 12)),
    ("select sum(created_at) from transactions", "a sum of a time with its date", (1, 12)),
    ("select sum(final_amount) / count(*) from transactions", "a division", (1, 8)),
    ("select median(final_amount) from transactions", "the function median", (1, 8)),
    ("select sum(final_amount) over () from transactions", "a window function outside", (1, 8)),
    ("select store_id from transactions qualify rank() over (order by store_id) = 1",
     "this QUALIFY", (1, 43)),
    ("select store_id from transactions qualify row_number() over (order by store_id) > 1",
     "this number of rows", (1, 83)),
    ("select count(*) from transactions where final_amount > 1.0001", "the amount 1.0001", (1, 56)),
    ("select count(*) from transactions where created_at > 'soon'", "'soon' is not a time",
     (1, 54)),
    ("select count(*) from transactions where store_id = 'x'", "are not compared", (1, 52)),
    ("select count(*) from transactions where user_id = null", "is never true", (1, 41)),
    ("select count(*) from transactions where store_id", "a whole number is no condition", (1, 41)),
    ("select count(*) from transactions where store_id in (select 1)", "IN with a query", (1, 41)),
    ("select strftime(created_at, '%j') from transactions", "the format '%j'", (1, 8)),
    ("select date_trunc('decade', created_at) from transactions", "date_trunc to decade", (1, 8)),
    ("select count(*) from transactions limit 1 + 1", "LIMIT of no whole number", (1, 41)),
    ("select count(*) a, sum(final_amount) a from transactions", "two columns a", (1, 20)),
    ("select count(*) from transactions group by rollup (store_id)", "ROLLUP", (1, 52)),
    ("select count(*) from transactions group by 3", "column 3 of 1", (1, 44)),
    ("select distinct on (store_id) store_id from transactions", "DISTINCT ON", (1, 21)),
    ("select store_id from transactions for update", "", None),
)  # fmt: skip


@pytest.mark.parametrize(("text", "what", "place"), REFUSED, ids=[text for text, _, _ in REFUSED])
def test_what_is_not_understood_is_refused_with_its_place(
    text: str, what: str, place: tuple[int, int] | None
) -> None:
    with pytest.raises(QuestionRefused) as refused:
        question_of(text, "mine")
    assert what.lower() in str(refused.value).lower()
    assert refused.value.hint.startswith("what works: ")
    if place is not None:
        assert (refused.value.line, refused.value.column) == place


@pytest.mark.parametrize("name", ["", "A", "1st", "a-b", "x" * 41, "a.partial", "users"])
def test_a_name_that_cannot_be_that_of_a_result_is_refused(name: str) -> None:
    with pytest.raises(QuestionRefused, match=r"the name of the question|called as a table"):
        question_of("select count(*) from users", name)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"is": "Column"}', '{"is": "x"}', "3", "null"])
def test_what_is_no_question_is_no_session(text: str) -> None:
    with pytest.raises(CodecError, match="not a question"):
        Question.from_json(text)


def test_only_what_is_asked_for_travels() -> None:
    text = (
        "select s.city, sum(t.final_amount) as revenue from transactions t "
        "join stores s using (store_id) where t.user_id is not null group by s.city"
    )
    plan = plan_of(SessionSpec("s", questions=questions_of([("q", text)])))
    assert {table.name: [c.name for c in table.columns] for table in plan.tables} == {
        "stores": ["store_id", "city"],
        "transactions": ["store_id", "user_id", "final_amount"],
    }


def test_two_questions_of_one_name_are_refused() -> None:
    same = questions_of([("q", "select count(*) from users"), ("q", "select 1 from users")])
    with pytest.raises(UsageError, match="two questions have one name"):
        plan_of(SessionSpec("s", questions=same))


def test_sums_that_may_not_be_exact_fail_the_session() -> None:
    groups = Groups(pa.schema([("k", pa.int64())]), [Merged("m", pa.int64(), "sum")])
    groups.add(pa.table({"k": [1, 1], "m": [1 << 62, 1 << 62]}))
    with pytest.raises(SessionFailed, match="too large to be exact"):
        groups.sorted()
