"""Questions as texts in and out of a session's specification, without the parser where there are
none."""

from __future__ import annotations

from collections.abc import Iterable

from coffeeshop.questions.form import Question

LONGEST_SQL = 10_000
"""Characters of a text."""
QUESTION_NAME = r"^[a-z][a-z0-9_]{0,39}$"


def questions_of(asked: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Questions by name and SQL as a specification has them. Raises `QuestionRefused`."""
    from coffeeshop.questions.sql import question_of  # its parser takes as long as a small analysis

    return tuple(question_of(text, name).to_json() for name, text in asked)


def texts_of(questions: Iterable[str]) -> list[dict[str, str]]:
    """The name and the SQL of each question of a specification."""
    found = map(Question.from_json, questions)
    return [{"name": question.name, "sql": question.text} for question in found]
