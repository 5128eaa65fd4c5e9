"""The whole system by way of a proxy that cuts its connections at chosen AMQP frames."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.processes import Cluster
from coffeeshop.testing.proxy import PASSAGES, AmqpProxy, Cut, Passage
from coffeeshop.transport import Transport
from tests.chaos.conftest import Data
from tests.chaos.promise import check_completed
from tests.running import new_id

pytestmark = pytest.mark.timeout(240)
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 6))]
# How many of each a small session has at least, so that every cut comes to pass.
MOST: dict[Passage, int] = {"publish": 40, "confirm": 10, "delivery": 40, "ack": 10}


@dataclass(frozen=True)
class System:
    """A gateway and a worker behind one proxy."""

    proxy: AmqpProxy
    client: GatewayClient


@pytest.fixture(scope="module")
def system(broker: PrivateBroker) -> Iterator[System]:
    """Started once: what is cut must come back by itself."""
    with AmqpProxy(broker.port) as proxy, Cluster(proxy.url) as cluster:
        _, url = cluster.gateway()
        cluster.start("worker")
        client = GatewayClient(url)
        yield System(proxy, client)
        client.close()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("what", PASSAGES)
def test_a_connection_cut_there_changes_nothing(
    system: System, transport: Transport, small: Data, what: Passage, after: bool, seed: int
) -> None:
    number = random.Random(f"{what}/{after}/{seed}").randint(1, MOST[what])
    spec = SessionSpec(new_id(), plan=("fused", "staged")[seed % 2])
    cuts = system.proxy.cuts
    system.proxy.plan(Cut(what, after, number))
    analyse(system.client, small.folder, spec)
    # During the session: afterwards there is nothing that a cut could harm.
    assert system.proxy.wait_cut(0), f"there was no {what} number {number}"
    assert system.proxy.cuts == cuts + 1
    check_completed(system.client, transport, spec, small.answers)
    system.client.delete(spec.id)


def test_a_broker_that_refuses_connections_for_a_while_changes_nothing(
    system: System, transport: Transport, small: Data
) -> None:
    spec = SessionSpec(new_id())
    with ThreadPoolExecutor(1) as pool:
        system.proxy.plan(Cut("delivery", True, 5))
        done = pool.submit(analyse, system.client, small.folder, spec)
        assert system.proxy.wait_cut(30)
        system.proxy.refuse()
        threading.Event().wait(3)  # some attempts to connect: none of them can be seen from here
        system.proxy.admit()
        done.result(120)
    check_completed(system.client, transport, spec, small.answers)
    system.client.delete(spec.id)
