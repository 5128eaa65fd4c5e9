"""A three-node cluster whose stream leaders are killed under load (`make long`)."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing

import pytest

from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.cluster import PrivateCluster
from coffeeshop.transport import Delivery, Message, Outcome
from coffeeshop.transport.rabbitmq.transport import RabbitTransport

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

JOURNALS = 6
RATE = 420
"""Appends a second, over all journals."""
IN_FLIGHT = 200
BEFORE, AFTER = 5.0, 12.0
"""Seconds of load until the kill, and after it."""
PATIENCE = 60.0
END = -1


class Load:
    """Appends numbered messages at a steady rate and keeps which were confirmed."""

    def __init__(self, transport: RabbitTransport, journals: list[str]) -> None:
        self.confirmed: dict[str, set[int]] = {journal: set() for journal in journals}
        self.sent = 0
        self._transport = transport
        self._journals = journals
        self._room = threading.Semaphore(IN_FLIGHT)

    def run(self, seconds: float) -> None:
        """For that long; returns with appends still under way."""
        start, first = time.monotonic(), self.sent
        while (elapsed := time.monotonic() - start) < seconds:
            if (self.sent - first) / RATE > elapsed:
                time.sleep(0.5 / RATE)  # the rate is what is tried
                continue
            self._append()

    def wait(self) -> None:
        """Until every append has its outcome."""
        for _ in range(IN_FLIGHT):
            assert self._room.acquire(timeout=PATIENCE)

    def _append(self) -> None:
        assert self._room.acquire(timeout=PATIENCE)
        number, self.sent = self.sent, self.sent + 1
        journal = self._journals[number % len(self._journals)]

        def ended(outcome: Outcome) -> None:
            if outcome is Outcome.CONFIRMED:
                self.confirmed[journal].add(number)
            self._room.release()

        body = b"%d" % number + b" " * 4096
        self._transport.append(journal, Message({"number": number}, body), ended)


def stored(transport: RabbitTransport, journal: str) -> set[int]:
    """The numbers that a journal holds, as the node of this transport has them."""
    numbers: set[int] = set()
    ended: Future[None] = Future()

    def delivered(delivery: Delivery) -> None:
        number = int(delivery.message.headers["number"])
        numbers.add(number)
        if number == END and not ended.done():
            ended.set_result(None)

    confirmed: Future[Outcome] = Future()
    transport.append(journal, Message({"number": END}), confirmed.set_result)
    assert confirmed.result(PATIENCE) is Outcome.CONFIRMED
    transport.read(journal, 0, 1_000_000, delivered, lambda: None)
    ended.result(PATIENCE)
    return numbers


def lost(node: PrivateBroker, load: Load) -> int:
    """How many confirmed ones a node does not have."""
    with closing(RabbitTransport(node.url)) as transport:
        return sum(len(sent - stored(transport, name)) for name, sent in load.confirmed.items())


def led_by_one_node(cluster: PrivateCluster) -> tuple[PrivateBroker, list[str]]:
    """A node, and journals that it leads."""
    with closing(RabbitTransport(cluster.nodes[0].url)) as transport:
        names = [f"loss.{number}" for number in range(JOURNALS * len(cluster.nodes))]
        for name in names:
            transport.declare_journal(name)
    leaders = {name: node for name, node in cluster.leaders().items() if name in names}
    leader, _ = Counter(leaders.values()).most_common(1)[0]
    return leader, [name for name, node in leaders.items() if node is leader][:JOURNALS]


@pytest.fixture(scope="module")
def cluster(broker: PrivateBroker) -> Iterator[PrivateCluster]:
    """Three nodes; ``broker`` is asked for because it skips where there is no RabbitMQ."""
    with PrivateCluster() as private:
        yield private


def test_nothing_that_was_confirmed_is_lost_when_the_node_that_leads_it_is_killed(
    cluster: PrivateCluster,
) -> None:
    """The load goes in through a node that survives, to streams that the killed one leads."""
    leader, names = led_by_one_node(cluster)
    through, other = (node for node in cluster.nodes if node is not leader)
    with closing(RabbitTransport(through.url)) as transport:
        load = Load(transport, names)
        load.run(BEFORE)
        leader.kill()
        load.run(AFTER)
        load.wait()
    print(f"{sum(map(len, load.confirmed.values()))} of {load.sent} confirmed")
    try:
        assert {node.name: lost(node, load) for node in (through, other)} == {
            through.name: 0,
            other.name: 0,
        }
    finally:
        leader.start()
