"""How often and how long something is tried again: pure, with the clock as an argument."""

from __future__ import annotations

import threading
from collections.abc import Callable

from coffeeshop.errors import UsageError

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds."""


def checked_seconds(seconds: float | None, name: str) -> float | None:
    """A time to wait as locks take it: None is without a bound, and so is what is beyond theirs.

    Raises `UsageError` for a negative number and for nan.
    """
    if seconds is None:
        return None
    if not seconds >= 0:
        raise UsageError(f"{name} is a number of seconds, 0 or more; not {seconds}")
    return None if seconds > threading.TIMEOUT_MAX else seconds


class Patience:
    """How often and how long one call is repeated. Not thread-safe."""

    def __init__(
        self, seconds: float, sleep: Callable[[float], None], now: Callable[[], float]
    ) -> None:
        self._seconds = seconds
        self._sleep = sleep
        self._now = now
        self.renew()

    def renew(self) -> None:
        """Somebody answered: begin anew."""
        self._deadline = self._now() + self._seconds
        self._pause = FIRST_PAUSE

    def pause(self, error: Exception, wanted: float = 0.0) -> None:
        """Wait before the next try, at least the seconds ``wanted`` of the gateway.

        Raises the error when time is up."""
        seconds = min(max(self._pause, wanted), LONGEST_PAUSE)
        if self._now() + seconds > self._deadline:
            raise error
        self._sleep(seconds)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
