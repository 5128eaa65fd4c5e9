"""How often and how long something is tried again: pure, with the clock as an argument."""

from __future__ import annotations

import threading
from collections.abc import Callable

from coffeeshop.errors import UsageError

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds."""
SILENCE = 2.0
"""Seconds without an answer after which the caller is told."""


def checked_seconds(seconds: float | None, name: str) -> float | None:
    """A time to wait as locks take it: None is without a bound, and so is what is beyond theirs.

    Raises `UsageError` for a negative number and for nan.
    """
    if seconds is None:
        return None
    if not seconds >= 0:
        raise UsageError(f"{name} is a number of seconds, 0 or more; not {seconds}")
    return None if seconds > threading.TIMEOUT_MAX else seconds


class RetryBudget:
    """How often and how long one call is repeated. Not thread-safe."""

    def __init__(
        self,
        seconds: float,
        sleep: Callable[[float], None],
        now: Callable[[], float],
        *,
        end: float | None = None,
        on_silence: Callable[[float], None] | None = None,
    ) -> None:
        """``end``: when it is over in any case, on the clock of ``now``. ``on_silence`` is told,
        once an outage, after `SILENCE` seconds, for how many seconds it goes on.
        """
        self._seconds = seconds
        self._sleep = sleep
        self._now = now
        self._end = end
        self._on_silence = on_silence
        self.renew()

    def renew(self) -> None:
        """An answer came: begin anew."""
        self._began = self._now()
        self._deadline = self._began + self._seconds
        if self._end is not None:
            self._deadline = min(self._deadline, self._end)
        self._pause = FIRST_PAUSE
        self._told = False

    def pause(self, error: Exception, wanted: float = 0.0) -> None:
        """Wait before the next try, at least the seconds ``wanted`` of the gateway.

        Raises the error when time is up."""
        seconds = min(max(self._pause, wanted), LONGEST_PAUSE)
        if self._now() + seconds > self._deadline:
            raise error
        until_told = self._began + SILENCE - self._now()
        if self._on_silence is not None and not self._told and until_told <= seconds:
            self._told = True
            if until_told > 0:
                self._sleep(until_told)
                seconds -= until_told
            self._on_silence(self._deadline - self._now())
        self._sleep(seconds)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
