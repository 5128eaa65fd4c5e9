"""The gallery: every question is understood, and has DuckDB's answer."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from coffeeshop.cli import cli
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.questions.asking import questions_of
from coffeeshop.questions.form import Question
from coffeeshop.questions.gallery import forms, ready
from coffeeshop.questions.sql import question_of
from tests.questions.comparing import compare
from tests.questions.data import database_of, tables, write
from tests.questions.running import answers


def test_every_question_of_the_gallery_has_the_answer_of_duckdb(tmp_path: Path) -> None:
    chance = random.Random("gallery 5")
    data = tables(chance)
    write(tmp_path, data, "export", chance)
    asked = [(each.name, each.text) for each in ready()]
    completed = answers(tmp_path, SessionSpec("s", questions=questions_of(asked)), chance)
    assert len(asked) >= 12
    assert len(data["transactions"][1]) > 50
    with database_of(data) as database:
        for name, text in asked:
            compare(text, completed.tables[name], database.execute(text).fetchall(), ordered=True)


def test_the_forms_of_the_gallery_are_those_of_its_texts() -> None:
    said = "run .venv/bin/python scripts/gallery_forms.py"
    assert {each.name for each in ready()} == set(forms()), said
    for each in ready():
        assert Question.from_json(forms()[each.name]) == question_of(each.text, each.name), said


def test_questions_lists_all_and_prints_one() -> None:
    listed = CliRunner().invoke(cli, ["questions"]).stdout.splitlines()
    assert [line.split()[0] for line in listed] == [each.name for each in ready()]
    assert all(each.title in line for each, line in zip(ready(), listed, strict=True))
    printed = CliRunner().invoke(cli, ["questions", "year_on_year"]).stdout
    assert printed == next(each.text for each in ready() if each.name == "year_on_year")
    named = CliRunner().invoke(cli, ["questions", "voucher_use", "--json"]).stdout
    assert [each["name"] for each in json.loads(named)] == ["voucher_use"]


def test_a_mistyped_name_of_the_gallery_is_told_the_right_one() -> None:
    done = CliRunner().invoke(cli, ["explain", "--question", "year_over_year"])
    assert "did you mean 'year_on_year'?" in str(done.exception)


def test_explain_tells_columns_stages_and_steps() -> None:
    done = CliRunner().invoke(cli, ["explain", "--question", "top_items_by_month"])
    assert done.exit_code == 0
    for words in (
        "menu_items: item_id, item_name",
        "filters, 2 tasks on nodes of type filters, worker or all",
        "aggregator, 1 task on nodes of type aggregator, worker or all",
        "joins menu_items (item_name, item_id) by item_id; leaves out what has no row there",
        "takes the first 3 of each",
    ):
        assert words in done.stdout


@pytest.mark.parametrize("name", [each.name for each in ready()])
def test_every_question_of_the_gallery_is_explained(name: str) -> None:
    done = CliRunner().invoke(cli, ["explain", "--question", name, "--json"])
    (told,) = json.loads(done.stdout)["questions"]
    assert told["name"] == name
    assert told["in_each_partition"]
    assert told["at_the_end"]


def test_explain_without_a_question_explains_the_four() -> None:
    told = json.loads(CliRunner().invoke(cli, ["explain", "--json"]).stdout)
    assert [each["name"] for each in told["questions"] if each["specialised"]] == [
        "query1",
        "query2_best_selling",
        "query2_most_profitable",
        "query3",
        "query4",
    ]
    assert told["left_out"] == {"transactions": ["transaction_id"]}
