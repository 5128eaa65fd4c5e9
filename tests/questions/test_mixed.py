"""Built-in questions beside those in SQL in one session."""

from __future__ import annotations

import json
import random
import uuid
from pathlib import Path

import httpx2 as httpx
import pytest

import coffeeshop
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.questions.asking import BUILTIN, questions_of
from coffeeshop.questions.gallery import ready_one
from tests.acceptance.command import Run
from tests.questions.comparing import compare
from tests.questions.data import Tables, database_of, tables, write
from tests.questions.running import answers
from tests.running import running

CUBE = "sales_cube"
FOUR = [(name, "") for name in ("query1", "query2", "query3", "query4")]


def spec_of(*asked: tuple[str, str], parameters: str = "", plan: str = "fused") -> SessionSpec:
    texts = questions_of(asked)
    return SessionSpec(str(uuid.uuid4()), plan, parameters=parameters, questions=texts)


@pytest.fixture(scope="module")
def data() -> Tables:
    return tables(random.Random("mixed 4"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, data: Tables) -> Path:
    made = tmp_path_factory.mktemp("mixed")
    write(made, data, "plain", random.Random(1))
    return made


def test_the_four_answer_beside_others_as_they_do_alone(folder: Path, data: Tables) -> None:
    chance = random.Random("mixed")
    asked = [(CUBE, ""), *FOUR, ("items_by_month", ""), ("n", "select count(*) from users")]
    both = answers(folder, spec_of(*asked), chance).tables
    alone = answers(folder, spec_of(), chance).tables
    assert len(alone) == 5
    assert {name: both[name] for name in alone} == alone
    with database_of(data) as database:
        for name, text in asked:
            if name not in BUILTIN:
                sql = text or ready_one(name).text
                compare(sql, both[name], database.execute(sql).fetchall(), ordered=True)
    assert both[CUBE].num_rows > 20


@pytest.mark.parametrize("plan", ["fused", "staged"])
def test_some_of_the_four_answer_as_among_all(folder: Path, plan: str) -> None:
    chance = random.Random("some")
    alone = answers(folder, spec_of(parameters='{"top": 1}'), chance).tables
    some = spec_of(("query4", ""), ("query2", ""), parameters='{"top": 1}', plan=plan)
    found = answers(folder, some, chance).tables
    assert found == {n: alone[n] for n in alone if n.startswith(("query2", "query4"))}
    assert "created_at" in {c.name for c in plan_of(some).table("transactions").columns}
    assert "final_amount" not in {c.name for c in plan_of(some).table("transactions").columns}


def test_naming_all_of_the_four_is_the_same_as_naming_none() -> None:
    assert questions_of(reversed(FOUR)) == ()


def test_a_session_with_both_is_of_a_version_of_its_own_and_survives_being_written() -> None:
    spec = spec_of(*FOUR, (CUBE, ""))
    fields = json.loads(json.dumps(spec.fields()))
    assert fields["version"] == 3
    assert SessionSpec.of(fields) == spec
    assert spec_of((CUBE, "")).fields()["version"] == 2


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ([("query5", "")], "no question 'query5' is built in or in the gallery; did you mean"),
        ([("query2", ""), ("query2_best_selling", "select 1 from users")], "two questions have"),
        ([("query2", ""), ("items_in_years", "select count(*) from users")], "beside the built-in"),
        ([("query2", ""), ("query2", "")], "two questions have one name"),
    ],
)
def test_names_that_are_none_or_collide_are_refused(
    asked: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(coffeeshop.UsageError, match=message):
        plan_of(spec_of(*asked))


def test_a_gateway_takes_names_of_ready_questions(folder: Path) -> None:
    with running() as system, coffeeshop.Client(system.url) as client:
        found = client.submit(folder, questions=["query3", CUBE], years="2024")
        assert sorted(found) == ["query3", CUBE]
        again = client.get(str(found.session_id))
        assert sorted(again.info()["queries"]) == ["query3", CUBE]
        assert again.info()["parameters"]["years"] == "2024"
        assert again.info()["questions"][0] == {"name": "query3", "sql": ""}
        assert list(again.result()) == again.info()["queries"]
        shown = httpx.get(f"{system.url}/v1/overview/sessions/{found.session_id}").json()
        assert {each["stage"] for each in shown["topology"]} == {
            "filters",
            "aggregator_query3",
            "aggregator",
        }
        assert list(shown["columns"]) == [CUBE]
        body = {"parameters": {"years": "2024"}, "questions": [{"name": CUBE}]}
        refused = httpx.post(f"{system.url}/v1/sessions", json=body)
        assert refused.status_code == 400
        assert "write them into the SQL" in refused.json()["detail"]
        refused = httpx.post(f"{system.url}/v1/sessions", json={"questions": [{"name": "sales"}]})
        assert (refused.status_code, "did you mean" in refused.json()["detail"]) == (400, True)


def test_the_command_asks_the_four_and_others(run: Run, folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    asked = ("--builtin", "--question", CUBE, "--years", "2024", "--report", str(report))
    done = run("submit", str(folder), *asked, "--json")
    assert done.returncode == 0, done.stderr
    files = [Path(each).name for each in json.loads(done.stdout)["files"]]
    assert files == [
        "query1.csv",
        "query2_best_selling.csv",
        "query2_most_profitable.csv",
        "query3.csv",
        "query4.csv",
        "sales_cube.csv",
    ]
    assert report.stat().st_size > 10_000
