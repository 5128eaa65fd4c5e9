"""The clock on the wall without its jumps.

Sessions and results end after some time on the wall's clock, which every replica can read off a
record. That clock may be set by an operator, or by NTP long after the start: by years, in the worst
case, which would end every session at once, or none for years.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from coffeeshop.observability.logs import get_logger

log = get_logger()
LARGEST = 60.0
"""Seconds by which a clock may be set without being called a jump: NTP, a leap second."""


class SteadyClock:
    """Goes on from where it was when the clock on the wall is set. Thread-safe.

    A machine that slept looks the same: that time did not pass for its sessions either.
    """

    def __init__(self, wall: Callable[[], float], now: Callable[[], float]) -> None:
        """``now``: seconds on a clock that is never set."""
        self._wall = wall
        self._now = now
        self._lock = threading.Lock()
        self._last = wall(), now()
        self._shift = 0.0

    def __call__(self) -> float:
        """Seconds since 1970, as far as this process can know."""
        with self._lock:
            wall, now = self._wall(), self._now()
            jump = (wall - self._last[0]) - (now - self._last[1])
            self._last = wall, now
            if abs(jump) > LARGEST:
                self._shift -= jump
                log.warning("clock.jumped", seconds=round(jump))
            return wall + self._shift
