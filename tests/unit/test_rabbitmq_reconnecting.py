"""Which host a link tries next, with connections made of nothing."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from coffeeshop.transport.rabbitmq import reconnecting
from coffeeshop.transport.rabbitmq.reconnecting import (
    FIRST_DELAY,
    ConnectionPool,
    ReconnectingConnection,
)
from coffeeshop.transport.rabbitmq.url import Address
from tests.unit.fake_loop import FakeLoop

HOSTS = {"one", "two", "three"}


class Bench:
    """A link, and the hosts that it tried."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tried: list[str] = []
        self.loop: Any = FakeLoop()
        self.loop.io = None
        monkeypatch.setattr(reconnecting, "Connection", self._connect)
        self.link = ReconnectingConnection(self.loop, Address.parse("amqp://one,two,three"), "link")
        self.link.open()

    def _connect(self, address: Address, *rest: Any) -> object:
        (host,) = address.hosts
        self.tried.append(host[0])
        _, _, self._opened, self._lost, _ = rest
        return SimpleNamespace()

    def opened(self) -> None:
        self._opened(SimpleNamespace())

    def lost(self) -> float:
        """Lose it; the seconds until the next attempt, which is made."""
        self._lost(None, OSError("gone"))
        (delay,) = self.loop.run()
        return float(delay)

    _opened: Callable[[Any], None]
    _lost: Callable[[Any, BaseException], None]


def test_a_loss_leads_to_the_next_host_until_all_were_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch)
    for _ in range(5):
        bench.lost()
    assert set(bench.tried[:3]) == HOSTS
    assert bench.tried[3:] == bench.tried[:3]


def test_a_link_does_not_go_back_to_the_host_that_it_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    bench.opened()
    bench.lost()
    bench.opened()
    assert bench.tried[0] != bench.tried[1]


def test_waits_grow_only_when_all_hosts_were_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    waits = [bench.lost() for _ in range(9)]
    others = [wait for number, wait in enumerate(waits, 1) if number % 3]
    assert max(others) <= FIRST_DELAY
    assert waits[2] < waits[5] < waits[8]


def test_one_that_is_opened_before_its_time_keeps_one_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch)
    for _ in range(5):
        bench._lost(None, OSError("gone"))
        bench.link.open()
    assert len(bench.tried) == 6
    assert bench.loop.timers == []
    bench._lost(None, OSError("gone"))
    assert len(bench.loop.timers) == 1


def test_links_spread_over_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    first = {Bench(monkeypatch).tried[0] for _ in range(200)}
    assert first == HOSTS


def test_who_goes_elsewhere_gets_a_link_to_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(_: int) -> ReconnectingConnection:
        return ReconnectingConnection(FakeLoop(), Address.parse(url), "link")  # type: ignore[arg-type]

    monkeypatch.setattr(ReconnectingConnection, "open", lambda link: None)
    listener: Any = object()
    for url in ("amqp://one,two", "amqp://balancer/?cluster=true"):
        pool = ConnectionPool(make)
        first = pool.lease(listener)
        second = pool.lease(listener, instead_of=first)
        assert second is not first
        assert (second.address != first.address) == (url == "amqp://one,two")
        assert pool.lease(listener, instead_of=first) is second
        assert pool.lease(listener, instead_of=second) is first
