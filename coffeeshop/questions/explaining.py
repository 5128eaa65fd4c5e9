"""What becomes of a question, in words: which columns travel, and what is done where."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from coffeeshop.questions.form import (
    Call,
    Column,
    Expression,
    Literal,
    Order,
    Question,
)
from coffeeshop.questions.partial import parts

_BETWEEN = {"and", "or", "=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "//", "%", "||", "like"}


def in_partitions(question: Question) -> Iterator[str]:
    """What each partition does with its rows."""
    if question.where is not None:
        yield f"keeps rows with {words(question.where)}"
    for part in parts(question):
        keys = [words(base) for base in part.bases]
        if part.value is not None:
            keys.append(words(part.value))
        if not question.grouped:
            yield f"keeps of each row {', '.join(keys)}"
            continue
        by = f"groups by {', '.join(keys)}" if keys else "takes all rows as one group"
        if part.distinct is not None:
            yield f"{by}: the values for {measured(question, part.distinct)}"
            continue
        plain = [
            measured(question, number)
            for number, each in enumerate(question.measures)
            if each.function != "distinct"
        ]
        yield f"{by}: {', '.join(plain) or 'the groups there are'}"


def at_the_end(question: Question) -> Iterator[str]:
    """What is done with the groups of all partitions."""
    yield "merges what the partitions tell" if question.grouped else "collects the rows"
    for join in question.joins:
        names = ", ".join(question.columns(join.table))
        rows = "keeps what has no row there" if join.outer else "leaves out what has no row there"
        yield f"joins {join.table} ({names}) by {join.fact}; {rows}"
    if question.where_joined is not None:
        yield f"keeps groups with {words(question.where_joined)}"
    if question.grouped and question.keys:
        yield f"groups by {', '.join(words(each) for each in question.keys)}"
    if question.having is not None:
        yield f"keeps groups with {words(_told(question, question.having))}"
    if question.top is not None:
        per = ", ".join(words(_told(question, each)) for each in question.top.per)
        order = _in_order(question, question.top.order)
        yield f"takes the first {question.top.n}{f' of each {per}' if per else ''} by {order}"
    if question.order:
        yield f"sorts by {_in_order(question, question.order)}"
    if question.limit is not None or question.offset:
        first = "" if not question.offset else f" after the first {question.offset}"
        yield f"takes {'all' if question.limit is None else question.limit} rows{first}"


def measured(question: Question, number: int) -> str:
    """A measure in words."""
    measure = question.measures[number]
    name = {"average": "avg", "distinct": "count distinct"}.get(measure.function, measure.function)
    of = "*" if measure.of is None else words(measure.of)
    only = "" if measure.only is None else f" where {words(measure.only)}"
    return f"{name}({of}{only})"


def _in_order(question: Question, order: tuple[Order, ...]) -> str:
    return ", ".join(
        f"{words(_told(question, each.by))}{' falling' * each.descending}" for each in order
    )


def _told(question: Question, expression: Expression) -> Expression:
    """An expression over keys and measures as one over what they stand for."""
    if isinstance(expression, Column) and not expression.table:
        number = int(expression.name[1:])
        if expression.name.startswith("k"):
            return question.keys[number]
        return Column("", measured(question, number), expression.kind)
    if isinstance(expression, Call):
        arguments = tuple(_told(question, each) for each in expression.arguments)
        return Call(expression.function, arguments, expression.kind)
    return expression


def words(expression: Expression) -> str:
    """An expression as people write it."""
    match expression:
        case Literal(int(value), "amount"):
            return f"{value / 1000:g}"
        case Literal(int(value), "time"):
            return str(dt.timedelta(seconds=value))
        case Literal(str(value)):
            return repr(value)
        case Literal(None):
            return "null"
        case Literal(value):
            return str(value)
        case Column():
            return expression.place
        case Call("not", (Call("is_null", (of,)),)):
            return f"{words(of)} is not null"
        case Call("is_null", (of,)):
            return f"{words(of)} is null"
        case Call("in", (of, *among)):
            return f"{words(of)} in ({', '.join(map(words, among))})"
        case Call(function, arguments) if function in _BETWEEN:
            inside = [
                f"({words(a)})" if isinstance(a, Call) and a.function in ("and", "or") else words(a)
                for a in arguments
            ]
            return f" {function} ".join(inside)
        case Call(function, arguments):
            return f"{function}({', '.join(map(words, arguments))})"
