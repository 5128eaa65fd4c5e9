"""Questions compiled to operators: filters that they share, partial aggregates, answers.

Any form has operators in `coffeeshop.questions`. For some forms there are specialised ones, several
times faster; which these are is decided by the form alone: its table, keys, measures, joins, order
and answers. What a form compares with (years, hours, an amount) and how many it takes are constants
of either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial

from coffeeshop import operators as ops
from coffeeshop.operators import Filter, Fold
from coffeeshop.parameters import Parameters
from coffeeshop.questions.builtin import builtin
from coffeeshop.questions.form import (
    Call,
    Column,
    Expression,
    Literal,
    Question,
    conjuncts,
)

Make = Callable[[], Fold]
STREAMS = {
    ("transactions", "filter_year"): "transactions_in_years",
    ("transaction_items", "filter_year"): "items_in_years",
    ("transactions_in_years", "filter_hour"): "transactions_in_hours",
    ("transactions_in_hours", "filter_amount"): "large_transactions",
}
"""What a filter makes of a stream."""


@dataclass(frozen=True)
class Ranges:
    """The ranges that a question keeps rows of."""

    years: ops.Years
    hours: tuple[int, int] = (0, 0)
    least: int = 0


@dataclass(frozen=True)
class Special:
    """Specialised operators for one form. Questions with one ``group`` share a partial result."""

    group: str
    filters: tuple[str, ...]
    reads: tuple[str, ...]
    partial: Callable[[Ranges], Make]
    final: Callable[[Ranges, int], Make]


def special(question: Question) -> Special | None:
    """The specialised operators for a question; None if there are none for its form."""
    return _specials().get(_shape(question))


@cache
def _specials() -> dict[Question, Special]:
    forms = builtin(Parameters())
    (large,), (sold, earned), (payments,), (users,) = (forms[f"query{n}"] for n in (1, 2, 3, 4))
    items = partial(
        Special,
        "query2",
        ("filter_year",),
        ("created_at", "item_id", "quantity", "subtotal"),
        lambda ranges: partial(ops.partial_query2, ranges.years),
    )
    return {
        _shape(large): Special(
            "query1",
            ("filter_year", "filter_hour", "filter_amount"),
            ("transaction_id", "final_amount"),
            lambda ranges: ops.partial_query1,
            lambda ranges, top: ops.FinalQuery1,
        ),
        _shape(sold): items(lambda ranges, top: partial(ops.FinalQuery2, "quantity", ranges.years)),
        _shape(earned): items(
            lambda ranges, top: partial(ops.FinalQuery2, "subtotal", ranges.years)
        ),
        _shape(payments): Special(
            "query3",
            ("filter_year", "filter_hour"),
            ("created_at", "store_id", "final_amount"),
            lambda ranges: partial(ops.partial_query3, ranges.years),
            lambda ranges, top: partial(ops.FinalQuery3, ranges.years),
        ),
        _shape(users): Special(
            "query4",
            ("filter_year",),
            ("store_id", "user_id"),
            lambda ranges: ops.partial_query4,
            lambda ranges, top: partial(ops.FinalQuery4, top),
        ),
    }


def _shape(question: Question) -> Question:
    """The form without its name and text, what it compares with, and how many it takes."""
    where = None if question.where is None else _without_constants(question.where)
    top = question.top
    if top is not None and top.n > 1:
        top = replace(top, n=2)  # the one first row of each group is a form of its own
    return replace(question, name="", text="", where=where, top=top)


def _without_constants(expression: Expression) -> Expression:
    if isinstance(expression, Literal):
        return Literal(None, expression.kind)
    if isinstance(expression, Call):
        arguments = tuple(_without_constants(each) for each in expression.arguments)
        return Call(expression.function, arguments, expression.kind)
    return expression


def ranges_of(question: Question) -> Ranges:
    """The ranges of a question that has specialised operators."""
    found = dict(_bounds(question))
    years = ops.Years(found["year", ">="], found["year", "<="])
    hours = found.get(("time", ">="), 0), found.get(("time", "<="), 0)
    return Ranges(years, hours, found.get(("final_amount", ">="), 0))


def _bounds(question: Question) -> Iterator[tuple[tuple[str, str], int]]:
    for each in conjuncts(question.where):
        match each:
            case Call(sign, (Call(part, (Column(),)), Literal(int(value)))):
                yield (part, sign), value
            case Call(sign, (Column(_, name), Literal(int(value)))):
                yield (name, sign), value


def filter_of(name: str, ranges: Ranges) -> Filter:
    """The filter of that name."""
    match name:
        case "filter_year":
            return ops.in_years(ranges.years)
        case "filter_hour":
            return ops.in_hours(*ranges.hours)
    return ops.of_at_least(ranges.least)
