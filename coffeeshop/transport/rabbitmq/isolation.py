"""Subscriptions of which one breaks connections: each attaches alone.

A broker that meets a name without a stream (see `control`) while it attaches a reader closes the
connection, without a word of which reader it was, and with it all the others'. A subscription that
was attaching when that happened is isolated. Those attach one at a time, on a connection that
carries nothing else; those that succeed go back to where the others are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from coffeeshop.transport.rabbitmq.reconnecting import ConnectionListener, ReconnectingConnection


class Isolated(ConnectionListener, Protocol):
    """A subscription that may be what breaks connections."""

    closed: bool

    def attach_to(self, link: ReconnectingConnection) -> None:
        """Attach on this link, of which it is the only listener. Ends in `Isolation.leave`."""
        ...


class Isolation:
    """Where isolated subscriptions attach, one at a time. Belongs to the loop's thread."""

    def __init__(self, make: Callable[[], ReconnectingConnection]) -> None:
        """``make`` makes the link, once it is needed."""
        self._make = make
        self._waiting: deque[Isolated] = deque()
        self._inside: Isolated | None = None
        self.link: ReconnectingConnection | None = None

    def enter(self, isolated: Isolated) -> None:
        """Have it attach when its turn comes."""
        self._waiting.append(isolated)
        self._go_on()

    def holds(self, isolated: Isolated) -> bool:
        """Whether it is alone on the link at the moment."""
        return self._inside is isolated

    def leave(self, isolated: Isolated) -> None:
        """It attached, was closed or broke the connection: the next one. Harmless otherwise."""
        if self._inside is isolated:
            self._inside = None
            assert self.link is not None
            self.link.listeners.discard(isolated)
            self._go_on()

    def _go_on(self) -> None:
        while self._inside is None and self._waiting:
            isolated = self._waiting.popleft()
            if not isolated.closed:
                self._let_in(isolated)

    def _let_in(self, isolated: Isolated) -> None:
        if self.link is None:
            self.link = self._make()
        self._inside = isolated
        self.link.listeners.add(isolated)
        isolated.attach_to(self.link)
        self.link.open()
