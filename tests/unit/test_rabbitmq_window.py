"""Credit over a broker's prefetch, against a broker that sends all it may."""

from __future__ import annotations

import random

import pytest

from coffeeshop.transport.rabbitmq.window import Window


class Broker:
    """Sends whole chunks as long as fewer than ``size`` deliveries are unacknowledged."""

    def __init__(self, window: Window, rng: random.Random, chunk: int) -> None:
        self.window = window
        self.rng = rng
        self.chunk = chunk
        self.sent = 0
        self.acknowledged = 0

    def run(self) -> None:
        while self.sent - self.acknowledged < self.window.size:
            for _ in range(self.rng.randint(1, self.chunk)):
                self.sent += 1
                self.window.receive()
            self.acknowledge()

    def acknowledge(self) -> None:
        if upto := self.window.due():
            assert self.acknowledged < upto <= self.sent
            self.acknowledged = upto


def test_what_fits_into_the_prefetch_is_not_acknowledged_before_it_is_granted_again() -> None:
    window = Window(size=3, granted=3)
    for _ in range(3):
        window.receive()
    assert window.due() == 0
    window.grant(2)
    assert window.due() == 2
    assert window.due() == 0


def test_spare_credit_acknowledges_deliveries_when_they_come() -> None:
    window = Window(size=1, granted=3)
    assert window.due() == 0
    for tag in (1, 2):
        window.receive()
        assert window.due() == tag
    window.receive()
    assert window.due() == 0


def test_a_dropped_delivery_is_acknowledged_and_costs_no_credit() -> None:
    window = Window(size=2, granted=2)
    window.receive()
    window.drop()
    assert window.due() == 1
    window.receive()
    window.receive()
    assert window.due() == 0


def test_older_deliveries_are_credited_back_before_anything_is_acknowledged() -> None:
    window = Window(size=4, granted=1)
    for _ in range(4):
        window.receive()
    window.grant(3)
    assert window.due() == 0
    window.grant(1)
    assert window.due() == 1


@pytest.mark.parametrize("seed", range(20))
def test_a_broker_sends_all_that_is_granted_and_no_more_than_a_chunk_beyond(seed: int) -> None:
    rng = random.Random(seed)
    size, chunk = rng.randint(1, 20), rng.randint(1, 5)
    granted = rng.randint(0, size)
    broker = Broker(Window(size, granted), rng, chunk)
    for _ in range(200):
        broker.run()
        assert max(size, granted) <= broker.sent < max(size, granted) + chunk
        more = rng.randint(0, 7)
        granted += more
        broker.window.grant(more)
        broker.acknowledge()
