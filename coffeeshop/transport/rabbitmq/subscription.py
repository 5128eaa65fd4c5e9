"""What readers of journals and consumers of queues share: a channel that comes back."""

from __future__ import annotations

import time
from typing import Any

from coffeeshop.observability.logs import get_logger
from coffeeshop.transport.base import Message, OnGone
from coffeeshop.transport.rabbitmq.absence import Absence
from coffeeshop.transport.rabbitmq.connection import (
    AMQPError,
    Channel,
    ChannelClosedByBroker,
    Connection,
    NoFreeChannels,
    is_absent,
    is_absent_here,
    is_breakdown,
    is_missing,
)
from coffeeshop.transport.rabbitmq.isolation import Isolation
from coffeeshop.transport.rabbitmq.loop import Loop, guarded
from coffeeshop.transport.rabbitmq.reconnecting import (
    Attempts,
    ConnectionPool,
    ReconnectingConnection,
)

_log = get_logger()

OFFSET = "x-stream-offset"
WIDEST = 65_535
"""The largest prefetch there is."""
BROKEN_PATIENCE = 20.0
"""Seconds for which a subscription may break each connection that it attaches on. A broker that is
starting or changing its leaders may not have a stream that it knows; after that it is gone."""
SLOW = 3
"""How many times as long as without a delivery it may be without the answer to its attaching."""


def message(properties: Any, body: bytes) -> Message:
    """A delivered message as it was sent; what the broker added to its headers is left out."""
    headers = {
        name: int(value) if isinstance(value, int) else value  # pika's long is not quite an int
        for name, value in (properties.headers or {}).items()
        if name != OFFSET and isinstance(value, str | int)
    }
    return Message(headers, body)


