"""The commands that ask a gateway, as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from coffeeshop.generate import generate
from coffeeshop.messages import SessionSpec
from coffeeshop.plan import PLANS
from tests.oracle import answers
from tests.running import INTERRUPTIBLE, Running, eventually, new_id, running

SOURCE = str(Path(__file__).parents[2])
QUERIES = PLANS["fused"].results
Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


def environment(**more: str) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("COFFEESHOP_")}
    return {**clean, "PYTHONPATH": SOURCE, "COLUMNS": "200", **more}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "coffeeshop", *arguments]


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def idle() -> Iterator[Running]:
    """A gateway for which nobody works."""
    with running(node=False) as made:
        yield made


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "shop [1]"
    generate(folder, transactions=1_500, seed=31, layout="flat")
    return folder


@pytest.fixture(scope="module")
def expected(data: Path) -> dict[str, str]:
    return answers(data)


def runner(directory: Path, url: str) -> Run:
    def call(*arguments: str, **more: str) -> Done:
        return subprocess.run(
            command(*arguments),
            cwd=directory,
            env=environment(**{"COFFEESHOP_GATEWAY": url, **more}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return call


@pytest.fixture
def run(tmp_path: Path, system: Running) -> Run:
    """Runs the command, in a directory of its own, with a gateway in the environment."""
    return runner(tmp_path, system.url)


@pytest.fixture
def run_idle(tmp_path: Path, idle: Running) -> Run:
    return runner(tmp_path, idle.url)


def texts_of(directory: Path) -> dict[str, str]:
    return {file.name: file.read_bytes().decode() for file in directory.iterdir()}


def ok(done: Done) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def found(done: Done) -> Any:
    return json.loads(ok(done))


@pytest.mark.parametrize("plan", PLANS)
def test_files_by_a_gateway_are_those_of_the_embedded_system(
    run: Run, tmp_path: Path, data: Path, expected: dict[str, str], plan: str
) -> None:
    folder = str(data)
    printed = ok(run("submit", "--data-folder", folder, "--output-dir", "there", "--plan", plan))
    assert "rows in" in printed
    assert texts_of(tmp_path / "there") == expected
    here = ("submit", "--data-folder", folder, "--output-dir", "here", "--plan", plan, "-q")
    assert ok(run(*here, COFFEESHOP_GATEWAY="")) == ""
    assert texts_of(tmp_path / "here") == texts_of(tmp_path / "there")


def test_a_detached_session_is_watched_and_fetched_later(
    run: Run, tmp_path: Path, data: Path, expected: dict[str, str], system: Running
) -> None:
    done = run("submit", "--data-folder", str(data), "--detach")
    session = ok(done).strip()
    assert done.stderr == ""
    watched = ok(run("watch", session))
    assert [line.split()[0] for line in watched.splitlines()] == ["result"] * 5 + ["completed"]
    assert ok(run("watch", session, "-q")).strip() == session
    lines = [json.loads(line) for line in ok(run("watch", session, "--json")).splitlines()]
    assert [line["event"] for line in lines] == ["result"] * len(QUERIES) + ["completed"]
    assert sorted(line["query"] for line in lines[:-1]) == sorted(QUERIES)

    eventually(lambda: system.client().session(session)["state"] == "completed", "the end is known")
    printed = ok(run("results", session))
    assert texts_of(tmp_path / "results" / data.name) == expected
    assert len(printed.splitlines()) == len(QUERIES)
    one = ok(run("results", session, "--query", "query3", "-o", "-"))
    assert one == expected["query3.csv"]
    as_json = run("results", session, "--query", "query3", "-o", "-", "--format", "json")
    assert found(as_json)[0].keys() == {"year_half_created_at", "store_name", "tpv"}
    ok(run("results", session, "--query", "query1", "-o", "one", "--format", "parquet"))
    assert [file.name for file in (tmp_path / "one").iterdir()] == ["query1.parquet"]
    rows = pq.read_table(tmp_path / "one" / "query1.parquet").num_rows
    assert rows == len(expected["query1.csv"].splitlines()) - 1

    shown = found(run("status", session, "--json"))
    assert (shown["state"], shown["name"]) == ("completed", data.name)
    text = ok(run("status", session))
    assert data.name in text
    assert "completed" in text


def test_json_of_a_detached_session_names_it(run: Run, data: Path) -> None:
    summary = found(run("submit", "--data-folder", str(data), "--detach", "--json"))
    assert summary["rows"]["transactions"] == 1_500
    assert "completed" in ok(run("watch", summary["session"]))


def test_sessions_are_listed_for_people_for_programs_and_as_ids(
    run_idle: Run, idle: Running
) -> None:
    client = idle.client()
    first, second = SessionSpec(new_id()), SessionSpec(new_id())
    client.open(first, "[red] and [bold]")
    client.open(second, "two")
    assert ok(run_idle("sessions", "-q")).split() == [second.id, first.id]
    assert [s["id"] for s in found(run_idle("sessions", "--json", "--limit", "1"))] == [second.id]
    table = ok(run_idle("sessions", "--state", "open"))
    assert first.id in table
    assert "[red] and [bold]" in table
    assert "no sessions" in ok(run_idle("sessions", "--state", "failed"))
    assert ok(run_idle("sessions", "--state", "failed", "-q")) == ""
    for spec in (first, second):
        client.delete(spec.id)


def test_a_session_is_cancelled_and_everybody_learns_of_it(run_idle: Run, idle: Running) -> None:
    spec = SessionSpec(new_id())
    idle.client().open(spec)
    assert ok(run_idle("cancel", spec.id)) == f"{spec.id} cancelled\n"
    assert ok(run_idle("cancel", spec.id, "-q")) == f"{spec.id}\n"
    assert found(run_idle("cancel", spec.id, "--json")) == {
        "session": spec.id,
        "state": "cancelled",
    }
    eventually(
        lambda: idle.client().session(spec.id)["state"] == "cancelled", "the session is cancelled"
    )
    for arguments in (("watch", spec.id), ("results", spec.id)):
        done = run_idle(*arguments)
        assert done.returncode == 6
        assert "cancelled by its client" in done.stderr
    idle.client().delete(spec.id)
    done = run_idle("watch", spec.id)
    assert done.returncode == 1
    assert "removed" in done.stderr


def test_results_that_are_not_there_yet_are_a_matter_of_waiting(
    run_idle: Run, idle: Running
) -> None:
    spec = SessionSpec(new_id())
    idle.client().open(spec)
    done = run_idle("results", spec.id)
    assert done.returncode == 2
    assert f"coffeeshop watch {spec.id}" in done.stderr
    idle.client().delete(spec.id)


def test_nodes_are_listed(run: Run, run_idle: Run, system: Running) -> None:
    eventually(system.client().nodes, "a node is listed")
    (node,) = found(run("nodes", "--json"))
    assert node["types"] == ["worker"]
    assert node["id"] in ok(run("nodes"))
    assert ok(run("nodes", "-q")) == f"{node['id']}\n"
    assert "coffeeshop run-node --type worker" in ok(run_idle("nodes"))


def test_figures_of_the_gateway_are_shown(run: Run, system: Running) -> None:
    assert found(run("status", "--json"))["gateway"] == system.gateways[0].sessions.name
    assert "bytes in memory" in ok(run("status"))


def test_a_healthy_system_passes_the_examination(run: Run, system: Running) -> None:
    eventually(system.client().nodes, "a node is listed")
    findings = found(run("doctor", "--json"))
    assert [each["ok"] for each in findings] == [True] * 6
    assert "plans served: fused, staged" in ok(run("doctor"))


def test_a_system_without_a_worker_does_not(run_idle: Run) -> None:
    done = run_idle("doctor", "--json")
    assert done.returncode == 1
    assert [each["ok"] for each in json.loads(done.stdout)] == [True, False, True, True, True, True]
    done = run_idle("doctor")
    assert done.returncode == 1
    assert "WRONG nodes for every stage" in done.stdout
    assert "coffeeshop run-node --type worker" in done.stdout


@pytest.fixture(scope="module")
def nowhere() -> str:
    """A URL at which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.mark.parametrize(
    "arguments",
    [
        ("submit", "--data-folder", "x"),
        ("submit", "--data-folder", "x", "--detach"),
        ("sessions",),
        ("status",),
        ("watch", "00000000-0000-0000-0000-000000000000"),
        ("nodes",),
    ],
    ids=lambda arguments: " ".join(arguments[:1]),
)
def test_a_gateway_that_does_not_answer_is_said_clearly_and_soon(
    tmp_path: Path, nowhere: str, arguments: tuple[str, ...]
) -> None:
    generate(tmp_path / "x", transactions=5, seed=1, layout="flat")
    run = runner(tmp_path, nowhere)
    began = time.monotonic()
    done = run(*arguments, "--gateway-patience", "0.2")
    assert time.monotonic() - began < 10
    assert done.returncode == 3
    assert f"{nowhere} does not answer" in done.stderr
    assert "advice: is a gateway running there?" in done.stderr
    assert "Traceback" not in done.stderr
    assert run(*arguments, COFFEESHOP_GATEWAY_PATIENCE="0").returncode == 3


