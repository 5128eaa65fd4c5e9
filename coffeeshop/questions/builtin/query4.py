"""Query 4: per store the users with the most purchases, in the years that count."""

from __future__ import annotations

from coffeeshop.parameters import Parameters
from coffeeshop.questions.builtin import (
    CREATED_AT,
    STORE_ID,
    STORE_NAME,
    in_years,
    key,
    measure,
    named,
)
from coffeeshop.questions.form import (
    Answer,
    Call,
    Column,
    Join,
    Measure,
    Order,
    Question,
    Top,
    all_of,
)

USER_ID = Column("transactions", "user_id", "int")
BIRTHDATE = Column("users", "birthdate", "date")
KNOWN = Call("not", (Call("is_null", (USER_ID,), "bool"),), "bool")


def questions(parameters: Parameters) -> tuple[Question, ...]:
    """The question."""
    store, user, purchases = key(0, STORE_ID), key(1, USER_ID), measure(0, "int")
    most = Order(purchases, descending=True)
    return (
        Question(
            "query4",
            "transactions",
            answers=(
                Answer("store_name", named(STORE_NAME)),
                Answer("birthdate", BIRTHDATE),
                Answer("purchases_qty", purchases),
            ),
            keys=(STORE_ID, USER_ID),
            measures=(Measure("count"),),
            joins=(
                Join("stores", "store_id", "store_id", outer=True),
                Join("users", "user_id", "user_id", outer=True),
            ),
            where=all_of([*in_years(parameters, CREATED_AT), KNOWN]),
            top=Top(parameters.top, (store,), (most,)),
            order=(Order(named(STORE_NAME)), Order(store), most, Order(user)),
        ),
    )
