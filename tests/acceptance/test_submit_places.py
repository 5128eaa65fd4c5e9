"""What `submit` is given: folders by position, and places to write that are tried first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coffeeshop.pipeline.plan import PLANS
from tests.acceptance.command import Run, files_of, ok
from tests.running import Running


def test_a_folder_may_be_given_without_an_option(run: Run, data: Path, tmp_path: Path) -> None:
    ok(run("submit", str(data), "--output-dir", "one", "-q"))
    ok(run("submit", "--data-folder", str(data), "--output-dir", "two", "-q"))
    ok(run("submit", str(data), "--data-folder", str(data), "--output-dir", "three", "-q"))
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two") == files_of(tmp_path / "three")
    done = run("submit", "one", "--data-folder", "two")
    assert done.returncode == 2
    assert done.stderr == "error: two data folders: one and --data-folder two\n"


def test_without_a_folder_those_that_are_there_are_named(
    run: Run, data: Path, tmp_path: Path
) -> None:
    (tmp_path / ".data").mkdir()
    data.rename(tmp_path / ".data" / "example")
    done = run("submit")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: which data folder? .data holds example",
        "hint: name one: coffeeshop submit FOLDER (a path, or one of these names)",
    ]


def test_the_answers_come_first_in_a_sentence_each_and_tables_when_wanted(
    run: Run, data: Path
) -> None:
    lines = ok(run("submit", str(data))).splitlines()
    assert [line[:3] for line in lines[:4]] == ["1  ", "2  ", "3  ", "4  "]
    assert "results in results/data" in lines[4]
    assert len(lines) == 5
    assert "year_half_created_at" in ok(run("submit", str(data), "--show"))


@pytest.mark.parametrize(
    "options",
    [
        ("--output-dir", "file/out"),
        ("--output-dir", "taken"),
        ("--report", "nowhere/report.html"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is_read(
    run: Run, data: Path, tmp_path: Path, options: tuple[str, str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "taken" / "query3.csv").mkdir(parents=True)
    (data / "transactions.csv").write_text("would be refused\n")  # exit code 4, if it were read
    done = run("submit", str(data), *options)
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot write")
    assert not (tmp_path / "results").exists()


def test_by_a_gateway_the_session_and_its_page_are_named_before_the_answers(
    run_there: Run, data: Path, system: Running
) -> None:
    done = run_there("submit", str(data))
    ok(done)
    first, second = done.stderr.splitlines()[:2]
    session = first.removeprefix("session ")
    assert system.client().session(session)["name"] == "data"
    assert second == f"page    {system.url}/#/sessions/{session}"
    for quietly in ("-q", "--json"):
        assert run_there("submit", str(data), quietly).stderr == ""


def test_results_are_fetched_into_another_place_when_one_cannot_be_written(
    run_there: Run, data: Path, tmp_path: Path
) -> None:
    session = json.loads(ok(run_there("submit", str(data), "--json")))["session"]
    (tmp_path / "file").touch()
    done = run_there("results", session, "-o", "file")
    assert done.returncode == 2
    assert "cannot write to file" in done.stderr
    ok(run_there("results", session, "-o", "elsewhere", "-q"))
    assert len(files_of(tmp_path / "elsewhere")) == len(PLANS["fused"].results)
