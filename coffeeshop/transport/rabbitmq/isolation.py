"""Subscriptions of which one breaks connections: each attaches alone.

A broker that meets a name without a stream (see `control`) while it attaches a reader closes the
connection, without a word of which reader it was, and with it all the others'. A subscription that
was attaching when that happened is a suspect. Suspects attach one at a time, on a connection that
carries nothing else; those that succeed go back to where the others are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from coffeeshop.transport.rabbitmq.link import Link, Tenant


class Suspect(Tenant, Protocol):
    """A subscription that may be what breaks connections."""

    closed: bool

    def attach_to(self, link: Link) -> None:
        """Attach on this link, of which it is the only tenant. Ends in `Isolation.leave`."""
        ...


class Isolation:
    """Where suspects attach, one at a time. Belongs to the loop's thread."""

    def __init__(self, make: Callable[[], Link]) -> None:
        """``make`` makes the link, once there is a suspect."""
        self._make = make
        self._waiting: deque[Suspect] = deque()
        self._inside: Suspect | None = None
        self.link: Link | None = None

    def enter(self, suspect: Suspect) -> None:
        """Have it attach when its turn comes."""
        self._waiting.append(suspect)
        self._go_on()

    def holds(self, suspect: Suspect) -> bool:
        """Whether it is alone on the link at the moment."""
        return self._inside is suspect

    def leave(self, suspect: Suspect) -> None:
        """It attached, was closed or broke the connection: the next one. Harmless otherwise."""
        if self._inside is suspect:
            self._inside = None
            assert self.link is not None
            self.link.tenants.discard(suspect)
            self._go_on()

    def _go_on(self) -> None:
        while self._inside is None and self._waiting:
            suspect = self._waiting.popleft()
            if not suspect.closed:
                self._let_in(suspect)

    def _let_in(self, suspect: Suspect) -> None:
        if self.link is None:
            self.link = self._make()
        self._inside = suspect
        self.link.tenants.add(suspect)
        suspect.attach_to(self.link)
        self.link.open()
