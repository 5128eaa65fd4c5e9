"""Many sessions at once, and a worker that cannot keep up: memory stays under stated caps."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pyarrow as pa
import pytest

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse, fetch
from coffeeshop.formats import to_csv
from coffeeshop.messages import SessionSpec
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.chaos import figures
from coffeeshop.testing.processes import Cluster
from tests.chaos.conftest import Data, make_data
from tests.chaos.promise import nothing_is_left_on
from tests.running import new_id

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
SESSIONS = 100
AT_ONCE = 100
CAPS = {"gateway": 300, "worker": 700, "broker": 700}
"""MiB of resident memory."""


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """3.6 million rows."""
    return make_data(tmp_path_factory.mktemp("load") / "huge", 1_200_000, 8)


@contextmanager
def measured(pids: dict[str, int]) -> Iterator[dict[str, int]]:
    """The most resident memory (MiB) that each process had meanwhile; looks twice a second."""
    most = dict.fromkeys(pids, 0)
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.5):
            for name, pid in pids.items():
                most[name] = max(most[name], figures(pid)["MiB"])

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        stop.set()
        thread.join()


def texts_of(tables: dict[str, pa.Table]) -> dict[str, str]:
    return {f"{name}.csv": to_csv(table).decode() for name, table in tables.items()}


def check_caps(most: dict[str, int]) -> None:
    for name, cap in CAPS.items():
        print(f"{name}: at most {most[name]} MiB, cap {cap} MiB")
    assert all(most[name] < cap for name, cap in CAPS.items())


def test_a_hundred_sessions_at_once_one_of_them_large_stay_within_the_caps(
    broker: PrivateBroker, cluster: Cluster, small: Data, huge: Data
) -> None:
    gateway, url = cluster.gateway()
    worker = cluster.start("worker")
    client = GatewayClient(url, patience=600)
    specs = [SessionSpec(new_id()) for _ in range(SESSIONS)]

    def run(number: int) -> bool:
        data = huge if number == 0 else small
        _, tables, _ = analyse(client, data.folder, specs[number])
        return texts_of(tables) == data.answers

    pids = {"gateway": gateway.pid, "worker": worker.pid, "broker": broker.pid}
    with measured(pids) as most, ThreadPoolExecutor(AT_ONCE) as pool:
        assert all(pool.map(run, range(SESSIONS)))
    check_caps(most)
    for spec in specs:
        client.delete(spec.id)
    nothing_is_left_on(broker)
    client.close()


def test_a_worker_much_slower_than_its_client_costs_no_memory(
    broker: PrivateBroker, cluster: Cluster, huge: Data
) -> None:
    gateway, url = cluster.gateway()
    slow = {"COFFEESHOP_SABOTAGE": "slow:filters"}
    worker = cluster.start("worker", environment=slow, module="tests.chaos.sabotage")
    client, spec = GatewayClient(url, patience=600), SessionSpec(new_id())
    pids = {"gateway": gateway.pid, "worker": worker.pid, "broker": broker.pid}
    with measured(pids) as most:
        began = time.monotonic()
        analyse(client, huge.folder, spec, wait=False)
        sent = time.monotonic() - began
        assert [event.name for event in client.events(spec.id)][-1] == "completed"
        took = time.monotonic() - began
    print(f"sent in {sent:.1f} s, worked on for {took:.0f} s")
    assert took > 8 * sent
    assert texts_of(fetch(client, spec)) == huge.answers
    check_caps(most)
    client.delete(spec.id)
    nothing_is_left_on(broker)
    client.close()
