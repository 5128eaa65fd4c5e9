"""The loop of a RabbitMQ connection, without a connection."""

from __future__ import annotations

from collections.abc import Callable


class FakeLoop:
    """Timers that run when told."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def later(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        timer = (seconds, call)
        self.timers.append(timer)
        return lambda: self.timers.remove(timer) if timer in self.timers else None

    def run(self) -> list[float]:
        """Run them all; the seconds they were to wait."""
        timers, self.timers = self.timers, []
        for _, call in timers:
            call()
        return [seconds for seconds, _ in timers]
