"""Every rival of the benchmarks answers the queries that coffeeshop answers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from answers import FILES, canonical
from contenders import RIVALS, command
from processes import Limits, measure

from coffeeshop.generate import generate
from tests.oracle import answers

LIMITS = Limits(seconds=600.0)


@pytest.fixture(scope="module")
def folder(directory: Path) -> Path:
    data = directory / "data"
    generate(data, transactions=3_000, seed=23)
    return data


@pytest.mark.parametrize(
    "rival",
    [pytest.param(n, marks=[pytest.mark.long] if r.slow else []) for n, r in RIVALS.items()],
)
def test_a_rival_gives_the_answers_of_the_oracle(rival: str, folder: Path, tmp_path: Path) -> None:
    missing = RIVALS[rival].missing()
    if missing:
        if "CI" in os.environ and not RIVALS[rival].slow:
            pytest.fail(f"RIVAL NOT TESTED: {rival}: {missing}")
        pytest.skip(f"RIVAL NOT TESTED: {rival}: {missing}")
    measure(command(rival, folder, tmp_path), LIMITS)
    found = {f"{name}.csv": canonical(tmp_path / f"{name}.csv").decode() for name in FILES}
    assert found == answers(folder)
