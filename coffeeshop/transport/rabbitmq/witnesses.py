"""What each node of a cluster says of a queue or stream that one of them denies.

A node of RabbitMQ 3.10 that was silent for longer than its neighbours wait for it may come back
apart: it runs, lets clients in, and denies whatever was declared meanwhile. So a name that one node
denies counts as gone only when more nodes say so than know it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from coffeeshop.errors import JournalBroken
from coffeeshop.observability.logs import get_logger
from coffeeshop.transport.rabbitmq.commands import exists
from coffeeshop.transport.rabbitmq.connection import Connection, is_missing
from coffeeshop.transport.rabbitmq.control import Control
from coffeeshop.transport.rabbitmq.loop import Loop, guarded
from coffeeshop.transport.rabbitmq.reconnecting import OnVerdict, ReconnectingConnection
from coffeeshop.transport.rabbitmq.url import Address

_log = get_logger()

PATIENCE = 5.0
"""Seconds in which a node that runs answers."""
IDLE = 60.0
"""Seconds without a question after which no connection to every node is kept."""


@dataclass
class _Poll:
    """One question to all nodes."""

    queue: str
    nodes: int
    on_verdict: OnVerdict
    denied: int = 0
    known: int = 0
    is_over: bool = False

    def answered(self, answer: Future[None]) -> None:
        """Count a node's answer; one that says neither has no voice."""
        error = answer.exception()
        if error is not None and is_missing(error):
            self.denied += 1
        elif error is None or isinstance(error, JournalBroken):
            self.known += 1
        if self.denied > self.nodes / 2 or self.known >= self.nodes / 2:
            self.end()

    def end(self) -> None:
        """No other node is waited for."""
        if not self.is_over:
            self.is_over = True
            guarded(self.on_verdict, self.denied > self.known)


class _Witness:
    """One node. Asked as soon as there is a connection to it."""

    def __init__(self, loop: Loop, link: ReconnectingConnection) -> None:
        self.link = link
        self._control = Control(loop, link)
        self._waiting: list[_Poll] = []
        link.listeners.add(self)

    def ask(self, poll: _Poll) -> None:
        if self.link.connection is None:
            self._waiting = [*(each for each in self._waiting if not each.is_over), poll]
            self.link.open()
        else:
            self._control.ask(exists(poll.queue), poll.answered)

    def connection_up(self, connection: Connection) -> None:
        self._control.connection_up(connection)
        waiting, self._waiting = self._waiting, []
        for poll in waiting:
            if not poll.is_over:
                self.ask(poll)

    def connection_down(self) -> None:
        self._control.connection_down()

    def close(self, on_closed: Callable[[], None]) -> None:
        self._control.close()
        self.link.close(on_closed)


class Witnesses:
    """Asks the nodes of a broker. Belongs to the loop's thread."""

    def __init__(
        self,
        loop: Loop,
        make: Callable[[], Sequence[ReconnectingConnection]],
        links: Callable[[], Sequence[ReconnectingConnection]],
    ) -> None:
        """``make`` makes one link for every host of the broker, or none where there is but one, or
        the transport is being closed. ``links`` are those of the transport."""
        self._loop = loop
        self._make = make
        self._links = links
        self._witnesses: list[_Witness] = []
        self._closing: list[ReconnectingConnection] = []
        self._asked_at = 0.0

    @property
    def links(self) -> list[ReconnectingConnection]:
        """The connections to all nodes, from when they are needed until they are closed."""
        return [*(witness.link for witness in self._witnesses), *self._closing]

    def ask(self, queue: str, on_verdict: OnVerdict) -> None:
        """Find out whether a name that one node denies is gone; at once if there is but one."""
        if not self._witnesses:
            self._witnesses = [_Witness(self._loop, link) for link in self._make()]
            if not self._witnesses:
                on_verdict(True)
                return
            self._loop.later(IDLE, self._rest)
        self._asked_at = time.monotonic()
        poll = _Poll(queue, len(self._witnesses), on_verdict)
        self._loop.later(PATIENCE, poll.end)
        for witness in self._witnesses:
            witness.ask(poll)

    def leave(self, address: Address, why: str) -> None:
        """Drop every connection to a node that is apart; the next ones are to others."""
        _log.warning("transport.node_apart", broker=address.redacted, detail=why)
        reason = ConnectionAbortedError(f"{address.redacted} is apart from the others: {why}")
        for link in self._links():
            link.leave(address, reason)

    def _rest(self) -> None:
        if time.monotonic() - self._asked_at < IDLE:
            self._loop.later(IDLE, self._rest)
            return
        resting, self._witnesses = self._witnesses, []
        for witness in resting:
            self._closing.append(witness.link)
            witness.close(partial(self._closing.remove, witness.link))
