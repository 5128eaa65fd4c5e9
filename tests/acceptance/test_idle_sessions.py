"""Open sessions that nobody goes on with: few threads, and others are answered as before."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from coffeeshop.bounds import ACTOR_THREADS, OPEN_SESSIONS, THREADS
from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse
from coffeeshop.generate import generate
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.reading.folder import DataFolder, open_folder
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.footprint import figures
from coffeeshop.testing.processes import Cluster
from tests.running import eventually, new_id

BEGUN, NEVER_FED = 60, 90
MOST_THREADS = ACTOR_THREADS + 24
"""Of a worker that has as many tasks as it likes: its own, and a few of libraries."""


@pytest.fixture
def cluster(broker: PrivateBroker) -> Iterator[Cluster]:
    with Cluster(broker.url) as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    path = tmp_path_factory.mktemp("idle") / "data"
    generate(path, transactions=2_000, seed=3)
    return open_folder(path)


def seconds(client: GatewayClient, folder: DataFolder) -> float:
    """How long one more client waits for its answer."""
    began, spec = time.monotonic(), SessionSpec(new_id())
    analyse(client, folder, spec, timeout=90)
    took = time.monotonic() - began
    client.delete(spec.id)
    return took


def open_many(client: GatewayClient, number: int) -> list[str]:
    specs = [SessionSpec(new_id()) for _ in range(number)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(client.open, specs))
    return [spec.id for spec in specs]


def test_threads_of_a_worker_do_not_grow_with_sessions_and_another_client_is_answered(
    cluster: Cluster, folder: DataFolder
) -> None:
    gateway, url = cluster.gateway("--client-timeout", "600")
    worker = cluster.start("worker")
    client = GatewayClient(url)
    idle = open_many(client, BEGUN + NEVER_FED)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: client.end_table(name, "users", "0", 0), idle[:BEGUN]))
    tasks = 6 * BEGUN
    eventually(lambda: sum(node.get("tasks", 0) for node in client.nodes()) == tasks, "all taken")
    assert figures(worker.pid)["threads"] <= MOST_THREADS < BEGUN
    assert figures(gateway.pid)["threads"] <= THREADS
    seconds(client, folder)
    with ThreadPoolExecutor(8) as pool:
        assert {each["state"] for each in pool.map(client.session, idle)} == {"open"}
        list(pool.map(client.delete, idle))
    client.close()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_thousand_idle_sessions_leave_another_client_half_its_speed_and_one_more_is_refused(
    folder: DataFolder,
) -> None:
    with PrivateBroker() as broker, Cluster(broker.url) as cluster:
        gateway, url = cluster.gateway("--client-timeout", "3600")
        worker = cluster.start("worker")
        client, hasty = GatewayClient(url), GatewayClient(url, patience=0)
        alone = min(seconds(client, folder) for _ in range(5))
        open_many(client, OPEN_SESSIONS - 1)
        beside = min(seconds(client, folder) for _ in range(5))
        open_many(client, 1)
        with pytest.raises(Exception, match="sessions are open, and the gateway allows no more"):
            hasty.open(SessionSpec(new_id()))
        found = {
            name: figures(pid)
            for name, pid in (
                ("gateway", gateway.pid),
                ("worker", worker.pid),
                ("broker", broker.pid),
            )
        }
        print(f"alone {alone:.2f} s, beside {OPEN_SESSIONS} idle ones {beside:.2f} s; {found}")
        assert beside <= 2 * alone
        assert found["gateway"]["threads"] <= THREADS
        assert found["worker"]["threads"] <= THREADS
        client.close()
        hasty.close()
