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
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import plan_named
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
SLOW_CAPS = {"gateway": 220, "worker": 240, "broker": 300}
"""The same for one session and a worker that does not keep up with it."""
SLOWER = 100


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """3.6 million rows."""
    return make_data(tmp_path_factory.mktemp("load") / "huge", 1_200_000, 8)


@pytest.fixture(scope="module")
def tall(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """1.2 million rows."""
    return make_data(tmp_path_factory.mktemp("load") / "tall", 400_000, 9)


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


def check_caps(most: dict[str, int], caps: dict[str, int]) -> None:
    for name, cap in caps.items():
        print(f"{name}: at most {most[name]} MiB, cap {cap} MiB")
    assert all(most[name] < cap for name, cap in caps.items())


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
    check_caps(most, CAPS)
    for spec in specs:
        client.delete(spec.id)
    nothing_is_left_on(broker)
    client.close()


@pytest.mark.timeout(3000)
def test_a_worker_a_hundred_times_slower_than_its_client_costs_no_memory(
    broker: PrivateBroker, cluster: Cluster, tall: Data
) -> None:
    gateway, url = cluster.gateway()
    client = GatewayClient(url, patience=600)
    sent, seconds = rate_of_the_client(client, tall)
    slow = {"COFFEESHOP_SABOTAGE": "slow:filters", "COFFEESHOP_SABOTAGE_SECONDS": f"{seconds}"}
    worker = cluster.start("worker", environment=slow, module="tests.chaos.sabotage")
    spec = SessionSpec(new_id())
    pids = {"gateway": gateway.pid, "worker": worker.pid, "broker": broker.pid}
    with measured(pids) as most:
        began = time.monotonic()
        analyse(client, tall.folder, spec, wait=False)
        assert [event.name for event in client.events(spec.id)][-1] == "completed"
        took = time.monotonic() - began
    print(f"sent in {sent:.1f} s, worked on for {took:.0f} s: {took / sent:.0f} times slower")
    assert took >= SLOWER * sent
    assert texts_of(fetch(client, spec.id, plan_named(spec.plan).results)) == tall.answers
    check_caps(most, SLOW_CAPS)
    client.delete(spec.id)
    nothing_is_left_on(broker)
    client.close()


def rate_of_the_client(client: GatewayClient, data: Data) -> tuple[float, float]:
    """Seconds in which a client sends the data while nobody works on it, and how many of them a
    filter must take for each batch in order to be `SLOWER`."""
    spec = SessionSpec(new_id())
    began = time.monotonic()
    uploaded, _, _ = analyse(client, data.folder, spec, wait=False)
    sent = time.monotonic() - began
    client.delete(spec.id)
    batches = uploaded.batches["transactions"] + uploaded.batches["transaction_items"]
    print(f"{batches} batches, {sum(uploaded.rows.values())} rows")
    return sent, 1.05 * SLOWER * sent / (batches // spec.partitions)
