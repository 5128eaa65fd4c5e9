"""Random questions over random data have the answers that DuckDB gives to the same text."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.questions.asking import questions_of
from tests.questions.comparing import compare
from tests.questions.data import DIALECTS, database_of, tables, write
from tests.questions.grammar import Grammar
from tests.questions.running import answers

QUESTIONS = 20


@pytest.mark.parametrize("seed", range(26))
def test_random_questions_have_the_answers_of_duckdb(tmp_path: Path, seed: int) -> None:
    chance = random.Random(f"questions {seed}")
    dialect = DIALECTS[seed % len(DIALECTS)]
    data = tables(chance, dialect)
    write(tmp_path, data, dialect, chance)
    grammar = Grammar(chance)
    asked = [grammar.question() for _ in range(QUESTIONS)]
    named = [(f"q{number}", text) for number, (text, _) in enumerate(asked)]
    spec = SessionSpec("s", partitions=chance.randrange(1, 4), questions=questions_of(named))
    completed = answers(tmp_path, spec, chance)
    with database_of(data) as database:
        for (name, text), (_, ordered) in zip(named, asked, strict=True):
            found = database.execute(text).fetchall()
            compare(text, completed.tables[name], found, ordered=ordered)


def test_the_questions_are_more_than_five_hundred() -> None:
    assert 26 * QUESTIONS >= 500
