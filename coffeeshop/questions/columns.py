"""What the columns of a question's answer are, for who draws or adds them up."""

from __future__ import annotations

from typing import Any

from coffeeshop.questions.form import GROUP, Call, Column, Expression, Measure, Question

_ADDABLE = ("count", "sum")
"""Measures whose values of several groups may be added up: the others would count twice, or lie."""


def described(question: Question) -> list[dict[str, Any]]:
    """Each column as ``{name, kind, role, part, adds}``.

    ``kind`` is that of the form; ``role`` is ``key``, ``measure`` or, of a question without groups,
    ``value``; ``part`` names the part of an instant that it is, or is empty; ``adds`` says whether
    a total of its rows means something.
    """
    return [_column(question, each.name, each.value) for each in question.answers]


def _column(question: Question, name: str, value: Expression) -> dict[str, Any]:
    found: Expression | Measure = value
    while isinstance(found, Call) and found.function == "round":
        found = found.arguments[0]
    found = _group(question, found) if isinstance(found, Column) and not found.table else found
    is_measure = question.grouped and (isinstance(found, Measure) or _measures(value))
    return {
        "name": name,
        "kind": value.kind,
        "role": "measure" if is_measure else "key" if question.grouped else "value",
        "part": found.function if isinstance(found, Call) and found.arguments else "",
        "adds": (
            (isinstance(found, Measure) and found.function in _ADDABLE)
            or (not question.grouped and value.kind == "amount")
        ),
    }


def _group(question: Question, column: Column) -> Expression | Measure:
    number = int(column.name[1:])
    return question.keys[number] if column.name[0] == "k" else question.measures[number]


def _measures(value: Expression) -> bool:
    """Whether a measure is in it."""
    if isinstance(value, Column):
        return value.table == GROUP and value.name.startswith("m")
    return isinstance(value, Call) and any(map(_measures, value.arguments))
