"""The loop of a RabbitMQ connection, without a connection."""

from __future__ import annotations

from collections.abc import Callable


class FakeLoop:
    """Timers that run when told."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def later(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        self.timers.append((seconds, call))
        return lambda: None

    def run(self) -> list[float]:
        """Run them all; the seconds they were to wait."""
        timers, self.timers = self.timers, []
        for _, call in timers:
            call()
        return [seconds for seconds, _ in timers]
