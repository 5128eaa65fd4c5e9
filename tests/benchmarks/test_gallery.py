"""The benchmark of the gallery: it compares answers, and says when they differ."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from gallery import differences

from coffeeshop.generate import generate

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.long  # four processes, each of which imports an engine
def test_a_question_is_measured_beside_duckdb_with_equal_answers(tmp_path: Path) -> None:
    generate(tmp_path / "data", transactions=200, seed=1)
    script = str(BENCHMARKS / "gallery.py")
    options = ["--data", str(tmp_path / "data"), "--rounds", "1"]
    question = ["--questions", "average_ticket_by_store_and_month"]
    done = subprocess.run(
        [sys.executable, script, *options, *question],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "average_ticket_by_store_and_month" in done.stdout
    assert "equal answers" in done.stdout


def test_answers_that_differ_are_told_and_averages_may_by_a_cent(
    tmp_path: Path,
) -> None:
    for place, text in (("a", "n,average\n1,2.34\n2,3.10\n"), ("b", "n,average\n1,2.35\n3,3.1\n")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "q.csv").write_text(text)
    (told,) = differences(tmp_path / "a", tmp_path / "b", ["q"])
    assert told == "q: ['2', '3.10'], not ['3', '3.1']"
    assert list(differences(tmp_path / "a", tmp_path / "a", ["q"])) == []
