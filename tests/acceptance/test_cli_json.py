"""What `--json` prints is what the schemas in docs/schemas say, and nothing more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from jsonschema import Draft202012Validator, ValidationError

from coffeeshop.cli import cli
from coffeeshop.generate import generate
from coffeeshop.names import QUERIES
from coffeeshop.pipeline.messages import SessionSpec
from tests.acceptance.command import runner
from tests.running import Running, eventually, new_id
from tests.schemas import NAMES, check, schema_of

PLAIN = {"completion", "login", "logout", "run-node", "serve"}
"""Commands that print a script, a sentence or logs."""
Found = Callable[..., Any]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("json") / "shop"
    generate(folder, transactions=1_000, seed=41, layout="flat")
    return folder


@pytest.fixture
def run(tmp_path: Path, system: Running) -> Found:
    """Runs a command with `--json` and a gateway in the environment; its standard output."""

    def call(*arguments: str, code: int = 0, **more: str) -> str:
        done = runner(tmp_path, COFFEESHOP_GATEWAY=system.url)(*arguments, "--json", **more)
        assert done.returncode == code, done.stderr
        return done.stdout

    return call


@pytest.fixture(scope="module")
def completed(system: Running, data: Path) -> str:
    """The id of a session that completed."""
    from coffeeshop.client.remote import analyse
    from coffeeshop.reading.folder import open_folder

    spec = SessionSpec(new_id())
    client = system.client()
    analyse(client, open_folder(data), spec)
    eventually(lambda: client.session(spec.id)["state"] == "completed", "the end is known")
    return spec.id


def lines_of(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_command_that_prints_something_has_json_and_a_schema() -> None:
    with_json = {
        name
        for name, command in cli.commands.items()
        if any("--json" in each.opts for each in command.params)
    }
    assert with_json == set(cli.commands) - PLAIN
    assert set(NAMES) == with_json | {"session", "gateway"}


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(schema_of(name))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("token", {"token": "x", "line": "y", "more": 1}),
        ("token", {"token": "x"}),
        ("sessions", [{}]),
        ("watch", {"event": "completed", "id": 1, "reason": "x"}),
        ("status", {}),
    ],
)
def test_another_output_than_the_schema_says_is_noticed(name: str, wrong: Any) -> None:
    with pytest.raises(ValidationError):
        check(name, wrong)


@pytest.mark.parametrize("gateway", [True, False])
def test_submit_names_its_session_and_files(
    run: Found, data: Path, tmp_path: Path, system: Running, gateway: bool
) -> None:
    url = system.url if gateway else ""
    folder = ("submit", "--data-folder", str(data))
    summary = json.loads(run(*folder, COFFEESHOP_GATEWAY=url))
    check("submit", summary)
    assert [Path(file).stem for file in summary["files"]] == list(QUERIES)
    assert all((tmp_path / file).is_file() for file in summary["files"])
    assert gateway == (summary["session"] in {each["id"] for each in system.client().sessions()})


def test_submit_with_all_that_adds_to_it(run: Found, data: Path, tmp_path: Path) -> None:
    lines = (data / "users.csv").read_text().splitlines(keepends=True)
    bad = tmp_path / "bad"
    bad.mkdir()
    for file in data.iterdir():
        (bad / file.name).write_text(file.read_text())
    (bad / "users.csv").write_text("".join([*lines, "x,x,x,x\n"]))
    options = ("--on-bad-row", "skip", "--report", "report.html")
    summary = json.loads(run("submit", "--data-folder", "bad", *options))
    check("submit", summary)
    assert (summary["rows_rejected"], summary["report"]) == (1, "report.html")


def test_submit_detached_and_watch(run: Found, data: Path) -> None:
    detached = json.loads(run("submit", "--data-folder", str(data), "--detach"))
    check("submit", detached)
    told = lines_of(run("watch", detached["session"]))
    assert len(told) == 6
    for line in told:
        check("watch", line)


def test_watch_of_a_session_that_does_not_complete(run: Found, system: Running) -> None:
    spec = SessionSpec(new_id())
    system.client().open(spec)
    check("cancel", json.loads(run("cancel", spec.id)))
    (line,) = lines_of(run("watch", spec.id, code=6))
    check("watch", line)
    assert line["event"] == "cancelled"


def test_sessions_and_status_show_the_same_session(run: Found, completed: str) -> None:
    listed = json.loads(run("sessions"))
    assert completed in {each["id"] for each in listed}
    check("sessions", listed)
    one = json.loads(run("status", completed))
    check("status", one)
    check("session", one)
    assert (one["id"], one["state"]) == (completed, "completed")
    assert next(each for each in listed if each["id"] == completed)["name"] == one["name"]
    whole = json.loads(run("status"))
    check("status", whole)
    check("gateway", whole)


def test_results_names_the_files_it_wrote(run: Found, completed: str, tmp_path: Path) -> None:
    found = json.loads(run("results", completed))
    check("results", found)
    assert found["session"] == completed
    assert [Path(file).stem for file in found["files"]] == list(QUERIES)
    assert all((tmp_path / file).is_file() for file in found["files"])


def test_results_are_shared_and_compared(run: Found, completed: str) -> None:
    shared = json.loads(run("share", completed))
    check("share", shared)
    assert shared["session"] == completed
    check("share", json.loads(run("share", completed, "--end")))
    compared = json.loads(run("compare", completed, completed, "--query", "query3"))
    check("compare", compared)
    assert list(compared) == ["query3"]
    written = json.loads(run("compare", completed, completed, "--format", "csv"))
    check("compare", written)
    assert written["files"]


def test_nodes_are_listed_and_doctor_tells_a_gateway_from_none(run: Found, system: Running) -> None:
    eventually(system.client().nodes, "a node is listed")
    nodes = json.loads(run("nodes"))
    check("nodes", nodes)
    assert [each["types"] for each in nodes] == [["worker"]]
    well, ill = (
        json.loads(run("doctor")),
        json.loads(run("doctor", "--gateway", "http://127.0.0.1:9", code=1)),
    )
    check("doctor", well)
    check("doctor", ill)
    assert well != ill


@pytest.mark.parametrize(
    "arguments",
    [
        ("generate", "made", "--transactions", "10"),
        ("demo", "--transactions", "500"),
        ("token", "north"),
        ("questions",),
        ("explain",),
        ("explain", "--question", "top_items_by_month"),
    ],
    ids=" ".join,
)
def test_what_needs_no_gateway_prints_its_schema(run: Found, arguments: tuple[str, ...]) -> None:
    check(arguments[0], json.loads(run(*arguments, COFFEESHOP_GATEWAY="")))


def test_the_demonstration_by_a_gateway_prints_nothing_else_either(run: Found) -> None:
    check("demo", json.loads(run("demo", "--transactions", "500")))


def test_logs_prints_each_entry(run: Found, tmp_path: Path) -> None:
    entry = {"event": "node.ready", "level": "info", "timestamp": "2026-01-31T12:00:00.000001Z"}
    (tmp_path / "node.log").write_text(json.dumps(entry) + "\n")
    (line,) = lines_of(run("logs", "node.log"))
    check("logs", line)
    assert line["event"] == "node.ready"


def test_every_json_option_has_a_help() -> None:
    for command in cli.commands.values():
        for each in command.params:
            assert not isinstance(each, click.Option) or "--json" not in each.opts or each.help
