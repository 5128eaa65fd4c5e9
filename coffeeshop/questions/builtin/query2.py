"""Query 2: per month the item that sold best, and the one that earned most."""

from __future__ import annotations

from coffeeshop.parameters import Parameters
from coffeeshop.questions.builtin import in_years, key, measure, money, named
from coffeeshop.questions.form import (
    Answer,
    Call,
    Column,
    Expression,
    Join,
    Literal,
    Measure,
    Order,
    Question,
    Top,
    all_of,
)

SOLD_AT = Column("transaction_items", "created_at", "instant")
ITEM_ID = Column("transaction_items", "item_id", "int")
ITEM_NAME = Column("menu_items", "item_name", "text")
MONTH = Call("month_start", (SOLD_AT,), "date")


def questions(parameters: Parameters) -> tuple[Question, ...]:
    """Both questions."""
    sold, earned = measure(0, "int"), measure(0, "amount")
    return (
        _best(parameters, "query2_best_selling", "quantity", "int", "sellings_qty", sold),
        _best(
            parameters, "query2_most_profitable", "subtotal", "amount", "profit_sum", money(earned)
        ),
    )


def _best(
    parameters: Parameters, name: str, column: str, kind: str, called: str, shown: Expression
) -> Question:
    month = key(0, MONTH)
    return Question(
        name,
        "transaction_items",
        answers=(
            Answer(
                "year_month_created_at", Call("format", (month, Literal("%Y-%m", "text")), "text")
            ),
            Answer("item_name", named(ITEM_NAME)),
            Answer(called, shown),
        ),
        keys=(MONTH, ITEM_ID),
        measures=(Measure("sum", Column("transaction_items", column, kind)),),
        joins=(Join("menu_items", "item_id", "item_id", outer=True),),
        where=all_of(in_years(parameters, SOLD_AT)),
        top=Top(1, (month,), (Order(measure(0, kind), descending=True),)),
        order=(Order(month),),
    )
