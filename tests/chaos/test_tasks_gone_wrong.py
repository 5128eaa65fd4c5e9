"""A batch that raises, exits, exhausts, kills or never ends: its session fails, no other does."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse
from coffeeshop.errors import SessionFailed
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.processes import Cluster, NodeProcess
from coffeeshop.transport import Transport
from tests.chaos.conftest import Data
from tests.chaos.promise import check_completed, check_failed, nothing_is_left_on
from tests.running import new_id

pytestmark = pytest.mark.timeout(240)
SABOTAGE = "tests.chaos.sabotage"


def sabotaged(kind: str, session: str) -> dict[str, str]:
    return {"COFFEESHOP_SABOTAGE": kind, "COFFEESHOP_SABOTAGE_SESSION": session}


class Keeper:
    """What systemd or compose does: a worker that ends is started again."""

    def __init__(self, cluster: Cluster, environment: dict[str, str], *options: str) -> None:
        self.codes: list[int] = []
        self._cluster = cluster
        self._how = options, environment
        self._closed = threading.Event()
        self.worker: NodeProcess = self._start()
        self._thread = threading.Thread(target=self._keep)
        self._thread.start()

    def _start(self) -> NodeProcess:
        options, environment = self._how
        return self._cluster.start(
            "worker", options=options, ready=False, environment=environment, module=SABOTAGE
        )

    def _keep(self) -> None:
        while not self._closed.is_set():
            code = self.worker.process.wait()
            if not self._closed.is_set():
                self.codes.append(code)
                self.worker = self._start()

    def close(self) -> None:
        """Stop keeping; the worker ends."""
        self._closed.set()
        self.worker.end()
        self._thread.join()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("raise", "ArithmeticError: on purpose"),
        pytest.param("exit", "SystemExit: 3", marks=pytest.mark.long),
        pytest.param("memory", "MemoryError: on purpose", marks=pytest.mark.long),
    ],
)
def test_a_batch_that_raises_fails_its_session_by_name_and_the_node_lives(
    broker: PrivateBroker,
    cluster: Cluster,
    transport: Transport,
    small: Data,
    kind: str,
    reason: str,
) -> None:
    _, url = cluster.gateway()
    bad, good = SessionSpec(new_id()), SessionSpec(new_id())
    environment = sabotaged(f"{kind}:filters", bad.id)
    worker = cluster.start("worker", environment=environment, module=SABOTAGE)
    client = GatewayClient(url)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(analyse, client, small.folder, good)
        with pytest.raises(SessionFailed):
            analyse(client, small.folder, bad)
        other.result(90)
    said = check_failed(client, transport, bad)
    assert said.startswith("batch transaction")
    assert "/0/0 failed twice in filters.0" in said
    assert reason in said
    check_completed(client, transport, good, small.answers)
    assert worker.process.poll() is None
    for each in (bad, good):
        client.delete(each.id)
    nothing_is_left_on(broker)
    client.close()


def test_a_batch_that_kills_every_process_fails_its_session_by_name_and_no_other(
    broker: PrivateBroker, cluster: Cluster, transport: Transport, small: Data
) -> None:
    _, url = cluster.gateway()
    bad, good = SessionSpec(new_id()), SessionSpec(new_id())
    client = GatewayClient(url)
    keeper = Keeper(cluster, sabotaged("kill:filters", bad.id))
    try:
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(analyse, client, small.folder, good)
            with pytest.raises(SessionFailed):
                analyse(client, small.folder, bad)
            other.result(90)
    finally:
        keeper.close()
    assert keeper.codes == [-9] * 5
    said = check_failed(client, transport, bad)
    assert said.startswith("3 attempts of filters.0 died while working on batch transaction")
    assert said.endswith("/0/0")
    check_completed(client, transport, good, small.answers)
    for each in (bad, good):
        client.delete(each.id)
    cluster.start("worker")
    nothing_is_left_on(broker)
    client.close()


def test_an_operator_that_never_returns_fails_its_session_and_its_process_is_replaced(
    broker: PrivateBroker, cluster: Cluster, transport: Transport, small: Data
) -> None:
    _, url = cluster.gateway()
    bad, good = SessionSpec(new_id()), SessionSpec(new_id())
    client = GatewayClient(url)
    keeper = Keeper(cluster, sabotaged("hang:filters", bad.id), "--hang-timeout", "2")
    try:
        began = time.monotonic()
        with pytest.raises(SessionFailed):
            analyse(client, small.folder, bad)
        assert time.monotonic() - began < 60
        analyse(client, small.folder, good)
    finally:
        keeper.close()
    assert keeper.codes == [70]
    said = check_failed(client, transport, bad)
    assert said.startswith("filters.0 hangs over batch transaction")
    check_completed(client, transport, good, small.answers)
    for each in (bad, good):
        client.delete(each.id)
    cluster.start("worker")
    nothing_is_left_on(broker)
    client.close()
