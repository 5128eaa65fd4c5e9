"""Readers and consumers that the broker may have forgotten attach anew.

A reader waits for records, and nothing tells it whether there are none or the broker no longer
sends them: RabbitMQ before 4.1.2 may forget a reader when the member of the stream behind it goes
(rabbitmq-server issue 11915), and a channel whose process hangs says nothing either. So one that
heard nothing for a while asks again from where it is: a millisecond or two of a broker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Protocol

from coffeeshop.transport.rabbitmq.loop import Loop

QUIET = 20.0
"""Seconds without a delivery after which a subscription attaches anew."""
PERIOD = 1.0
MOST = 20
"""Subscriptions that attach anew in one period, at most: those that are quiet for longest."""


class Quiet(Protocol):
    """A subscription, and whether it waits."""

    def due_since(self, quiet: float) -> float | None:
        """Since when (monotonic seconds) it should attach anew, if it waits for the broker."""
        ...

    def renew(self) -> None:
        """Attach anew."""
        ...


class Renewal:
    """Renews what is quiet, for as long as the loop runs. Belongs to the loop's thread."""

    def __init__(
        self,
        loop: Loop,
        subscriptions: Callable[[], Iterable[Quiet]],
        quiet: float = QUIET,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._loop = loop
        self._subscriptions = subscriptions
        self._quiet = quiet
        self._now = now

    def start(self) -> None:
        """Look now and then from now on."""
        self._loop.later(PERIOD, self._look)

    def _look(self) -> None:
        self._loop.later(PERIOD, self._look)
        now = self._now()
        found = [(each.due_since(self._quiet), each) for each in self._subscriptions()]
        due = [(since, each) for since, each in found if since is not None and since <= now]
        for _, each in sorted(due, key=lambda pair: pair[0])[:MOST]:
            each.renew()
