"""Confirmations that never come."""

from __future__ import annotations

import time
from collections.abc import Callable

from coffeeshop.transport.rabbitmq_loop import Loop
from coffeeshop.transport.rabbitmq_wire import Wire

YOUNG = 10.0
IMPATIENT = 3.0
PERIOD = 1.0


class ConfirmWatch:
    """Drops a connection that owes a confirmation for too long, so that no sender waits for ever.

    A broker that has just started now and then stores a message and never says so. For messages
    sent on a young connection the patience is therefore short; it doubles each time it runs out,
    for a broker that is merely slow.
    """

    def __init__(self, loop: Loop, timeout: float) -> None:
        """``timeout``: the most seconds that a confirmation may take."""
        self._loop = loop
        self._timeout = timeout
        self._impatient = min(IMPATIENT, timeout)
        self._not_before = 0.0

    def start(self, wire: Wire, owed_since: Callable[[], float | None]) -> None:
        """Watch a connection that has just opened until it is closed.

        ``owed_since``: since when (monotonic seconds) the oldest confirmation is due, if any.
        """
        self.restart()
        self._look(wire, time.monotonic(), owed_since)

    def restart(self) -> None:
        """Until now nothing could be expected."""
        self._not_before = time.monotonic()

    def _look(self, wire: Wire, opened: float, owed_since: Callable[[], float | None]) -> None:
        if not wire.is_open:
            return
        since = owed_since()
        if since is not None and self._is_overdue(since, opened):
            self._impatient = min(2 * self._impatient, self._timeout)
            wire.abort(TimeoutError("a confirmation did not come in time"))
            return
        if time.monotonic() - opened > 2 * YOUNG:
            self._impatient = min(IMPATIENT, self._timeout)
        self._loop.later(PERIOD, lambda: self._look(wire, opened, owed_since))

    def _is_overdue(self, since: float, opened: float) -> bool:
        patience = self._impatient if since - opened < YOUNG else self._timeout
        return time.monotonic() - max(since, self._not_before) > patience
