"""Time: monotonic seconds, calls at a later moment, and how long to wait before trying again."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds, and calls at a later moment."""

    def now(self) -> float:
        """Seconds since some fixed moment."""
        ...

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Make ``call`` after that time, from the clock's own thread. It must not block."""
        ...


class SystemClock:
    """Real time; one thread makes all calls."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._changed = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
        self._thread.start()

    def now(self) -> float:
        return time.monotonic()

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        with self._changed:
            heapq.heappush(self._due, (self.now() + seconds, next(self._numbers), call))
            self._changed.notify()

    def close(self) -> None:
        """Forget every call that is not due yet and end the thread."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (call := self._next()) is not None:
            call()

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while self._open:
                wait = self._due[0][0] - self.now() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
        return None


@dataclass(frozen=True)
class Backoff:
    """Seconds before the n-th new attempt: doubling from ``first`` to ``most``, jittered."""

    first: float = 0.2
    most: float = 10.0

    def delay(self, attempt: int, chance: Callable[[], float]) -> float:
        """Between half of and the whole of ``first * 2**(attempt - 1)``, at most ``most``.

        ``chance`` gives numbers in [0, 1): without jitter everything that died of one cause would
        come back in one moment.
        """
        whole = min(self.most, self.first * 2.0 ** min(attempt - 1, 32))
        return whole * (0.5 + chance() / 2)
