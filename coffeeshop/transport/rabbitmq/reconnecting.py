"""Connections that come back: a link is opened again until it is closed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from coffeeshop.clock import Backoff
from coffeeshop.errors import BrokerRefuses, Forbidden
from coffeeshop.observability.logs import get_logger
from coffeeshop.transport.rabbitmq.connection import Connection, is_refusal
from coffeeshop.transport.rabbitmq.loop import Loop, guarded
from coffeeshop.transport.rabbitmq.url import Address

_log = get_logger()

FIRST_DELAY = 0.2
LAST_DELAY = 10.0
BACKOFF = Backoff(FIRST_DELAY, LAST_DELAY)
OnVerdict = Callable[[bool], None]
"""Called with whether a name is gone."""


class Attempts:
    """Counts attempts in a row, and says how long to wait before the next one."""

    def __init__(self) -> None:
        self._failed = 0

    def next(self) -> float:
        """Seconds to wait before the next attempt."""
        self._failed += 1
        return BACKOFF.delay(self._failed, random.random)

    def reset(self) -> None:
        """An attempt succeeded."""
        self._failed = 0


class ConnectionListener(Protocol):
    """Who uses a link. Called in the loop's thread."""

    def connection_up(self, connection: Connection) -> None:
        """The link is open (again): nothing of an earlier connection is valid."""
        ...

    def connection_down(self) -> None:
        """The link was lost, or another attempt to open it failed."""
        ...


class OtherNodes(Protocol):
    """The nodes of a broker; see `witnesses`."""

    def ask(self, name: str, on_verdict: OnVerdict) -> None:
        """Find out whether a name that one node denies is gone."""
        ...

    def leave(self, address: Address, why: str) -> None:
        """Drop every connection to a node."""
        ...


class ReconnectingConnection:
    """One connection to the broker, again and again. Belongs to the loop's thread.

    Of several hosts each link takes one at random, and the next one after each loss.
    """

    def __init__(
        self,
        loop: Loop,
        address: Address,
        name: str,
        blocked_timeout: float | None = None,
        others: OtherNodes | None = None,
    ) -> None:
        """``others``: who is asked about a name that the broker's node denies, if anyone is."""
        self.name = name
        self.connection: Connection | None = None
        """Open, or None."""
        self.refusal: Forbidden | None = None
        """Why the broker last refused us; None once it lets us in or is merely absent."""
        self.loss: BaseException | None = None
        """Why the last connection was lost, or why the last attempt failed."""
        self.openings = 0
        self.listeners: set[ConnectionListener] = set()
        self._loop = loop
        self._addresses = address.each()
        random.shuffle(self._addresses)  # so that the links of a process spread over the nodes
        self._turn = 0
        self._failures = 0
        self._blocked_timeout = blocked_timeout
        self._others = others
        self._attempts = Attempts()
        self._attempt: Connection | None = None
        self._cancel_retry: Callable[[], None] = lambda: None
        self._on_closed: Callable[[], None] | None = None

    @property
    def address(self) -> Address:
        """The host that it is connected to, or tries."""
        return self._addresses[self._turn % len(self._addresses)]

    @property
    def hosts(self) -> int:
        """How many it may be connected to."""
        return len(self._addresses)

    def is_apart(self, other: ReconnectingConnection) -> bool:
        """Whether another link may lead to another node; behind a balancer any may."""
        return other is not self and (self.hosts == 1 or other.address != self.address)

    def begin_elsewhere(self, address: Address) -> None:
        """Try another host first, if there is one. Before `open`."""
        self._addresses.sort(key=address.__eq__)

    def open(self) -> None:
        """Connect now, instead of when it was planned; harmless when it does already."""
        if self._attempt is None and self._on_closed is None:
            self._cancel_retry()
            self._attempt = Connection(
                self.address,
                self._loop.io,
                self.name,
                self._opened,
                self._lost,
                self._blocked_timeout,
            )

    def close(self, on_closed: Callable[[], None]) -> None:
        """Close in good order and for good."""
        self._on_closed = on_closed
        self._cancel_retry()
        if self._attempt is None:
            on_closed()
        elif not self._attempt.is_closing and not self._attempt.is_closed:
            self._attempt.close()

    def abort(self, reason: Exception) -> None:
        """Drop the connection; unless the link is being closed it opens another."""
        if self._attempt is not None:
            self._attempt.abort(reason)

    def denied(self, name: str, if_gone: Callable[[], None]) -> None:
        """The node behind it says that there is no such queue or stream: ask the others.

        ``if_gone`` is called if they agree. If not, every connection to that node is dropped: the
        next ones are to others. Nothing happens when this one was lost meanwhile.
        """
        connection, others = self.connection, self._others
        if others is None:
            if_gone()
            return

        def told(is_gone: bool) -> None:
            if connection is None or self.connection is not connection:
                return
            if is_gone:
                if_gone()
            else:
                others.leave(self.address, f"it denies {name}, which other nodes have")

        others.ask(name, told)

    def leave(self, address: Address, reason: Exception) -> None:
        """Drop a connection to that node."""
        if self.address == address:
            self.abort(reason)

    def _opened(self, connection: Connection) -> None:
        self.connection = connection
        self.refusal = None
        self.openings += 1
        self._attempts.reset()
        self._failures = 0
        _log.info("transport.connected", link=self.name, broker=self.address.redacted)
        for listener in list(self.listeners):
            guarded(listener.connection_up, connection)

    def _lost(self, _connection: Connection, error: BaseException) -> None:
        self.connection = self._attempt = None
        self.loss = error
        if self._on_closed is not None:
            self._on_closed()
            return
        self._plan_retry(error)
        self._turn += 1
        for listener in list(self.listeners):
            guarded(listener.connection_down)

    def _plan_retry(self, error: BaseException) -> None:
        self._failures += 1
        tried_all = self._failures % len(self._addresses) == 0
        delay = self._attempts.next() if tried_all else FIRST_DELAY * random.uniform(0.5, 1)
        if is_refusal(error):
            delay = LAST_DELAY
            self.refusal = _refusal(self.address, str(error))
        else:
            self.refusal = None
        self._cancel_retry = self._loop.later(delay, self._retry)
        # A command that waits for the first connection says so itself.
        is_new = self.openings == 0 and self.refusal is None
        say = _log.debug if is_new else _log.warning
        say(
            "transport.lost",
            link=self.name,
            broker=self.address.redacted,
            reason=type(error).__name__,
            detail=str(error) or repr(error),
            retry_in=round(delay, 1),
        )

    def _retry(self) -> None:
        self._cancel_retry = lambda: None
        self.open()


