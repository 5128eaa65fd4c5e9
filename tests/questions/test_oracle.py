"""Random questions over random data have the answers that DuckDB gives to the same text."""

from __future__ import annotations

import random
from collections import deque
from pathlib import Path

import pytest

from coffeeshop.client.upload import upload
from coffeeshop.pipeline.messages import Record, SessionSpec, out_journal
from coffeeshop.pipeline.plan import destinations, plan_of
from coffeeshop.pipeline.task import TaskCore
from coffeeshop.questions.asking import questions_of
from coffeeshop.reading.folder import open_folder
from coffeeshop.sessions.results import Completed, ResultFold
from tests.questions.comparing import compare
from tests.questions.data import DIALECTS, database_of, tables, write
from tests.questions.grammar import Grammar
from tests.questions.sink import Kept

QUESTIONS = 20


def answers(folder: Path, spec: SessionSpec, chance: random.Random) -> Completed:
    """The session's answers, by its tasks without actors: records come in any order."""
    plan = plan_of(spec)
    sink = Kept()
    upload(open_folder(folder, plan.table_names), sink, plan=plan)
    cores = {task.journal: TaskCore(spec, task) for task in plan.tasks(spec)}
    fold = ResultFold(spec)
    coming: deque[tuple[str, Record]] = deque()
    for record in sink.records:
        number = record.number if record.kind == "batch" else None
        for journal in destinations(plan, spec, record.stream, number):
            coming.append((journal, record))
    chance.shuffle(coming)
    while coming:
        journal, record = coming.popleft()
        if journal == out_journal(spec.id):
            fold.feed(record)
            continue
        for output in cores[journal].feed(record):
            coming.append((output.journal, output.record))
    assert isinstance(fold.terminal, Completed), fold.terminal
    return fold.terminal


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
