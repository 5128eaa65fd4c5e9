"""A broker that has just started is not to be trusted for a few seconds."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from coffeeshop.errors import JournalBroken
from coffeeshop.logs import get_logger
from coffeeshop.transport.rabbitmq_acts import declare, declare_exchange, exchange_exists
from coffeeshop.transport.rabbitmq_control import Control
from coffeeshop.transport.rabbitmq_loop import Loop, guarded
from coffeeshop.transport.rabbitmq_wire import is_missing

_log = get_logger()

STREAM = "ctl.warmup"
MARK = "ctl.settled"
SECONDS = 5.0


class Settling:
    """Says when the broker behind a connection may be trusted with streams.

    Measured on RabbitMQ 3.10: while it recovers its streams after a crash it replaces their
    writers, once for every earlier crash, and what a replaced writer confirmed is lost. And the
    first stream that a broker ever has may lose confirmed messages in a crash within its first
    second. So whoever finds a broker without the mark makes sure that it has a stream without a
    purpose, waits, and leaves the mark: an exchange that does not survive a restart. Later comers
    need not wait.

    Belongs to the loop's thread; one for each link.
    """

    def __init__(self, loop: Loop, asking: Control, arguments: dict[str, Any]) -> None:
        """``asking`` is on the same link. ``arguments`` of the stream."""
        self._loop = loop
        self._asking = asking
        self._arguments = arguments
        self._settled = False
        self._stream = STREAM
        self._connection = 0
        self._waiting: list[Callable[[], None]] = []

    def when(self, call: Callable[[], None]) -> None:
        """Make the call once the broker is settled: now, or on this or a later connection."""
        if self._settled:
            call()
        else:
            self._waiting.append(call)

    def link_up(self) -> None:
        """There is a connection: look at the broker behind it."""
        self._connection += 1
        self._then(exchange_exists(MARK), self._looked)

    def link_down(self) -> None:
        """The next connection may lead to a broker that has restarted."""
        self._settled = False
        self._connection += 1

    def _then(self, act: Any, go_on: Callable[[BaseException | None], None]) -> None:
        """Ask, and go on with the refusal (or None) unless the connection was lost meanwhile."""
        connection = self._connection

        def answered(answer: Future[None]) -> None:
            refusal = answer.exception()
            if isinstance(refusal, JournalBroken):
                self._stream += "+"  # any stream will do
            if connection == self._connection:
                go_on(refusal)

        self._asking.ask(act, answered)

    def _looked(self, refusal: BaseException | None) -> None:
        if refusal is None:
            self._settle(None)
            return
        if not is_missing(refusal):
            _log.warning("transport.mark_refused", detail=str(refusal))
        _log.info("transport.settling", seconds=SECONDS)
        self._then(declare(self._stream, self._arguments), self._warmed)

    def _warmed(self, refusal: BaseException | None) -> None:
        if refusal is not None:
            _log.warning("transport.warmup_refused", detail=str(refusal))
        connection = self._connection

        def waited() -> None:
            if connection == self._connection:
                self._then(declare_exchange(MARK), self._settle)

        self._loop.later(SECONDS, waited)

    def _settle(self, refusal: BaseException | None) -> None:
        if refusal is not None:
            _log.warning("transport.mark_refused", detail=str(refusal))
        self._settled = True
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            guarded(call)
