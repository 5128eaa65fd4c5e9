"""A session's answers by its tasks alone: no actors, no transport."""

from __future__ import annotations

import random
from collections import deque
from pathlib import Path

from coffeeshop.client.upload import upload
from coffeeshop.pipeline.messages import Record, SessionSpec, out_journal
from coffeeshop.pipeline.plan import destinations, plan_of
from coffeeshop.pipeline.task import TaskCore
from coffeeshop.reading.folder import open_folder
from coffeeshop.sessions.results import Completed
from tests.folding import TableFold
from tests.questions.sink import Kept


def answers(folder: Path, spec: SessionSpec, chance: random.Random) -> Completed:
    """The session's answers, by its tasks without actors: records come in any order."""
    plan = plan_of(spec)
    sink = Kept()
    upload(open_folder(folder, plan.table_names), sink, plan=plan)
    cores = {task.journal: TaskCore(spec, task) for task in plan.tasks(spec)}
    fold = TableFold(spec)
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
    return fold.completed()
