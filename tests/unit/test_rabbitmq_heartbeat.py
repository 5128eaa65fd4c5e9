"""When a connection to a broker's node that says nothing is given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coffeeshop.testing.clock import VirtualClock
from coffeeshop.transport.rabbitmq.connection import ImpatientHeartbeat

HEARTBEAT = 5


class Silent:
    """A connection as pika's heartbeats see it: it counts bytes and calls later."""

    def __init__(self, clock: VirtualClock) -> None:
        self.bytes_received = self.bytes_sent = 0
        self.ended: list[float] = []
        self._clock = clock
        self._cancelled: set[Any] = set()

    def _adapter_call_later(self, seconds: float, call: Callable[[], None]) -> Any:
        timer = object()
        self._clock.call_later(seconds, lambda: None if timer in self._cancelled else call())
        return timer

    def _adapter_remove_timeout(self, timer: Any) -> None:
        self._cancelled.add(timer)

    def _send_frame(self, _frame: Any) -> None:
        self.bytes_sent += 8

    def _terminate_stream(self, _reason: BaseException) -> None:
        self.ended.append(self._clock.now())


@pytest.mark.parametrize("heard", [0, 1, 12])
def test_a_node_of_a_cluster_is_left_after_a_silence_of_two_to_two_and_a_half_heartbeats(
    heard: int,
) -> None:
    clock = VirtualClock()
    connection = Silent(clock)
    ImpatientHeartbeat(connection, HEARTBEAT)  # type: ignore[arg-type]
    for _ in range(heard):
        clock.advance(HEARTBEAT * 0.9)
        connection.bytes_received += 8
    last = clock.now()
    assert not connection.ended
    clock.advance(10 * HEARTBEAT)
    assert len(connection.ended) == 1
    assert 2 * HEARTBEAT <= connection.ended[0] - last <= 2.5 * HEARTBEAT
    assert connection.bytes_sent
