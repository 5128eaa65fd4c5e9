"""Query 3: total payment value per half-year and store, in the years and hours that count."""

from __future__ import annotations

from coffeeshop.parameters import Parameters
from coffeeshop.questions.builtin import (
    CREATED_AT,
    FINAL_AMOUNT,
    STORE_ID,
    STORE_NAME,
    in_hours,
    in_years,
    key,
    measure,
    money,
    named,
)
from coffeeshop.questions.form import (
    Answer,
    Call,
    Join,
    Literal,
    Measure,
    Order,
    Question,
    all_of,
)

YEAR = Call("year", (CREATED_AT,), "int")
HALF = Call("half", (CREATED_AT,), "int")


def questions(parameters: Parameters) -> tuple[Question, ...]:
    """The question."""
    year, half, store = key(0, YEAR), key(1, HALF), key(2, STORE_ID)
    words = (Call("text", (year,), "text"), Literal("-H", "text"), Call("text", (half,), "text"))
    return (
        Question(
            "query3",
            "transactions",
            answers=(
                Answer("year_half_created_at", Call("||", words, "text")),
                Answer("store_name", named(STORE_NAME)),
                Answer("tpv", money(measure(0, "amount"))),
            ),
            keys=(YEAR, HALF, STORE_ID),
            measures=(Measure("sum", FINAL_AMOUNT),),
            joins=(Join("stores", "store_id", "store_id", outer=True),),
            where=all_of([*in_years(parameters, CREATED_AT), *in_hours(parameters, CREATED_AT)]),
            order=(Order(year), Order(half), Order(named(STORE_NAME)), Order(store)),
        ),
    )
