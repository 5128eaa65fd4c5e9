"""Query 1: transactions of at least an amount, in the years and hours that count."""

from __future__ import annotations

from coffeeshop.parameters import Parameters
from coffeeshop.questions.builtin import CREATED_AT, FINAL_AMOUNT, in_hours, in_years, key
from coffeeshop.questions.form import Answer, Call, Column, Literal, Order, Question, all_of

ID = Column("transactions", "transaction_id", "text")


def questions(parameters: Parameters) -> tuple[Question, ...]:
    """The question."""
    least = Literal(parameters.least_amount, "amount")
    return (
        Question(
            "query1",
            "transactions",
            answers=(
                Answer("transaction_id", key(0, ID)),
                Answer("final_amount", key(1, FINAL_AMOUNT)),
            ),
            keys=(ID, FINAL_AMOUNT),
            where=all_of(
                [
                    *in_years(parameters, CREATED_AT),
                    *in_hours(parameters, CREATED_AT),
                    Call(">=", (FINAL_AMOUNT, least), "bool"),
                ]
            ),
            order=(Order(key(0, ID)), Order(key(1, FINAL_AMOUNT))),
            grouped=False,
        ),
    )
