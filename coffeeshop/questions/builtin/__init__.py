"""The questions that every session answers which brings none of its own: a module each.

A module gives its questions for parameters; whether there are specialised operators for them is the
compiler's business (`coffeeshop.pipeline.plan`), which goes by their form. A module that is added
here is asked from then on.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from coffeeshop.parameters import Parameters
from coffeeshop.questions.form import Call, Column, Expression, Literal, Question

CREATED_AT = Column("transactions", "created_at", "instant")
FINAL_AMOUNT = Column("transactions", "final_amount", "amount")
STORE_ID = Column("transactions", "store_id", "int")
STORE_NAME = Column("stores", "store_name", "text")


def builtin(parameters: Parameters) -> dict[str, tuple[Question, ...]]:
    """The questions of each module, by its name."""
    found = (module.name for module in iter_modules(__path__))
    return {name: import_module(f"{__name__}.{name}").questions(parameters) for name in found}


def in_years(parameters: Parameters, created_at: Column) -> tuple[Expression, ...]:
    """That a row was created in the years."""
    year = Call("year", (created_at,), "int")
    return between(year, parameters.first_year, parameters.last_year)


def in_hours(parameters: Parameters, created_at: Column) -> tuple[Expression, ...]:
    """That a row was created in the hours of its day, both included."""
    time = Call("time", (created_at,), "time")
    return between(time, parameters.opening, parameters.closing)


def between(value: Expression, least: int, most: int) -> tuple[Expression, ...]:
    """That a value is in a range, both ends included."""
    return (
        Call(">=", (value, Literal(least, value.kind)), "bool"),
        Call("<=", (value, Literal(most, value.kind)), "bool"),
    )


def named(column: Column) -> Call:
    """A name, empty where there is none."""
    return Call("coalesce", (column, Literal("", "text")), "text")


def money(amount: Expression) -> Call:
    """An amount with two decimals, half up."""
    return Call("round", (amount, Literal(2, "int")), "amount")


def key(number: int, of: Expression) -> Column:
    """A key of a question, as its answers read it."""
    return Column("", f"k{number}", of.kind)


def measure(number: int, kind: str) -> Column:
    """A measure of a question, as its answers read it."""
    return Column("", f"m{number}", kind)
