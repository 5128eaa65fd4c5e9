"""A broker that forgets a reader: what is stored does not come any more, and nothing says so."""

from __future__ import annotations

from typing import Any

import pytest

from coffeeshop.errors import Unreachable
from coffeeshop.transport import Delivery
from coffeeshop.transport.base import OnDelivery, OnGone
from coffeeshop.transport.memory import MemoryTransport
from tests.unit.world import World, spec_of


class Forgetful(MemoryTransport):
    """Gives nothing more to the readers that there are when it is told to `forget` them."""

    def __init__(self) -> None:
        super().__init__()
        self._generation = 0

    def forget(self) -> None:
        self._generation += 1

    def read(
        self, name: str, offset: int, credit: int, on_delivery: OnDelivery, on_gone: OnGone
    ) -> Any:
        mine = self._generation

        def deliver(delivery: Delivery) -> None:
            if mine == self._generation:
                on_delivery(delivery)

        return super().read(name, offset, credit, deliver, on_gone)


def test_a_gateway_whose_own_words_do_not_come_back_reads_the_log_anew() -> None:
    broker = Forgetful()
    world = World(broker)
    sessions = world.replica("g1", keeps=False)
    spec = spec_of()
    broker.forget()
    sessions.log.append("opened", spec.id, spec=spec.fields()).result()
    with pytest.raises(Unreachable):
        sessions.log.append_and_read_back("alive", spec.id, 0.2, bytes=0)
    sessions.log.append_and_read_back("alive", spec.id, bytes=0)
    assert [each.spec for each in sessions.log.all()] == [spec]  # nor is anything before it missed
    world.close()