def test_the_examination_of_nothing_says_how_to_begin(tmp_path: Path, nowhere: str) -> None:
    done = runner(tmp_path, nowhere)("doctor")
    assert done.returncode == 1
    assert "coffeeshop run-node --type gateway" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sessions", "--limit", "0"), "limit"),
        (("sessions", "--state", "unknown"), "state"),
        (("status", "no-uuid"), "UUID"),
        (("status", "../nodes"), "Not Found"),
        (("cancel", ".."), "not a session's id"),
        (("watch",), "SESSION"),
        (
            ("results", "00000000-0000-0000-0000-000000000000", "--query", "query3x"),
            "did you mean 'query3'?",
        ),
        (("status", "00000000-0000-0000-0000-000000000000"), "there is no session"),
        (("submit", "--data-folder", "nowhere"), "no data folder"),
        (("submit", "--producer", "2/2", "--data-folder", "."), "--producer"),
        (("submit", "--producer", "0/2", "--data-folder", "."), "--session"),
        (("submit", "--session", "x", "--data-folder", "."), "UUID"),
        (("nodes", "--gateway", "ftp://x"), "URL"),
        (("nodes", "--gateway-patience", "-1"), "gateway-patience"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_wrong_usage_is_said_with_code_2(
    run_idle: Run, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    generate(tmp_path / "d", transactions=2, seed=1, layout="flat")
    given = tuple("d" if each == "." else each for each in arguments)
    done = run_idle(*given)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("value", ["soon", "-1", "inf", "nan"])
def test_patience_in_the_environment_is_a_number(run_idle: Run, value: str) -> None:
    done = run_idle("nodes", COFFEESHOP_GATEWAY_PATIENCE=value)
    assert done.returncode == 2
    assert "COFFEESHOP_GATEWAY_PATIENCE" in done.stderr


def test_two_clients_feed_one_session(
    run: Run, tmp_path: Path, data: Path, expected: dict[str, str]
) -> None:
    session = new_id()

    def client(number: int) -> Done:
        share = ("--session", session, "--producer", f"{number}/2")
        folder = ("--data-folder", str(data), "--output-dir", f"out{number}")
        return run("submit", *folder, *share, "-q")

    with ThreadPoolExecutor(2) as pool:
        for done in pool.map(client, range(2)):
            ok(done)
    assert texts_of(tmp_path / "out0") == texts_of(tmp_path / "out1") == expected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_session(
    tmp_path: Path, idle: Running, data: Path, number: signal.Signals
) -> None:
    before = {each["id"] for each in idle.client().sessions()}
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "submit", "--data-folder", str(data)],
        cwd=tmp_path,
        env=environment(COFFEESHOP_GATEWAY=idle.url),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(
            lambda: any(
                each["uploaded"] for each in idle.client().sessions() if each["id"] not in before
            ),
            "all of it is sent",
        )
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 128 + number, said
    assert "Traceback" not in said
    (session,) = {each["id"] for each in idle.client().sessions()} - before
    eventually(
        lambda: idle.client().session(session)["state"] == "cancelled", "the session is cancelled"
    )
    assert not (tmp_path / "results").exists()
    idle.client().delete(session)


def test_a_cancelled_submission_ends_with_code_6(tmp_path: Path, idle: Running, data: Path) -> None:
    session = new_id()
    process = subprocess.Popen(
        command("submit", "--data-folder", str(data), "--session", session),
        cwd=tmp_path,
        env=environment(COFFEESHOP_GATEWAY=idle.url),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(
            lambda: session in {each["id"] for each in idle.client().sessions()}, "it has begun"
        )
        idle.client().cancel(session)
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 6, said
    assert "cancelled by its client" in said
