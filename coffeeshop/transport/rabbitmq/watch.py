"""Confirmations that never come."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from coffeeshop.transport.rabbitmq.loop import Loop
from coffeeshop.transport.rabbitmq.wire import Wire

YOUNG = 10.0
IMPATIENT = 3.0
PERIOD = 1.0
OVERTAKEN = 2.0
"""Seconds a confirmation may be due although later ones to the same journal came. A broker gives
those of one journal in order; within one answer it may list them otherwise."""

Since = Callable[[], "float | None"]


@dataclass(frozen=True)
class _Watched:
    wire: Wire
    owed_since: Since
    overtaken_since: Since
    opened: float = field(default_factory=time.monotonic)


class ConfirmWatch:
    """Drops a connection that owes a confirmation for too long, so that no sender waits for ever.

    A broker that has just started now and then stores a message and never says so. For messages
    sent on a young connection the patience is therefore short; it doubles each time it runs out,
    for a broker that is merely slow. One that later confirmations overtook is as good as lost.
    """

    def __init__(self, loop: Loop, timeout: float) -> None:
        """``timeout``: the most seconds that a confirmation may take."""
        self._loop = loop
        self._timeout = timeout
        self._impatient = min(IMPATIENT, timeout)
        self._not_before = 0.0

    def start(self, wire: Wire, owed_since: Since, overtaken_since: Since) -> None:
        """Watch a connection that has just opened until it is closed.

        ``owed_since``: since when (monotonic seconds) the oldest confirmation is due, if any.
        ``overtaken_since``: since when one is due although later ones to its journal came.
        """
        self.restart()
        self._look(_Watched(wire, owed_since, overtaken_since))

    def restart(self) -> None:
        """Until now nothing could be expected."""
        self._not_before = time.monotonic()

    def _look(self, watched: _Watched) -> None:
        if not watched.wire.is_open:
            return
        if self._is_overdue(watched):
            self._impatient = min(2 * self._impatient, self._timeout)
            watched.wire.abort(TimeoutError("the broker did not confirm a message in time"))
            return
        if self._is_late(watched.overtaken_since(), OVERTAKEN):
            watched.wire.abort(TimeoutError("later confirmations overtook an earlier one"))
            return
        if time.monotonic() - watched.opened > 2 * YOUNG:
            self._impatient = min(IMPATIENT, self._timeout)
        self._loop.later(PERIOD, lambda: self._look(watched))

    def _is_overdue(self, watched: _Watched) -> bool:
        since = watched.owed_since()
        young = since is not None and since - watched.opened < YOUNG
        return self._is_late(since, self._impatient if young else self._timeout)

    def _is_late(self, since: float | None, patience: float) -> bool:
        return since is not None and time.monotonic() - max(since, self._not_before) > patience