class Subscription:
    """One consumer on a channel of its own, attached again after any loss.

    `closed` is set from any thread; the rest belongs to the loop's thread.
    """

    def __init__(
        self, loop: Loop, pool: ConnectionPool, isolation: Isolation, queue: str, on_gone: OnGone
    ) -> None:
        self.closed = False
        self._loop = loop
        self._pool = pool
        self._isolation = isolation
        self._queue = queue
        self._on_gone = on_gone
        self._link: ReconnectingConnection | None = None
        self._channel: Channel | None = None
        self._brokers_name = ""
        self._attempts = Attempts()
        self._attaching = False
        """Whether the broker was asked and has not answered."""
        self._heard_at = 0.0
        """When (monotonic seconds) it was asked, answered or sent something last."""
        self._broken_since: float | None = None
        """Since when (monotonic seconds) it breaks each connection that it attaches on."""
        self._absence = Absence(queue)

    def start(self) -> None:
        """Attach as soon as there is a connection."""
        if not self.closed:
            self._link = self._pool.lease(self)
            self._attach()

    def close(self) -> None:
        """Stop; from any thread. Closing twice is harmless."""
        if not self.closed:
            self.closed = True
            self._loop.post(self._leave)

    def connection_up(self, _connection: Connection) -> None:
        self._attach()

    def connection_down(self) -> None:
        attaching, self._attaching = self._attaching, False
        self._channel = None
        self._absence.end()
        self._reset()
        loss = self._link.loss if self._link is not None else None
        if is_breakdown(loss) and (attaching or f"'{self._queue}'" in str(loss)):
            self._isolate()

    def attach_to(self, link: ReconnectingConnection) -> None:
        """Attach on a link that is this subscription's alone; for `Isolation`."""
        self._link = link
        self._attach()

    def due_since(self, quiet: float) -> float | None:
        """Since when it is to attach anew for having heard nothing for so long, or will be; None if
        the broker owes it nothing. An answer may take `SLOW` times as long as a delivery."""
        if self.closed or self._channel is None:
            return None
        if self._attaching or not self._channel.is_open:
            return self._heard_at + SLOW * quiet
        return self._heard_at + quiet if self._waits() else None

    def renew(self) -> None:
        """Attach anew, from where it is: the broker may have forgotten it."""
        _log.debug("transport.subscription_renewed", queue=self._queue)
        self._detach()
        if self._isolation.holds(self):
            self._move()
        else:
            self._attach()

    def _heard(self) -> None:
        """The time without a word from the broker counts from now."""
        self._heard_at = time.monotonic()

    def _isolate(self) -> None:
        """The broker closed a connection, perhaps over this subscription: it attaches alone.

        One that broke a connection alone is what breaks them.
        """
        if not self._isolation.holds(self):
            self._vacate()
            self._isolation.enter(self)
            return
        self._vacate()
        now = time.monotonic()
        self._broken_since = now if self._broken_since is None else self._broken_since
        _log.warning("transport.subscription_breaks_connections", queue=self._queue)
        if now - self._broken_since > BROKEN_PATIENCE:
            self._vanish()
        else:
            self._loop.later(self._attempts.next(), lambda: self._isolation.enter(self))

    def _prefetch(self) -> int:
        """How many unacknowledged deliveries the new channel allows; >= 1."""
        raise NotImplementedError

    def _arguments(self) -> dict[str, Any]:
        """Arguments of the consumer."""
        raise NotImplementedError

    def _waits(self) -> bool:
        """Whether it waits for deliveries, and would lose none by attaching anew."""
        raise NotImplementedError

    def _reset(self) -> None:
        """The channel is gone, and so is the meaning of its delivery tags."""
        raise NotImplementedError

    def _deliver(self, tag: int, properties: Any, body: bytes) -> None:
        """A delivery on the present channel."""
        raise NotImplementedError

    def _attach(self) -> None:
        connection = self._link.connection if self._link is not None else None
        if connection is None or not connection.is_open or self.closed or self._channel is not None:
            return
        self._heard()
        try:
            self._channel = channel = connection.channel(on_open_callback=self._opened)
        except NoFreeChannels:
            self._move()
            return
        channel.add_on_close_callback(self._lost)
        channel.add_on_cancel_callback(lambda _frame: self._cancelled(channel))

    def _move(self) -> None:
        """The broker allows fewer channels on a connection than we thought."""
        self._vacate()
        self._link = self._pool.lease(self)
        self._attach()

    def _opened(self, channel: Channel) -> None:
        channel.basic_qos(prefetch_count=self._prefetch())
        self._attaching = True
        self._brokers_name = channel.basic_consume(
            self._queue,
            self._on_message,
            arguments=self._arguments(),
            callback=lambda _frame: self._attached(channel),
        )

    def _attached(self, channel: Channel) -> None:
        if channel is not self._channel:
            return
        self._attaching = False
        self._heard()
        self._broken_since = None
        self._absence.end()
        self._attempts.reset()
        if self._isolation.holds(self):
            self._detach()
            self._move()  # to where the others are

    def _on_message(self, channel: Channel, method: Any, properties: Any, body: bytes) -> None:
        if channel is self._channel and not self.closed:
            self._heard()
            self._deliver(method.delivery_tag, properties, body)

    def _cancelled(self, channel: Channel) -> None:
        """Most likely the queue was deleted; attaching again finds out."""
        if channel is self._channel:
            self._detach()
            self._retry("cancelled by the broker")

    def _lost(self, channel: Channel, reason: BaseException) -> None:
        if channel is not self._channel:
            return
        self._channel = None
        self._attaching = self._attaching and not isinstance(reason, ChannelClosedByBroker)
        self._reset()
        if is_absent(reason) and self._absence.is_final():
            self._vanish()
        elif self._has_others and is_absent_here(reason) and self._absence.is_lasting_here():
            self._go_elsewhere()
        elif is_missing(reason) and self._link is not None:
            self._link.denied(self._queue, self._vanish)
        elif isinstance(reason, ChannelClosedByBroker):
            self._retry(str(reason))
        # else the connection is lost, and the link says when there is another

    @property
    def _has_others(self) -> bool:
        """Whether there are other nodes."""
        return self._link is not None and self._link.address.cluster

    def _go_elsewhere(self) -> None:
        """Attach on another node."""
        link = self._link
        assert link is not None
        _log.info("transport.subscription_moves", queue=self._queue, broker=link.address.redacted)
        self._vacate()
        self._link = self._pool.lease(self, instead_of=link)
        self._absence.moved()
        self._attach()

    def _retry(self, reason: str) -> None:
        delay = self._attempts.next()
        _log.info("transport.subscription_lost", queue=self._queue, reason=reason)
        if self._isolation.holds(self):  # it broke no connection
            self._vacate()
            self._link = self._pool.lease(self)
        self._loop.later(delay, self._attach)

    def _vanish(self) -> None:
        if not self.closed:
            self.closed = True
            self._leave()
            guarded(self._on_gone)

    def _leave(self) -> None:
        self._detach()
        self._vacate()

    def _detach(self) -> None:
        channel, self._channel = self._channel, None
        self._attaching = False
        self._reset()
        if channel is not None and not channel.is_closing and not channel.is_closed:
            try:
                channel.close()
            except AMQPError as error:  # it went away at this moment, which is what we want
                _log.debug("transport.channel_gone", queue=self._queue, reason=str(error))

    def _vacate(self) -> None:
        if self._link is not None:
            self._link.listeners.discard(self)
            self._link = None
        self._isolation.leave(self)
