"""How long a confirmation may take before its connection is dropped."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from coffeeshop.transport.rabbitmq.watch import IMPATIENT, YOUNG, ConfirmWatch
from tests.unit.fake_loop import FakeLoop

TIMEOUT = 30.0
PATIENCE = 8.0


class Watched:
    """Connections, one after the other, of which one owes a confirmation at a time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, patience: float | None) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        self.loop = FakeLoop()
        self.watch = ConfirmWatch(self.loop, TIMEOUT, patience)  # type: ignore[arg-type]

    def connection_lives(self, age: float) -> float:
        """Seconds until a connection is dropped over a message sent at that age of it."""
        connection: Any = SimpleNamespace(is_open=True)
        connection.abort = lambda reason: setattr(connection, "is_open", False)
        owed: list[float] = []
        self.watch.start(connection, lambda: owed[0] if owed else None, lambda: None)
        for _ in range(round(age)):
            self._second()
        owed.append(self.now)
        waited = 0
        while connection.is_open:
            self._second()
            waited += 1
            assert waited < 100
        return waited

    def _second(self) -> None:
        self.now += 1.0
        self.loop.run()


def test_one_node_has_time_to_confirm_on_a_connection_that_is_not_young(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(monkeypatch, None)
    assert watched.connection_lives(age=YOUNG + 1) == pytest.approx(TIMEOUT, abs=1)
    assert watched.connection_lives(age=0) == pytest.approx(2 * IMPATIENT, abs=1)


def test_on_a_cluster_what_a_dead_leader_owes_is_given_up_sooner_on_every_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(monkeypatch, PATIENCE)
    assert watched.connection_lives(age=YOUNG + 1) == pytest.approx(PATIENCE, abs=1)


def test_a_cluster_that_is_merely_slow_gets_twice_the_time_after_each_loss_up_to_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(monkeypatch, PATIENCE)
    lives = [watched.connection_lives(age=YOUNG + 1) for _ in range(4)]
    assert lives == pytest.approx([PATIENCE, 2 * PATIENCE, TIMEOUT, TIMEOUT], abs=1)
    assert watched.connection_lives(age=2 * YOUNG + 2) == pytest.approx(PATIENCE, abs=1)
