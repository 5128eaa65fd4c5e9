"""Confirmations that never come."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from coffeeshop.transport.rabbitmq.connection import Connection
from coffeeshop.transport.rabbitmq.loop import Loop

YOUNG = 10.0
IMPATIENT = 3.0
PERIOD = 1.0
CLUSTER_PATIENCE = 8.0
"""Seconds a confirmation may take where another node can have taken over: on a cluster, what was
under way when a stream's leader died is never confirmed, even by a node that lives."""
OVERTAKEN = 2.0
"""Seconds a confirmation may be due although later ones to the same journal came. A broker gives
those of one journal in order; within one answer it may list them otherwise."""

Since = Callable[[], "float | None"]


@dataclass(frozen=True)
class _Watched:
    connection: Connection
    owed_since: Since
    overtaken_since: Since
    opened: float


class ConfirmWatch:
    """Drops a connection that owes a confirmation for too long, so that no sender waits for ever.

    A broker that has just started now and then stores a message and never says so. For messages
    sent on a young connection the patience is therefore short, and on a cluster for all of them; it
    doubles each time it runs out, for a broker that is merely slow. A message that later
    confirmations overtook is as good as lost.
    """

    def __init__(self, loop: Loop, timeout: float, patience: float | None = None) -> None:
        """``timeout``: the most seconds that a confirmation may take. ``patience``: what it may
        take at first on a connection that is not young; as long as that without it."""
        self._loop = loop
        self._timeout = timeout
        self._shortest = min(IMPATIENT, timeout), min(patience or timeout, timeout)
        self._young, self._old = self._shortest
        self._not_before = 0.0

    def start(self, connection: Connection, owed_since: Since, overtaken_since: Since) -> None:
        """Watch a connection that has just opened until it is closed.

        ``owed_since``: since when (monotonic seconds) the oldest confirmation is due, if any.
        ``overtaken_since``: since when one is due although later ones to its journal came.
        """
        self.restart()
        self._look(_Watched(connection, owed_since, overtaken_since, time.monotonic()))

    def restart(self) -> None:
        """Until now nothing could be expected."""
        self._not_before = time.monotonic()

    def _look(self, watched: _Watched) -> None:
        if not watched.connection.is_open:
            return
        if self._is_overdue(watched):
            self._young, self._old = (
                min(2 * each, self._timeout) for each in (self._young, self._old)
            )
            watched.connection.abort(TimeoutError("the broker did not confirm a message in time"))
            return
        if self._is_late(watched.overtaken_since(), OVERTAKEN):
            watched.connection.abort(TimeoutError("later confirmations overtook an earlier one"))
            return
        if time.monotonic() - watched.opened > 2 * YOUNG and not self._is_late(
            watched.owed_since(), IMPATIENT
        ):
            self._young, self._old = self._shortest
        self._loop.later(PERIOD, lambda: self._look(watched))

    def _is_overdue(self, watched: _Watched) -> bool:
        since = watched.owed_since()
        young = since is not None and since - watched.opened < YOUNG
        return self._is_late(since, self._young if young else self._old)

    def _is_late(self, since: float | None, patience: float) -> bool:
        return since is not None and time.monotonic() - max(since, self._not_before) > patience
