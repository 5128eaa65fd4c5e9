"""Streams that a broker knows and does not have, for so long that they are lost.

A broker that starts, or changes leaders, has its streams a moment later than their names. One that
was killed again and again while it started may know a name for ever and say each time that its node
is down (seen on RabbitMQ 3.10.8, on one node).
"""

from __future__ import annotations

import time
from collections.abc import Callable

LOST_PATIENCE = 300.0
"""Seconds for which a broker that is up may not have what it knows."""
ELSEWHERE = 10.0
"""Seconds for which one of several nodes may have no copy until another is asked: one that came
back or was replaced has none of the streams that were made while it was away."""
LASTING = "ctl."
"""Names that begin so are waited for: without them nothing works, and they belong to no session."""


class Absence:
    """Since when a broker has not had what a name stands for, as often as it was asked."""

    def __init__(self, name: str, now: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._now = now
        self._since: float | None = None
        self._since_here: float | None = None
        """Since when the node that is asked has no copy."""

    def is_final(self) -> bool:
        """To be asked when the broker says so once more: whether it counts as lost."""
        now = self._now()
        self._since = now if self._since is None else self._since
        return not self._name.startswith(LASTING) and now - self._since > LOST_PATIENCE

    def is_lasting_here(self) -> bool:
        """To be asked when a node says once more that it has no copy: whether to ask another."""
        now = self._now()
        self._since_here = now if self._since_here is None else self._since_here
        return now - self._since_here > ELSEWHERE

    def moved(self) -> None:
        """Another node is asked from now on."""
        self._since_here = None

    def end(self) -> None:
        """It was there, or the broker was away meanwhile and gets all the time anew."""
        self._since = self._since_here = None
