"""Questions as texts in and out of a session's specification, without the parser where there are
none.

A text of a specification is a form, as `Question.to_json` writes it, or the name of a built-in
question as JSON: ``"query1"``, with the quotes. No text at all stands for all of the built-in ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from coffeeshop.errors import UsageError
from coffeeshop.names import EXTRA, RESULTS
from coffeeshop.parameters import Parameters
from coffeeshop.questions.form import Question
from coffeeshop.questions.gallery import forms, ready_names, ready_one
from coffeeshop.suggestions import did_you_mean

LONGEST_SQL = 10_000
"""Characters of a text."""
QUESTION_NAME = r"^[a-z][a-z0-9_]{0,39}$"
BUILTIN = (*RESULTS, *EXTRA)
"""The names of the built-in questions."""


def questions_of(asked: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Questions by name and SQL as a specification has them.

    Without SQL a name is that of a built-in question or of one of the gallery. Raises
    `QuestionRefused`, and `UsageError` for a name that neither has.
    """
    texts = tuple(_text_of(name, sql) for name, sql in asked)
    # The built-in ones alone are what a session answers anyway, in either plan.
    return () if set(texts) == {json.dumps(name) for name in BUILTIN} else texts


def _text_of(name: str, sql: str) -> str:
    if not sql:
        if name in BUILTIN:
            return json.dumps(name)
        sql = ready_text(name)
    known = forms().get(name)
    if known is not None and Question.from_json(known).text == sql:
        return known
    from coffeeshop.questions.sql import question_of  # its parser takes as long as a small analysis

    return question_of(sql, name).to_json()


def ready_text(name: str) -> str:
    """The SQL of a question of the gallery; none for a built-in one. Raises `UsageError`."""
    if name in BUILTIN:
        return ""
    if name not in ready_names():
        known = (*BUILTIN, *ready_names())
        meant = did_you_mean(name, known) or f"; there are {', '.join(known)}"
        raise UsageError(f"no question {name!r} is built in or in the gallery{meant}")
    return ready_one(name).text


def named(questions: Mapping[str, str] | Sequence[str]) -> list[tuple[str, str]]:
    """Questions by name and SQL: of a list, names of ready ones, and texts, which are numbered."""
    if isinstance(questions, Mapping):
        return list(questions.items())
    return [
        (each, "") if re.fullmatch(QUESTION_NAME, each) else (f"question{number}", each)
        for number, each in enumerate(questions, start=1)
    ]


def builtin_in(questions: Iterable[str]) -> tuple[str, ...]:
    """The names of the built-in questions among texts of a specification; all without any text."""
    texts = tuple(questions)
    return tuple(json.loads(text) for text in texts if text.startswith('"')) if texts else BUILTIN


def own_in(questions: Iterable[str]) -> tuple[Question, ...]:
    """The questions in SQL among texts of a specification. Raises `CodecError` for what is none."""
    return tuple(Question.from_json(text) for text in questions if not text.startswith('"'))


def texts_of(questions: Iterable[str]) -> list[dict[str, str]]:
    """The name and the SQL of each question of a specification; a built-in one's SQL is empty."""
    return [_shown(text) for text in questions]


def _shown(text: str) -> dict[str, str]:
    if text.startswith('"'):
        return {"name": json.loads(text), "sql": ""}
    question = Question.from_json(text)
    return {"name": question.name, "sql": question.text}


def shown_parameters(parameters: str, questions: Iterable[str]) -> dict[str, Any]:
    """The parameters of a specification as people read them: none without built-in questions."""
    return Parameters.of_text(parameters).shown() if builtin_in(questions) else {}


def check_parameters(parameters: str, questions: Iterable[str]) -> None:
    """Raise `UsageError` for parameters of built-in questions where none is asked."""
    if parameters and not builtin_in(questions):
        raise UsageError(
            "years, hours, min_amount and top are parameters of the four questions, which are not "
            "asked: write them into the SQL"
        )
