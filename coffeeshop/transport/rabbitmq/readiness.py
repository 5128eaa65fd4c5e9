"""A broker that has just started is not to be trusted for a few seconds."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from coffeeshop.errors import JournalBroken
from coffeeshop.observability.logs import get_logger
from coffeeshop.transport.rabbitmq.commands import Command, declare, leave_mark, mark_is_left
from coffeeshop.transport.rabbitmq.connection import is_absent, is_missing
from coffeeshop.transport.rabbitmq.control import Control
from coffeeshop.transport.rabbitmq.loop import Loop, guarded

_log = get_logger()

STREAM = "ctl.warmup"
MARKS = ("ctl.settled", "ctl.settled.1", "ctl.settled.2")
"""Queues that may hold the mark. On a cluster each is on one node: while that is down, or when it
is lost for good, the next name is used."""
SECONDS = 5.0
ATTEMPTS = 8
"""Names for the stream without a purpose, where the broker stumbles over one."""


class BrokerReadiness:
    """Says when the broker behind a connection may be trusted with streams.

    Measured on RabbitMQ 3.10: while it recovers its streams after a crash it replaces their
    writers, once for every earlier crash, and what a replaced writer confirmed is lost. And the
    first stream that a broker ever has may lose confirmed messages in a crash within its first
    second. So a process that finds a broker without the mark makes sure that it has a stream
    without a purpose, waits, and leaves the mark: a transient message in a durable classic queue,
    which no restart of its node leaves there, whatever the broker keeps its metadata in. Later
    comers need not wait. On a cluster the mark tells of one node and so of a start of the whole; a
    single node that comes back leads nothing, and `order` guards what changes its leader.

    Belongs to the loop's thread; one for each link.
    """

    def __init__(
        self,
        loop: Loop,
        asking: Control,
        arguments: dict[str, Any],
        open_publishing: Callable[[], None] | None = None,
    ) -> None:
        """``asking`` is on the same link. ``arguments`` of the stream.

        ``open_publishing``: on a link that must not publish, opens the one that leaves the mark.
        """
        self._loop = loop
        self._asking = asking
        self._arguments = arguments
        self._open_publishing = open_publishing
        self._settled = False
        self._stream = STREAM
        self._attempts = 0
        self._connection = 0
        self._waiting: list[Callable[[], None]] = []

    def when(self, call: Callable[[], None]) -> None:
        """Make the call once the broker is settled: now, or on this or a later connection."""
        if self._settled:
            call()
        else:
            self._waiting.append(call)

    def connection_up(self) -> None:
        """There is a connection: look at the broker behind it."""
        self._connection += 1
        self._look(MARKS)

    def connection_down(self) -> None:
        """The next connection may lead to a broker that has restarted."""
        self._settled = False
        self._connection += 1

    def _then(self, command: Command, go_on: Callable[[Future[Any]], None]) -> None:
        """Ask, and go on with the answer unless the connection was lost meanwhile."""
        connection = self._connection

        def answered(answer: Future[Any]) -> None:
            if isinstance(answer.exception(), JournalBroken):
                self._attempts += 1
                self._stream = STREAM + "+" * (self._attempts % ATTEMPTS)  # any stream will do
            if connection == self._connection:
                go_on(answer)

        self._asking.ask(command, answered)

    def _look(self, marks: tuple[str, ...]) -> None:
        """Look for the first mark whose node is there."""

        def looked(answer: Future[Any]) -> None:
            refusal = answer.exception()
            if refusal is None and answer.result():
                self._settle()
            elif refusal is not None and is_absent(refusal) and marks[1:]:
                self._look(marks[1:])
            else:
                if refusal is not None and not is_missing(refusal):
                    _log.warning("transport.mark_refused", detail=str(refusal))
                self._warm_up(marks[0])

        self._then(mark_is_left(marks[0]), looked)

    def _warm_up(self, mark: str) -> None:
        _log.info("transport.settling", seconds=SECONDS)
        if self._open_publishing is not None:
            self._open_publishing()

        def warmed(answer: Future[Any]) -> None:
            if (refusal := answer.exception()) is not None:
                _log.warning("transport.warmup_refused", detail=str(refusal))
            connection = self._connection
            self._loop.later(SECONDS, lambda: self._waited(connection, mark))

        self._then(declare(self._stream, self._arguments), warmed)

    def _waited(self, connection: int, mark: str) -> None:
        if connection != self._connection:
            return
        if self._open_publishing is None:
            self._then(leave_mark(mark), self._left)
        else:
            self._settle()

    def _left(self, answer: Future[Any]) -> None:
        if (refusal := answer.exception()) is not None:
            _log.warning("transport.mark_refused", detail=str(refusal))
        self._settle()

    def _settle(self) -> None:
        self._settled = True
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            guarded(call)
