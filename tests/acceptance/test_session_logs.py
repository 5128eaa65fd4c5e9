"""What a cluster's processes log of one session, found by its id; and what they run, when asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coffeeshop.client.upload import ORDER
from coffeeshop.commands.log_lines import Choice, Line, Parser, chosen, merged
from coffeeshop.generate import generate
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.processes import Cluster, NodeProcess
from tests.running import new_id

pytestmark = pytest.mark.timeout(240)
LIFE = [
    "client.opened",
    "eof_protocol.session_registered",
    "eof_protocol.session_hosted",
    "eof_protocol.table_ended",
    "eof_protocol.end_of_stream",
    "client.uploaded",
    "eof_protocol.task_complete",
    "task.done",
    "eof_protocol.session_completed",
    "eof_protocol.session_left",
    "eof_protocol.session_released",
    "client.completed",
]


@pytest.fixture(scope="module")
def own(broker: PrivateBroker) -> Iterator[PrivateBroker]:
    """A broker of these tests' own: they leave sessions behind that nobody ends."""
    with PrivateBroker() as private:
        yield private


@pytest.fixture
def cluster(own: PrivateBroker) -> Iterator[Cluster]:
    """No processes yet; ended after the test."""
    with Cluster(own.url) as made:
        yield made


def submit(url: str, folder: Path, session: str) -> subprocess.Popen[str]:
    command = ["submit", "--data-folder", str(folder), "--gateway", url, "--session", session]
    return subprocess.Popen(
        [sys.executable, "-m", "coffeeshop", *command, "--verbose"],
        env={**os.environ, "COFFEESHOP_LOG_FORMAT": "json"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder.parent,
    )


def said_by(process: NodeProcess, event: str, session: str) -> None:
    """Wait until it says so."""
    process.wait_for(event, where=lambda line: line.get("session") == session)


def asked(worker: NodeProcess, after: str) -> dict[str, Any]:
    """What it says it runs, in a line that is later than that."""
    worker.signal(signal.SIGUSR1)
    return worker.wait_for("node.what_runs", where=lambda line: line["timestamp"] > after)


def lines_of(processes: list[NodeProcess], told: list[str], session: str) -> list[Line]:
    """One session's lines in all processes, in the order of time."""
    sources = [[json.dumps(event) for event in each.events] for each in processes] + [told]
    wanted = Choice(session=session)
    return merged(line for texts in sources for line in chosen(texts, Parser(), wanted))


def test_two_sessions_lives_can_be_told_apart_across_all_processes(
    cluster: Cluster, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    generate(folder, transactions=2000, seed=5)
    gateway, url = cluster.gateway()
    workers = [cluster.start("worker"), cluster.start("worker")]
    ids = [new_id(), new_id()]
    clients = [submit(url, folder, session) for session in ids]
    told = [line for client in clients for line in client.communicate(timeout=120)[1].splitlines()]
    assert [client.returncode for client in clients] == [0, 0], told
    for session in ids:
        said_by(gateway, "eof_protocol.session_released", session)
        for worker in workers:
            if any(event.get("session") == session for event in worker.events):
                said_by(worker, "eof_protocol.session_left", session)
        life = lines_of([gateway, *workers], told, session)
        events = [str((line.fields or {})["event"]) for line in life]
        assert set(LIFE) - set(events) == set()
        kinds = {line.process.split("-")[0] for line in life}
        assert kinds == {"client", "gateway", "worker"}
        first = {event: events.index(event) for event in LIFE}
        assert first["eof_protocol.session_registered"] < first["eof_protocol.session_hosted"]
        assert first["eof_protocol.session_hosted"] < first["task.done"]
        assert first["task.done"] < first["eof_protocol.session_released"]
        other = next(each for each in ids if each != session)
        assert all(other not in line.text for line in life)


def test_every_line_that_names_a_session_has_it_in_its_field(
    cluster: Cluster, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    generate(folder, transactions=500, seed=6)
    gateway, url = cluster.gateway()
    environment = {
        "COFFEESHOP_SABOTAGE": "raise:filters",
        "COFFEESHOP_SABOTAGE_SESSION": (session := new_id()),
    }
    worker = cluster.start("worker", environment=environment, module="tests.chaos.sabotage")
    client = submit(url, folder, session)
    _, told = client.communicate(timeout=120)
    assert client.returncode == 1, told
    worker.wait_for("eof_protocol.session_left")
    gateway.wait_for("eof_protocol.session_released")
    said = {event["event"] for event in worker.events if session in json.dumps(event)}
    assert said >= {"actor.failed", "actor.restart", "session.failed"}
    for process in (gateway, worker):
        for event in process.events:
            if session in json.dumps(event):
                assert event.get("session") == session, event
            if event["event"].startswith("actor."):
                assert event["session"] == session


@pytest.mark.parametrize("kind", ["gateway", "worker", "all", "filter_year"])
def test_a_node_shows_the_stacks_of_its_threads_and_goes_on(kind: str) -> None:
    with Cluster("memory:") as cluster:
        node = cluster.start(kind)
        node.signal(signal.SIGUSR1)
        said = node.wait_for("node.what_runs")
        assert "MainThread" in said["threads"]
        if kind != "gateway":
            keepers = {"KeeperSupervisor": 1, "LogTicker": 1, "Keepers": 4, "ReleasedSessions": 1}
            expected = {"NodeSupervisor": 1, **(keepers if kind == "all" else {})}
            while said["actors"] != expected:  # keepers are started while it serves
                said = asked(node, said["timestamp"])
        assert [text for text in node.other_lines if text.startswith("Current thread 0x")]
        assert [text for text in node.other_lines if text.startswith("Thread 0x")]
        stacks = "\n".join(node.other_lines)
        assert "in _run" in stacks
        assert 'service.py", line ' in stacks
        for _ in range(20):  # it still works, and does so again
            said = asked(node, said["timestamp"])
        assert node.end() == 0
        assert node.wait_for("node.closed")


def test_a_node_says_at_which_record_its_tasks_are(cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    generate(folder, transactions=500, seed=7)
    gateway, url = cluster.gateway()
    session = new_id()
    environment = {"COFFEESHOP_SABOTAGE": "hang:filters", "COFFEESHOP_SABOTAGE_SESSION": session}
    worker = cluster.start("worker", environment=environment, module="tests.chaos.sabotage")
    client = submit(url, folder, session)

    try:
        gateway.wait_for("eof_protocol.table_ended", where=lambda e: e["table"] == ORDER[-1])
        said, task = asked(worker, ""), f"{session} filters.0"
        while task not in said["at"]:  # its record is stored, and may still be on its way
            said = asked(worker, said["timestamp"])
        assert said["at"][task].startswith("batch transaction")
        asked(worker, said["timestamp"])  # the stacks come before that line
        assert "_misbehave" in "\n".join(worker.other_lines)
    finally:
        client.kill()
        client.communicate()
        worker.kill()  # its thread never ends
