"""The four questions with other parameters: DuckDB's answers, and today's bytes without any."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import pytest

from coffeeshop.errors import UsageError
from coffeeshop.formats import to_csv
from coffeeshop.generate import generate
from coffeeshop.parameters import Parameters
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import PLANS, plan_of
from tests import oracle
from tests.questions.running import answers

CASES = (
    ("2023-2025", "07:00-22:00", "50", 5),
    ("2024", "00:00-23:59:59", "0", 1),
    ("2025-2026", "12:30:15-12:59:59", "74.999", 40),
    ("1990-2030", "06:00-23:00", "75.001", 3),
    ("2031", "06:00-23:00", "75", 3),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("parameters")
    generate(made, transactions=3_000, seed=5, layout="flat")
    return made


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize(("years", "hours", "amount", "top"), CASES)
def test_any_parameters_give_the_answers_of_duckdb(
    folder: Path, plan: str, years: str, hours: str, amount: str, top: int
) -> None:
    asked = Parameters.of(years=years, hours=hours, min_amount=amount, top=top)
    completed = answers(folder, SessionSpec("s", plan, 1, 2, asked.text()), random.Random(1))
    clocks = asked.hours.split("-")
    changed = partial(
        oracle.with_parameters,
        years=(asked.first_year, asked.last_year),
        hours=(clocks[0], clocks[1]),
        amount=amount,
        top=top,
    )
    found = {f"{name}.csv": to_csv(table).decode() for name, table in completed.tables.items()}
    assert found == oracle.answers(folder, changed)


def test_the_parameters_of_always_are_no_part_of_what_is_written() -> None:
    said = Parameters.of(years="2024-2025", hours="06:00-23:00", min_amount="75.000", top=3)
    assert said.text() == ""
    spec = SessionSpec("s", parameters=said.text())
    assert "parameters" not in spec.fields()
    assert plan_of(spec) is PLANS["fused"]


def test_parameters_are_written_and_read() -> None:
    asked = Parameters.of(years="2023", hours="07:00:01-22:00", min_amount="0.5", top=5)
    assert Parameters.of_text(asked.text()) == asked
    shown = {"years": "2023", "hours": "07:00:01-22:00:00", "min_amount": "0.5", "top": 5}
    assert asked.shown() == shown
    spec = SessionSpec("s", parameters=asked.text())
    assert SessionSpec.of(spec.fields()) == spec


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"years": "24"}, "years are written 2024 or 2023-2025"),
        ({"years": "2025-2024"}, "from the first to the last"),
        ({"years": "1900-2020"}, "up to 50, not 121"),
        ({"hours": "7-22"}, "hours are written 07:00-22:00"),
        ({"hours": "22:00-07:00"}, "from the first to the last of one day"),
        ({"hours": "24:00-25:00"}, "no such hours"),
        ({"min_amount": "-1"}, "0 to 10,000,000 with up to three decimals"),
        ({"min_amount": "1.0001"}, "three decimals"),
        ({"min_amount": "nan"}, "three decimals"),
        ({"top": 0}, "top is 1 to 1000, not 0"),
    ],
    ids=str,
)
def test_parameters_that_make_no_sense_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Parameters.of(**wrong)  # type: ignore[arg-type]
