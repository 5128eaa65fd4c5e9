"""Time that moves when told."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from itertools import count


class VirtualClock:
    """An `actors.Clock` whose time stands still until it is moved.

    Planned calls are made in the order of their times, equal times in the order they were planned,
    by the thread that moves the clock and with no lock held: a single-threaded simulation is
    deterministic, and actors in their own threads may plan calls at any moment.
    """

    def __init__(self) -> None:
        self.delays: list[float] = []
        """Every delay that was asked for, in seconds."""
        self._now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._changed = threading.Condition()

    def now(self) -> float:
        """Seconds since the clock was made."""
        return self._now

    @property
    def planned(self) -> int:
        """How many calls wait for their time."""
        return len(self._due)

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Plan a call; from any thread, also from within a call."""
        with self._changed:
            self.delays.append(seconds)
            heapq.heappush(self._due, (self._now + seconds, next(self._numbers), call))
            self._changed.notify_all()

    def advance(self, seconds: float) -> None:
        """Let time pass: make every call that becomes due, also those planned meanwhile."""
        end = self._now + seconds
        while (call := self._next(end)) is not None:
            call()
        with self._changed:
            self._now = max(self._now, end)

    def run_until_idle(self, most: int = 1_000_000) -> int:
        """Make calls until none is planned and return how many there were.

        Raises `RuntimeError` after ``most`` calls: something plans for ever.
        """
        for made in range(most):
            call = self._next(float("inf"))
            if call is None:
                return made
            call()
        raise RuntimeError(f"still calls to make after {most}")

    def wait_for(self, calls: int, timeout: float) -> None:
        """Wait ``timeout`` real seconds for other threads to have that many calls planned.

        Raises `TimeoutError`.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._due) >= calls, timeout):
                raise TimeoutError(f"{self.planned} of {calls} calls planned after {timeout:g} s")

    def next(self, timeout: float) -> None:
        """Wait for a planned call as `wait_for` does, then let its time come and make it."""
        with self._changed:
            self.wait_for(1, timeout)
            call = self._next(float("inf"))
        assert call is not None
        call()

    def _next(self, end: float) -> Callable[[], None] | None:
        with self._changed:
            if not self._due or self._due[0][0] > end:
                return None
            at, _, call = heapq.heappop(self._due)
            self._now = max(self._now, at)
            return call
