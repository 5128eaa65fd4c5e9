"""What the command says of a gateway's sessions and nodes, and of a gateway that is not there."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from coffeeshop.generate import generate
from coffeeshop.pipeline.messages import SessionSpec
from tests.acceptance.command import WIDE, Run, found, ok, runner
from tests.running import Running, eventually, new_id

WORKER = "a worker for every stage"


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
    assert first.id[:8] in table
    assert "[red] and [bold]" in table
    assert ok(run_idle("sessions", "--state", "failed")) == "no failed sessions\n"
    assert ok(run_idle("sessions", "--search", "TWO", "-q")).split() == [second.id]
    assert "no open sessions with 'three'" in ok(
        run_idle("sessions", "--state", "open", "--search", "three")
    )
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
        assert "cancelled by the client" in done.stderr
    idle.client().delete(spec.id)
    done = run_idle("watch", spec.id)
    assert done.returncode == 1
    assert "deleted" in done.stderr


def test_results_that_are_not_there_yet_are_a_matter_of_waiting(
    run_idle: Run, idle: Running
) -> None:
    spec = SessionSpec(new_id())
    idle.client().open(spec)
    done = run_idle("results", spec.id)
    assert done.returncode == 2
    assert f"coffeeshop watch {spec.id}" in done.stderr
    idle.client().delete(spec.id)


def test_nodes_are_listed(run_there: Run, run_idle: Run, system: Running) -> None:
    eventually(system.client().nodes, "a node is listed")
    (node,) = found(run_there("nodes", "--json"))
    assert node["types"] == ["worker"]
    assert node["id"] in ok(run_there("nodes"))
    assert ok(run_there("nodes", "-q")) == f"{node['id']}\n"
    assert "coffeeshop run-node --type worker" in ok(run_idle("nodes"))


def test_figures_of_the_gateway_are_shown(run_there: Run, system: Running) -> None:
    assert found(run_there("status", "--json"))["gateway"] == system.gateways[0].sessions.name
    assert "bytes in memory" in ok(run_there("status"))


def test_a_healthy_system_passes_the_examination(run_there: Run, system: Running) -> None:
    eventually(system.client().nodes, "a node is listed")
    findings = found(run_there("doctor", "--json"))
    assert [each for each in findings if not each["ok"]] == []
    assert "plans served: fused, staged" in ok(run_there("doctor"))


def test_a_system_without_a_worker_does_not(run_idle: Run) -> None:
    done = run_idle("doctor", "--json")
    assert done.returncode == 1
    assert [each["check"] for each in json.loads(done.stdout) if not each["ok"]] == [WORKER]
    done = run_idle("doctor")
    assert done.returncode == 1
    assert f"WRONG {WORKER}" in done.stdout
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
    run = runner(tmp_path, COFFEESHOP_GATEWAY=nowhere, **WIDE)
    began = time.monotonic()
    done = run(*arguments, "--gateway-patience", "0.2")
    assert time.monotonic() - began < 10
    assert done.returncode == 3
    assert f"{nowhere} does not answer" in done.stderr
    assert "hint: check that a gateway runs there" in done.stderr
    assert "Traceback" not in done.stderr
    assert run(*arguments, COFFEESHOP_GATEWAY_PATIENCE="0").returncode == 3


def test_the_examination_of_nothing_says_how_to_begin(tmp_path: Path, nowhere: str) -> None:
    done = runner(tmp_path, COFFEESHOP_GATEWAY=nowhere, **WIDE)("doctor")
    assert done.returncode == 1
    assert "coffeeshop run-node --type gateway" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sessions", "--limit", "0"), "limit"),
        (("sessions", "--state", "unknown"), "state"),
        (("status", "no-uuid"), "no session has an id"),
        (("status", "../nodes"), "no session has an id"),
        (("cancel", ".."), "not a session id"),
        (("watch",), "SESSION"),
        (
            ("results", "00000000-0000-0000-0000-000000000000", "--query", "query3x"),
            "no session 00000000-0000-0000-0000-000000000000",
        ),
        (("status", "00000000-0000-0000-0000-000000000000"), "no session"),
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
