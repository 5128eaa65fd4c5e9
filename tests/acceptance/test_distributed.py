"""Real processes over a real broker: the same bytes, whatever is started, stopped or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse
from coffeeshop.commands.doctor import examine
from coffeeshop.formats import to_csv
from coffeeshop.generate import generate
from coffeeshop.names import ENDS
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.reading.folder import open_folder
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.processes import Cluster, url_of
from tests.oracle import answers

pytestmark = pytest.mark.timeout(240)
STAGES = {name: [stage.name for stage in plan.stages] for name, plan in PLANS.items()}
SOURCE = str(Path(__file__).parents[2])
CLIENTS = 12


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of several batches a table."""
    folder = tmp_path_factory.mktemp("data") / "north"
    generate(folder, transactions=60_000, seed=3)
    return folder


@pytest.fixture(scope="module")
def expected(data: Path) -> dict[str, str]:
    """Its answers by an independent engine."""
    return answers(data)


@pytest.fixture
def cluster(broker: PrivateBroker) -> Iterator[Cluster]:
    """No processes yet; ended after the test."""
    with Cluster(broker.url) as made:
        yield made


def submit(url: str, folder: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    """A client of the gateway at ``url``; without a URL the embedded system."""
    arguments = ["submit", "--quiet", "--data-folder", str(folder), "--output-dir", str(out)]
    return subprocess.Popen(
        [sys.executable, "-m", "coffeeshop", *arguments, *options],
        env={**os.environ, "PYTHONPATH": SOURCE, "COFFEESHOP_GATEWAY": url},
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str], timeout: float = 120) -> None:
    _, said = process.communicate(timeout=timeout)
    assert process.returncode == 0, said


def texts_of(directory: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in directory.iterdir()}


