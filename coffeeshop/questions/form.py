"""The declared form of a question: frozen values, to and from JSON.

A question reads one table of facts, keeps the rows ``where`` is true, groups them by ``keys``,
measures each group, and joins names from dimension tables *late*: after the groups are made.
Amounts are whole thousandths in all of it.

An expression is a literal, a column, or a call of one of the functions of `evaluate`. Every
expression knows its kind, one of ``int``, ``amount``, ``text``, ``date``, ``instant``, ``time``
(seconds of a day), ``bool`` and ``average``.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

from coffeeshop.errors import CodecError

Value = None | bool | int | str | Decimal | dt.date | dt.datetime
GROUP = ""
"""The table of a column that names a key (``k0``) or a measure (``m0``) of the question."""


@dataclass(frozen=True)
class Literal:
    """A constant; an amount is in thousandths."""

    value: Value
    kind: str


@dataclass(frozen=True)
class Column:
    """A column of a table, or with the table `GROUP` a key or measure of the question."""

    table: str
    name: str
    kind: str

    @property
    def place(self) -> str:
        """What the column is called among those of all tables."""
        return f"{self.table}.{self.name}" if self.table else self.name


@dataclass(frozen=True)
class Call:
    """A function of `evaluate` applied to arguments."""

    function: str
    arguments: tuple[Expression, ...]
    kind: str


Expression = Literal | Column | Call


@dataclass(frozen=True)
class Measure:
    """An exact measure of a group: ``count`` (of rows, or of values), ``sum``, ``min``, ``max``,
    ``average`` or ``distinct`` (how many values there are); of the rows where ``only`` is true."""

    function: str
    of: Expression | None = None
    only: Expression | None = None

    @property
    def kind(self) -> str:
        """The kind of its value."""
        if self.function in ("count", "distinct"):
            return "int"
        if self.function == "average":
            return "average"
        assert self.of is not None
        return self.of.kind


@dataclass(frozen=True)
class Join:
    """A dimension table: the fact column that holds the id of its row. ``outer`` keeps facts that
    have no row there, with nulls."""

    table: str
    key: str
    fact: str
    outer: bool


@dataclass(frozen=True)
class Order:
    """One expression to sort by."""

    by: Expression
    descending: bool = False
    nulls_first: bool = False


@dataclass(frozen=True)
class Top:
    """The first ``n`` rows of each group of equal ``per``, in an order; equal rows are taken by the
    keys of the question, the least first."""

    n: int
    per: tuple[Expression, ...]
    order: tuple[Order, ...]


@dataclass(frozen=True)
class Answer:
    """A column of the answer."""

    name: str
    value: Expression


@dataclass(frozen=True)
class Question:
    """A question. Without ``grouped`` each row is a group of its own, and there are no measures.

    ``where`` reads facts only; ``keys`` and ``where_joined`` may read dimensions too. ``having``,
    ``top``, ``order`` and ``answers`` read keys and measures; ``order`` and ``answers`` also the
    dimensions of outer joins whose ids are keys, which are joined behind the top only.
    """

    name: str
    table: str
    answers: tuple[Answer, ...]
    keys: tuple[Expression, ...] = ()
    measures: tuple[Measure, ...] = ()
    joins: tuple[Join, ...] = ()
    where: Expression | None = None
    where_joined: Expression | None = None
    having: Expression | None = None
    top: Top | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0
    grouped: bool = True
    text: str = field(default="", compare=True)
    """The SQL that it was read from."""

    def to_json(self) -> str:
        """One line of JSON; the same text for equal questions."""
        return json.dumps(_plain(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> Question:
        """The inverse of `to_json`; raises `CodecError` for anything else."""
        return _from_json(text)

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables it reads, the facts first."""
        return (self.table, *(join.table for join in self.joins))

    def expressions(self) -> Iterator[Expression]:
        """Every expression that reads tables."""
        yield from self.keys
        yield from (each for each in (self.where, self.where_joined) if each is not None)
        for measure in self.measures:
            yield from (each for each in (measure.of, measure.only) if each is not None)

    def late_expressions(self) -> Iterator[Expression]:
        """Every expression that reads keys and measures, and perhaps dimensions behind them."""
        yield from (each.value for each in self.answers)
        yield from (each.by for each in self.order)

    def columns(self, table: str) -> tuple[str, ...]:
        """The columns of a table that it reads, each once."""
        expressions = (*self.expressions(), *self.late_expressions())
        read = [c.name for each in expressions for c in columns_of(each) if c.table == table]
        for join in self.joins:
            read += [join.fact] * (table == self.table) + [join.key] * (table == join.table)
        return tuple(dict.fromkeys(read))


def columns_of(expression: Expression) -> Iterator[Column]:
    """The columns in an expression."""
    if isinstance(expression, Column):
        yield expression
    elif isinstance(expression, Call):
        for argument in expression.arguments:
            yield from columns_of(argument)


def conjuncts(expression: Expression | None) -> tuple[Expression, ...]:
    """The parts that all have to be true."""
    if expression is None:
        return ()
    if isinstance(expression, Call) and expression.function == "and":
        return tuple(part for each in expression.arguments for part in conjuncts(each))
    return (expression,)


def all_of(expressions: tuple[Expression, ...] | list[Expression]) -> Expression | None:
    """That all of them are true; None for no condition."""
    if len(expressions) <= 1:
        return expressions[0] if expressions else None
    return Call("and", tuple(expressions), "bool")


_CLASSES = {
    cls.__name__: cls
    for cls in (Literal, Column, Call, Measure, Join, Order, Top, Answer, Question)
}


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case Decimal():
            return {"decimal": str(value)}
        case dt.datetime():
            return {"instant": value.isoformat()}
        case dt.date():
            return {"date": value.isoformat()}
        case tuple():
            return [_plain(each) for each in value]
    fields = {
        name: _plain(each)
        for name, each in vars(value).items()
        if each != type(value).__dataclass_fields__[name].default
    }
    return {"is": type(value).__name__, **fields}


def _value(plain: Any) -> Any:
    match plain:
        case None | bool() | int() | str():
            return plain
        case list():
            return tuple(_value(each) for each in plain)
        case {"decimal": str(text)}:
            return Decimal(text)
        case {"instant": str(text)}:
            return dt.datetime.fromisoformat(text)
        case {"date": str(text)}:
            return dt.date.fromisoformat(text)
        case {"is": str(name), **fields}:
            return _CLASSES[name](**{str(key): _value(each) for key, each in fields.items()})
    raise TypeError(plain)


@lru_cache(maxsize=1024)  # a gateway reads those of every session that is opened
def _from_json(text: str) -> Question:
    try:
        found = _value(json.loads(text))
    except (ValueError, TypeError, KeyError, RecursionError, ArithmeticError) as error:
        raise CodecError(f"not a question: {text[:200]!r}") from error
    if not isinstance(found, Question):
        raise CodecError(f"not a question: {text[:200]!r}")
    return found
