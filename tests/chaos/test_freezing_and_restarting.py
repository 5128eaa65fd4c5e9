"""Processes that stop and go on, brokers that come back, alarms, and a rolling restart."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.processes import Cluster, url_of
from coffeeshop.transport import Transport
from tests.chaos.conftest import Data
from tests.chaos.promise import check_completed, check_gone, nothing_is_left_on, told
from tests.running import eventually, new_id, stays

pytestmark = pytest.mark.timeout(300)
HEARTBEAT = "?heartbeat=2"
CLIENTS = 3
TASKS = 6
"""Of a session by the fused plan."""
CLIENT_TIMEOUT = 4.0
MISSED = "missed heartbeats from client"
"""What a broker logs of a client that says nothing any more."""
IMPATIENT = ("--client-timeout", f"{CLIENT_TIMEOUT:g}")


@contextmanager
def broker_back(broker: PrivateBroker) -> Iterator[None]:
    """Whatever the test does, the shared broker runs afterwards."""
    try:
        yield
    finally:
        if broker.running:
            broker.thaw()
        broker.start()


def claims_of(transport: Transport, spec: SessionSpec) -> int:
    """How often a worker said that it works on a task of the session."""
    return told(transport, spec).kinds.count("claim")


def during_a_session(
    cluster: Cluster, transport: Transport, data: Data, fault: Callable[[], None]
) -> None:
    """A session meets the fault while it is uploaded; the promise holds."""
    gateway, url = cluster.gateway()
    cluster.start("worker")
    client, spec = GatewayClient(url), SessionSpec(new_id())
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(analyse, client, data.folder, spec)
        gateway.wait_for("eof_protocol.table_ended")
        fault()
        done.result(150)
    check_completed(client, transport, spec, data.answers)
    client.delete(spec.id)
    check_gone(client, transport, spec)
    client.close()


def test_a_worker_frozen_past_its_heartbeat_wakes_beside_its_successor_and_both_finish(
    broker: PrivateBroker, transport: Transport, small: Data
) -> None:
    with Cluster(broker.url + HEARTBEAT) as cluster:
        _, url = cluster.gateway()
        frozen = cluster.start("worker")
        client, spec = GatewayClient(url), SessionSpec(new_id(), producers=2)
        analyse(client, small.folder, spec, producer=0, wait=False)
        frozen.wait_for("eof_protocol.end_of_stream")
        eventually(lambda: claims_of(transport, spec) >= TASKS, "its worker claims every task")
        frozen.signal(signal.SIGSTOP)
        successor = cluster.start("worker")
        successor.wait_for("eof_protocol.session_hosted", where=lambda e: e["session"] == spec.id)
        successor.wait_for("eof_protocol.end_of_stream")
        frozen.signal(signal.SIGCONT)
        frozen.wait_for("transport.lost")
        analyse(client, small.folder, spec, producer=1)
        check_completed(client, transport, spec, small.answers)
        assert claims_of(transport, spec) >= 2 * TASKS, "every task had two owners"
        for each in (frozen, successor):
            each.wait_for("eof_protocol.session_left", where=lambda e: e["session"] == spec.id)
        client.delete(spec.id)
        client.close()
        nothing_is_left_on(broker)


@pytest.mark.long
def test_a_frozen_gateway_goes_on_where_it_was(
    broker: PrivateBroker, transport: Transport, large: Data
) -> None:
    with Cluster(broker.url + HEARTBEAT) as cluster:
        gateway, url = cluster.gateway()
        cluster.start("worker")
        client, spec = GatewayClient(url), SessionSpec(new_id())
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(analyse, client, large.folder, spec)
            gateway.wait_for("eof_protocol.table_ended")
            missed = broker.log().count(MISSED)
            gateway.signal(signal.SIGSTOP)
            eventually(lambda: broker.log().count(MISSED) > missed, "the broker misses heartbeats")
            gateway.signal(signal.SIGCONT)
            done.result(150)
        check_completed(client, transport, spec, large.answers)
        client.delete(spec.id)
        client.close()


@pytest.mark.long
def test_a_broker_restarted_in_good_order_loses_nothing(
    broker: PrivateBroker, cluster: Cluster, transport: Transport, large: Data
) -> None:
    with broker_back(broker):
        during_a_session(cluster, transport, large, broker.restart)


@pytest.mark.long
def test_a_broker_frozen_past_its_heartbeats_loses_nothing(
    broker: PrivateBroker, transport: Transport, large: Data
) -> None:
    def freeze() -> None:
        broker.freeze()
        for each in cluster.processes:
            each.wait_for("transport.lost")  # which missed the broker's heartbeats
        broker.thaw()

    with broker_back(broker), Cluster(broker.url + HEARTBEAT) as cluster:
        during_a_session(cluster, transport, large, freeze)


@pytest.mark.parametrize(
    ("raised", "lifted"),
    [
        pytest.param(
            ("set_vm_memory_high_watermark", "0.00001"),
            ("set_vm_memory_high_watermark", "0.4"),
            id="memory",
        ),
        pytest.param(
            ("set_disk_free_limit", "100000GB"),
            ("set_disk_free_limit", "64MB"),
            id="disk",
            marks=pytest.mark.long,
        ),
    ],
)
def test_an_alarm_of_the_broker_pauses_a_session_and_loses_nothing(
    broker: PrivateBroker,
    cluster: Cluster,
    transport: Transport,
    large: Data,
    raised: tuple[str, ...],
    lifted: tuple[str, ...],
) -> None:
    gateway, url = cluster.gateway(*IMPATIENT)
    other, _ = cluster.gateway(*IMPATIENT)
    cluster.start("worker")
    client, spec = GatewayClient(url), SessionSpec(new_id(), producers=2)
    analyse(client, large.folder, spec, producer=0, wait=False)
    with ThreadPoolExecutor(1) as pool:
        try:
            broker.rabbitmqctl(*raised)
            for each in (gateway, other):  # their pings meet the alarm
                each.wait_for("transport.blocked")
            done = pool.submit(analyse, client, large.folder, spec, producer=1)
            # The other gateway hears nothing of the client for longer than it would bear.
            stays(
                lambda: client.session(spec.id)["state"] == "open",
                3 * CLIENT_TIMEOUT,
                "the session is open",
            )
        finally:
            broker.rabbitmqctl(*lifted)
        gateway.wait_for("transport.unblocked")
        other.wait_for("transport.unblocked")
        done.result(150)
    check_completed(client, transport, spec, large.answers)
    client.delete(spec.id)
    client.close()


def test_a_rolling_restart_of_workers_and_gateways_under_load_loses_no_session(
    broker: PrivateBroker, cluster: Cluster, transport: Transport, small: Data
) -> None:
    gateway, url = cluster.gateway()
    port = ("--port", url.rsplit(":", 1)[1])
    workers = [cluster.start("worker"), cluster.start("worker")]
    stop = threading.Event()
    client = GatewayClient(url)

    def keep_busy() -> list[SessionSpec]:
        done = []
        while not stop.is_set():
            analyse(client, small.folder, spec := SessionSpec(new_id()))
            done.append(spec)
        return done

    with ThreadPoolExecutor(CLIENTS) as pool:
        busy: list[Future[list[SessionSpec]]] = [pool.submit(keep_busy) for _ in range(CLIENTS)]
        try:
            for old in workers:
                cluster.start("worker")
                assert old.end() == 0
            assert gateway.end() == 0
            gateway = cluster.start("gateway", options=port)
            assert url_of(gateway) == url
        finally:
            stop.set()
        specs = [spec for each in busy for spec in each.result(120)]
    assert len(specs) >= CLIENTS
    for spec in specs:
        check_completed(client, transport, spec, small.answers)
        client.delete(spec.id)
    nothing_is_left_on(broker)
    client.close()