def eventually(check: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not check():
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        pause.wait(0.1)


def objects_of(broker: PrivateBroker, session: str) -> set[str]:
    names = broker.rabbitmqctl("list_queues", "name", "--no-table-headers").split()
    return {name for name in names if session in name}


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("plan", ["fused", "staged"])
def test_any_number_of_nodes_of_each_type_writes_the_bytes_of_the_embedded_system(
    cluster: Cluster,
    data: Path,
    expected: dict[str, str],
    tmp_path: Path,
    plan: str,
    replicas: int,
) -> None:
    _, url = cluster.gateway()
    for _ in range(replicas):
        if replicas == 1:  # one process a stage, as in the compose file's staged profile
            nodes = [cluster.start(stage, ready=False) for stage in STAGES[plan]]
        else:
            nodes = [cluster.start(*STAGES[plan], ready=False)]
        for node in nodes:
            node.wait_for("node.ready")
    here = tmp_path / "here"
    done = submit(url, data, tmp_path / "there", "--plan", plan)
    finished(submit("", data, here, "--plan", plan))
    finished(done)
    assert texts_of(tmp_path / "there") == texts_of(here) == expected


def test_processes_may_start_in_any_order_and_before_the_broker(
    data: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    private = PrivateBroker()
    try:
        with Cluster(private.url) as cluster:
            worker = cluster.start("worker", ready=False)
            gateway = cluster.start("gateway", ready=False)
            for each in (worker, gateway):
                each.wait_for("node.waiting_for_broker")
            private.start()
            for each in (worker, gateway):
                each.wait_for("node.ready")
            finished(submit(url_of(gateway), data, tmp_path / "out"))
        assert texts_of(tmp_path / "out") == expected
    finally:
        private.close()


def test_a_killed_worker_loses_nothing(
    cluster: Cluster, data: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    _, url = cluster.gateway()
    victim = cluster.start("worker")
    client = submit(url, data, tmp_path / "out")
    victim.wait_for("eof_protocol.end_of_stream")
    victim.kill()
    cluster.start("worker")
    finished(client)
    assert texts_of(tmp_path / "out") == expected


def test_a_drained_worker_hands_its_tasks_back(
    cluster: Cluster, data: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    _, url = cluster.gateway()
    leaving = cluster.start("worker", options=("--drain-timeout", "0"))
    client = submit(url, data, tmp_path / "out")
    leaving.wait_for("eof_protocol.end_of_stream")
    assert leaving.end() == 0
    leaving.wait_for("node.closed")
    cluster.start("worker")
    finished(client)
    assert texts_of(tmp_path / "out") == expected


def test_a_killed_gateway_is_replaced_by_another_replica(
    cluster: Cluster, data: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    first, url = cluster.gateway()
    port = url.rsplit(":", 1)[1]
    cluster.start("worker")
    client = submit(url, data, tmp_path / "out")
    first.wait_for("eof_protocol.table_ended")
    first.kill()
    cluster.start("gateway", options=("--port", port))
    finished(client)
    assert texts_of(tmp_path / "out") == expected


def test_a_broker_that_is_killed_and_comes_back_loses_nothing(
    data: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    with PrivateBroker() as private, Cluster(private.url) as cluster:
        gateway, url = cluster.gateway()
        cluster.start("worker")
        client = submit(url, data, tmp_path / "out")
        gateway.wait_for("eof_protocol.table_ended")
        private.kill()
        private.start()
        finished(client)
        assert texts_of(tmp_path / "out") == expected


def test_concurrent_clients_each_get_their_own_answers_and_nothing_is_left(
    broker: PrivateBroker, cluster: Cluster, tmp_path: Path
) -> None:
    _, url = cluster.gateway("--result-ttl", "10")
    cluster.start("worker")
    cluster.start("worker")
    folders = [tmp_path / f"client{number}" for number in range(CLIENTS)]
    for seed, folder in enumerate(folders):
        generate(folder, transactions=1000 + 100 * seed, seed=seed)
    client = GatewayClient(url)

    def run(folder: Path) -> tuple[str, dict[str, str]]:
        spec = SessionSpec(str(uuid.uuid4()))
        _, tables, _ = analyse(client, open_folder(folder), spec)
        return spec.id, {f"{name}.csv": to_csv(t).decode() for name, t in tables.items()}

    for _ in range(2):  # again, without restarting anything
        with ThreadPoolExecutor(CLIENTS) as pool:
            found = list(pool.map(run, folders))
        for folder, (_, texts) in zip(folders, found, strict=True):
            assert texts == answers(folder)
    ids = {session for session, _ in found}
    # A gateway forgets what expired; before that it is asked whether anything was left.
    findings = {each.check: each for each in examine(client)}
    assert findings["no leftover journals on the broker"].ok, findings
    eventually(lambda: not ids & {s["id"] for s in client.sessions(limit=1000)}, "results expire")
    assert all(not objects_of(broker, session) for session in ids)
    assert all(node.get("tasks", 0) == 0 for node in client.nodes())
    client.close()


def test_a_client_that_vanishes_has_its_session_aborted_and_released(
    broker: PrivateBroker, cluster: Cluster, data: Path
) -> None:
    _, url = cluster.gateway("--client-timeout", "1.5", "--result-ttl", "60")
    worker = cluster.start("worker")
    client = GatewayClient(url)
    spec = SessionSpec(str(uuid.uuid4()))
    client.open(spec)
    client.end_table(spec.id, "users", "0", 0)
    end = next(event for event in client.events(spec.id) if event.name in ENDS)
    assert end.name == "aborted"
    assert "the client sent nothing" in end.data["reason"]
    eventually(lambda: client.session(spec.id)["released"], "its input is released")
    assert objects_of(broker, spec.id) == {f"out.{spec.id}"}
    worker.wait_for("eof_protocol.session_left", where=lambda e: e["session"] == spec.id)
    client.delete(spec.id)
    eventually(lambda: not objects_of(broker, spec.id), "nothing is left of it")
    client.close()


def test_a_second_signal_ends_a_draining_node_at_once(cluster: Cluster) -> None:
    _, url = cluster.gateway()
    worker = cluster.start("worker", options=("--drain-timeout", "600"))
    client = GatewayClient(url)
    spec = SessionSpec(str(uuid.uuid4()))
    client.open(spec)
    client.end_table(spec.id, "users", "0", 0)
    worker.wait_for("eof_protocol.session_hosted", where=lambda e: e["session"] == spec.id)
    worker.signal(signal.SIGTERM)
    worker.wait_for("node.stopping")
    worker.signal(signal.SIGTERM)
    assert worker.process.wait(10) == 143
    client.delete(spec.id)
    client.close()
