"""What sessions of a campaign ask is judged by DuckDB: right answers pass, wrong ones do not."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from coffeeshop.generate import generate
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.testing.chaos import Asked
from tests.chaos.asking import Asking
from tests.oracle import answers as right_answers
from tests.questions.comparing import same, unrounded
from tests.questions.running import answers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("asked") / "data"
    generate(made, transactions=400, seed=3)
    return made


def test_every_way_of_asking_has_right_answers_and_a_row_too_few_is_noticed(folder: Path) -> None:
    asking = Asking()
    asking.prepared(right_answers)(folder)
    ways: set[tuple[bool, bool]] = set()
    for seed in range(5):
        chance = random.Random(f"asking g {seed}")
        asked = asking(chance, folder)
        if asked is None:
            ways.add((False, False))
            continue
        ways.add((bool(asked.parameters), bool(asked.questions)))
        spec = SessionSpec("s", parameters=asked.parameters, questions=asked.questions)
        tables = answers(folder, spec, chance).tables
        assert asked.wrong(tables) == [], seed
        shorter = {name: table.slice(1) for name, table in tables.items()}
        wrong = asked.wrong(shorter)
        assert len(wrong) == sum(table.num_rows > 0 for table in tables.values()), seed
        assert _misses(asked, {**tables, "more": tables[next(iter(tables))]})
    assert ways == {(False, False), (True, False), (False, True), (True, True)}


def _misses(asked: Asked, tables: dict[str, object]) -> bool:
    """Whether a result that was not asked for is noticed, of questions in SQL."""
    return not asked.questions or "its results are" in asked.wrong(tables)[0]


def test_what_is_asked_is_a_function_of_the_chance(folder: Path) -> None:
    asking = Asking()
    asking.prepared(right_answers)(folder)
    once, again = (
        [asking(random.Random(seed), folder) for seed in ("a", "b", "c", "d")] for _ in range(2)
    )
    plain = [
        [each and (each.parameters, each.questions) for each in some] for some in (once, again)
    ]
    assert plain[0] == plain[1]


def test_half_a_unit_is_rounded_up_though_the_judges_averages_are_floats() -> None:
    average = "round(avg(amount), 2)"
    text = f"select {average} from (values (34.67::decimal(9, 2)), (34.68)) as t(amount)"
    database = duckdb.connect()
    assert database.execute(text).fetchall() == [(34.67,)], "exactly it is 34.675"
    right = database.execute(unrounded(text)).fetchall()
    for mine, is_right in (("34.68", True), ("34.67", False), ("34.69", False)):
        assert same(Decimal(mine), right[0][0]) is is_right
