"""Questions of one's own as sessions: by a gateway, over RabbitMQ, and while workers die."""

from __future__ import annotations

import json
import random
import signal
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2 as httpx
import pytest

import coffeeshop
from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse
from coffeeshop.errors import UsageError
from coffeeshop.pipeline.messages import Assignment, SessionSpec, TaskId
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.questions.asking import questions_of
from coffeeshop.reading.folder import open_folder
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.processes import Cluster
from tests.acceptance.command import Run
from tests.questions.comparing import compare
from tests.questions.data import Tables, database_of, tables, write
from tests.questions.grammar import Grammar
from tests.running import Running, eventually, running

SQL = (
    "select s.store_name, count(*) as sales, sum(t.final_amount) as revenue from transactions t "
    "left join stores s using (store_id) group by all order by revenue desc, 1"
)


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def data() -> Tables:
    return tables(random.Random("sessions 3"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, data: Tables) -> Path:
    made = tmp_path_factory.mktemp("own")
    write(made, data, "plain", random.Random(1))
    return made


def spec_of(*texts: str) -> SessionSpec:
    named = [(f"q{number}", text) for number, text in enumerate(texts)]
    return SessionSpec(str(uuid.uuid4()), questions=questions_of(named))


def ask(client: GatewayClient, folder: Path, data: Tables, spec: SessionSpec, *texts: str) -> None:
    """Run a session and compare its answers with DuckDB's."""
    found = open_folder(folder, plan_of(spec).table_names)
    _, answers, _ = analyse(client, found, spec, timeout=60)
    with database_of(data) as database:
        for number, text in enumerate(texts):
            rows = database.execute(text).fetchall()
            compare(text, answers[f"q{number}"], rows, ordered=False)


def test_a_gateway_answers_a_question_and_shows_its_text(
    system: Running, folder: Path, data: Tables
) -> None:
    client = system.client()
    spec = spec_of(SQL)
    ask(client, folder, data, spec, SQL)
    known = client.session(spec.id)
    assert known["questions"] == [{"name": "q0", "sql": SQL}]
    assert known["results"] == ["q0"]
    assert set(known["tables"]) == {"stores", "transactions"}


def test_a_question_that_is_not_understood_is_refused_with_its_place(system: Running) -> None:
    bad = {
        "questions": [{"name": "mine", "sql": "select store_id,\n  median(x) from transactions"}]
    }
    answer = httpx.post(f"{system.url}/v1/sessions", json=bad)
    assert answer.status_code == 400
    problem = answer.json()
    assert "mine, line 2, column 3: not understood: the function median" in problem["detail"]
    assert (problem["line"], problem["column"]) == (2, 3)
    assert "what works" in problem["hint"]


def test_a_table_that_no_question_reads_is_refused(system: Running) -> None:
    client = system.client()
    spec = spec_of("select count(*) from transactions")
    client.open(spec)
    with pytest.raises(UsageError, match="does not read users; it reads transactions"):
        client.end_table(spec.id, "users", "0", 0)
    client.cancel(spec.id)


def test_a_session_without_questions_is_written_as_it_always_was() -> None:
    spec = SessionSpec("s", "staged", 2, 3)
    fields = {"id": "s", "plan": "staged", "producers": 2, "partitions": 3}
    assert spec.fields() == fields
    assignment = Assignment(spec, TaskId("s", "filter_year", 1))
    assert json.loads(assignment.to_bytes()) == {**fields, "stage": "filter_year", "partition": 1}


def test_a_session_with_questions_survives_being_written_and_read() -> None:
    spec = spec_of(SQL)
    assignment = Assignment(spec, TaskId(spec.id, "filters", 1))
    assert Assignment.from_bytes(assignment.to_bytes()) == assignment
    assert spec.fields()["version"] == 2


def test_workers_over_rabbitmq_answer_though_they_are_killed(
    broker: PrivateBroker, folder: Path, data: Tables
) -> None:
    """Some nodes are told the stages that they host; one of them is killed and comes back. Until
    one hosts the stage of own questions, their sessions say that they wait for it."""
    chance = random.Random("rabbit 1")
    texts = [SQL, *(Grammar(chance).question()[0] for _ in range(6))]
    with Cluster(broker.url) as cluster:
        _, url = cluster.gateway()
        first = cluster.start("filters")
        with closing(GatewayClient(url)) as client:
            waiting = spec_of("select count(*) from users")
            client.open(waiting)
            eventually(
                lambda: client.session(waiting.id)["waits_for"] == ["aggregator"],
                "the session did not say what it waits for",
            )
            client.cancel(waiting.id)
            cluster.start("aggregator")
            ask(client, folder, data, spec_of(*texts), *texts)
            first.signal(signal.SIGKILL)
            spec = spec_of(*texts)
            client.open(spec)
            cluster.start("filters")
            ask(client, folder, data, spec, *texts)


def test_parameters_are_a_part_of_the_session(system: Running) -> None:
    opened = httpx.post(
        f"{system.url}/v1/sessions", json={"parameters": {"years": "2023", "min_amount": "50"}}
    ).json()
    shown = {"years": "2023", "hours": "06:00:00-23:00:00", "min_amount": "50", "top": 3}
    assert opened["parameters"] == shown
    client = system.client()
    assert client.session(opened["id"])["parameters"] == shown
    client.cancel(opened["id"])


def test_parameters_that_make_no_sense_open_no_session(system: Running) -> None:
    answer = httpx.post(f"{system.url}/v1/sessions", json={"parameters": {"years": "x"}})
    assert answer.status_code == 400
    assert "years are written" in answer.json()["detail"]


@pytest.mark.parametrize("by_gateway", [False, True])
def test_the_library_takes_questions_and_parameters(
    system: Running, folder: Path, tmp_path: Path, *, by_gateway: bool
) -> None:
    with coffeeshop.Client(system.url if by_gateway else "memory:") as client:
        mine = client.submit(folder, questions={"sales": "select count(*) as n from transactions"})
        assert list(mine) == ["sales"]
        assert mine.sales.to_pylist() == [{"n": mine.rows["transactions"]}]
        with pytest.raises(coffeeshop.UsageError, match="a report is about the four questions"):
            mine.report(tmp_path / "report.html")
        with pytest.raises(coffeeshop.QuestionRefused, match="question1, line 1, column 8"):
            client.submit(folder, questions=["select median(x) from transactions"])
        found = client.submit(folder, years="2024", hours="00:00-23:59:59", min_amount="0", top=1)
        assert "purchases of 0 or more, 00:00 to 23:59:59, in 2024" in found.sentences()[0]
        if by_gateway:
            again = client.results(found.session_id)
            assert again.sentences() == found.sentences()
            assert list(client.results(mine.session_id)) == ["sales"]


def test_the_command_asks_a_file_and_a_text(run: Run, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "By Month.sql"
    file.write_text("select month(created_at) as m, count(*) as n from transactions group by 1")
    text = "select count(*) as n from users"
    done = run("submit", str(folder), "--query", str(file), "--sql", text, "--json")
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)["files"]
    assert [Path(each).name for each in files] == ["by_month.csv", "question2.csv"]


def test_the_command_says_where_a_question_is_not_understood(run: Run, folder: Path) -> None:
    done = run("submit", "--data-folder", str(folder), "--sql", "select *\nfrom transactions")
    assert done.returncode == 2
    error, hint = done.stderr.splitlines()
    assert error == "error: question1, line 1, column 8: not understood: *"
    assert hint == "hint: what works: name the columns: only those that are named travel"