def _refusal(address: Address, words: str) -> BrokerRefuses:
    """What the broker's words mean, and what to do about it."""
    host, user = address.virtual_host, address.user
    where = f"the broker at {address.redacted}"
    if "vhost" in words and "not found" in words:
        return BrokerRefuses(
            f"{where} has no virtual host {host!r}: make it with `rabbitmqctl add_vhost {host}`, "
            "or name another at the end of the broker's URL (%2F is /)"
        )
    if "access to vhost" in words:
        return BrokerRefuses(
            f"{where} does not let the user {user!r} into the virtual host {host!r}: "
            f"`rabbitmqctl set_permissions --vhost {host} {user} '.*' '.*' '.*'` does"
        )
    return BrokerRefuses(f"{where} refuses the user or password")


class ConnectionPool:
    """Links for channels that live long, so many to a link. Belongs to the loop's thread."""

    ROOM = 1000

    def __init__(self, make: Callable[[int], ReconnectingConnection], room: int = ROOM) -> None:
        """``make`` makes the n-th link; ``room``: channels per link, at most."""
        self.links: list[ReconnectingConnection] = []
        self._make = make
        self._room = room

    def lease(
        self, listener: ConnectionListener, instead_of: ReconnectingConnection | None = None
    ) -> ReconnectingConnection:
        """A link with room for one more; to another node than that one, as far as can be known."""
        links = self.links if instead_of is None else filter(instead_of.is_apart, self.links)
        link = next((one for one in links if self._has_room(one)), None)
        if link is None:
            link = self._make(len(self.links))
            self.links.append(link)
            if instead_of is not None:
                link.begin_elsewhere(instead_of.address)
            link.open()
        link.listeners.add(listener)
        return link

    def _has_room(self, link: ReconnectingConnection) -> bool:
        most = (
            self._room
            if link.connection is None
            else min(self._room, link.connection.most_channels)
        )
        return len(link.listeners) < most
