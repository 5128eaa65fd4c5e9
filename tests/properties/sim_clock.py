"""Virtual time for one thread: as `VirtualClock`, without its locks."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class SimClock:
    """Makes planned calls in the order of their times, equal times in the order of planning."""

    def __init__(self) -> None:
        self._now = 0.0
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()

    def now(self) -> float:
        """Seconds since the clock was made."""
        return self._now

    def call_later(self, seconds: float, call: Callable[[], object]) -> None:
        """Plan a call."""
        heapq.heappush(self._due, (self._now + seconds, next(self._numbers), call))

    def run_until_idle(self, most: int) -> None:
        """Make calls until none is planned. Raises `RuntimeError` after ``most`` calls."""
        due = self._due
        for _ in range(most):
            if not due:
                return
            at, _, call = heapq.heappop(due)
            self._now = max(self._now, at)
            call()
        raise RuntimeError(f"still calls to make after {most}")
