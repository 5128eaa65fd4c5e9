"""kill -9 at every registered point, restart, and the promise holds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse
from coffeeshop.crashpoints import POINTS, VARIABLE, crash_point, noting
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.processes import Cluster, NodeProcess, url_of
from coffeeshop.transport import Transport
from tests.chaos.conftest import Data
from tests.chaos.promise import (
    check_completed,
    check_failed,
    check_gone,
    nothing_is_left_on,
    objects,
)
from tests.chaos.submitting import poison, submit
from tests.running import eventually, new_id, running

pytestmark = pytest.mark.timeout(240)
SHORT = {  # the others run with `make long`
    "task.before_feed",
    "task.output_sent",
    "node.before_ack",
    "session.failure_sent",
    "gateway.batch_appended",
    "keeper.ended_written",
    "client.batch_answered",
}
NTH = {"task.output_confirmed": 3, "keeper.assignment_published": 3, "gateway.batch_appended": 4}
LIFETIMES = ("--client-timeout", "20")
EXPIRY = ("keeper.results_released", "keeper.expired_written")


def points(*places: str) -> list[object]:
    """The registered points of these places, as parameters."""
    return [
        pytest.param(name, marks=[] if name in SHORT else [pytest.mark.long])
        for name in POINTS
        if name.split(".")[0] in places
    ]


def armed(point: str) -> dict[str, str]:
    return {VARIABLE: f"{point}:{NTH.get(point, 1)}"}


def expect_killed(process: NodeProcess) -> None:
    assert process.process.wait(60) == -signal.SIGKILL, "the point was never passed"


def killed(client: subprocess.Popen[str]) -> None:
    _, said = client.communicate(timeout=60)
    assert client.returncode == -signal.SIGKILL, f"the point was never passed: {said}"


def test_every_registered_point_is_passed_in_the_life_of_sessions(small: Data) -> None:
    with noting() as passed, running(gateways=2) as system:
        client = system.client()
        analyse(client, small.folder, spec := SessionSpec(new_id()))
        eventually(lambda: client.session(spec.id)["released"], "its input is released")
        failing = SessionSpec(new_id(), partitions=1)
        poison(client, system.client(1), failing)
        eventually(lambda: client.session(failing.id)["state"] == "failed", "it fails")
        client.delete(spec.id)
    assert set(passed) == set(POINTS)


def test_an_unarmed_point_does_nothing_and_an_unknown_one_is_refused() -> None:
    crash_point("task.started")
    for wanted in ("task.nowhere", "task.started:x", "task.started:0"):
        found = subprocess.run(
            [sys.executable, "-m", "coffeeshop", "sessions"],
            env={**os.environ, VARIABLE: wanted},
            capture_output=True,
            text=True,
        )
        assert found.returncode == 2
        assert wanted in found.stderr


@pytest.mark.parametrize("point", points("node", "task"))
def test_a_worker_killed_there_and_started_again_loses_nothing(
    broker: PrivateBroker, cluster: Cluster, transport: Transport, small: Data, point: str
) -> None:
    _, url = cluster.gateway(*LIFETIMES)
    victim = cluster.start("worker", environment=armed(point))
    spec = SessionSpec(new_id())
    client = GatewayClient(url)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(analyse, client, small.folder, spec)
        expect_killed(victim)
        cluster.start("worker")
        done.result(90)
    check_completed(client, transport, spec, small.answers)
    client.delete(spec.id)
    check_gone(client, transport, spec)
    nothing_is_left_on(broker)
    client.close()


@pytest.mark.parametrize("point", points("session"))
def test_a_worker_killed_there_fails_the_session_once(
    broker: PrivateBroker, cluster: Cluster, transport: Transport, point: str
) -> None:
    _, url = cluster.gateway(*LIFETIMES)
    _, other = cluster.gateway(*LIFETIMES)
    victim = cluster.start("worker", environment=armed(point))
    spec = SessionSpec(new_id(), partitions=1)
    clients = GatewayClient(url), GatewayClient(other)
    poison(*clients, spec)
    expect_killed(victim)
    cluster.start("worker")
    reason = check_failed(clients[0], transport, spec)
    assert "transactions/0/0" in reason
    clients[0].delete(spec.id)
    check_gone(clients[0], transport, spec)
    nothing_is_left_on(broker)
    for each in clients:
        each.close()


@pytest.mark.parametrize("point", points("gateway", "keeper"))
def test_a_gateway_killed_there_and_started_again_loses_nothing(
    broker: PrivateBroker, cluster: Cluster, transport: Transport, small: Data, point: str
) -> None:
    cluster.start("worker")
    expiring = point in EXPIRY
    timeouts = (*LIFETIMES, "--result-ttl", "2" if expiring else "600")
    victim = cluster.start("gateway", options=timeouts, environment=armed(point))
    url = url_of(victim)
    port = url.rsplit(":", 1)[1]
    spec = SessionSpec(new_id())
    client = GatewayClient(url)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(analyse, client, small.folder, spec)
        expect_killed(victim)
        cluster.start("gateway", options=(*timeouts, "--port", port))
        done.result(90)
    if not expiring:
        check_completed(client, transport, spec, small.answers)
        client.delete(spec.id)
    check_gone(client, transport, spec)
    nothing_is_left_on(broker)
    client.close()


@pytest.mark.parametrize("point", points("client"))
def test_a_client_killed_there_comes_back_to_its_session_and_gets_its_answers(
    cluster: Cluster, transport: Transport, small: Data, tmp_path: Path, point: str
) -> None:
    _, url = cluster.gateway(*LIFETIMES)
    cluster.start("worker")
    spec = SessionSpec(new_id())
    killed(submit(url, small.path, tmp_path, "--session", spec.id, environment=armed(point)))
    again = submit(url, small.path, tmp_path, "--session", spec.id)
    _, said = again.communicate(timeout=90)
    assert again.returncode == 0, said
    client = GatewayClient(url)
    check_completed(client, transport, spec, small.answers)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == small.answers
    client.delete(spec.id)
    client.close()


@pytest.mark.parametrize(
    "point",
    [p for p in points("client") if p.values[0] != "client.completed"],  # type: ignore[attr-defined]
)
def test_the_session_of_a_client_killed_there_that_stays_away_is_aborted(
    broker: PrivateBroker,
    cluster: Cluster,
    transport: Transport,
    small: Data,
    tmp_path: Path,
    point: str,
) -> None:
    _, url = cluster.gateway("--client-timeout", "1.5", "--result-ttl", "600")
    cluster.start("worker")
    spec = SessionSpec(new_id())
    killed(submit(url, small.path, tmp_path, "--session", spec.id, environment=armed(point)))
    client = GatewayClient(url)
    assert [event.name for event in client.events(spec.id)][-1] == "aborted"
    eventually(lambda: client.session(spec.id)["released"], "its input is released")
    assert [name for name in objects(spec) if transport.exists(name)] == [f"out.{spec.id}"]
    client.delete(spec.id)
    nothing_is_left_on(broker)
    client.close()
