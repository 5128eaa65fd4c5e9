"""Reading a stream: credit over prefetch, and where it was after a lost connection."""

from __future__ import annotations

from collections import deque
from typing import Any

from coffeeshop.transport.base import Delivery, OnDelivery, OnGone
from coffeeshop.transport.rabbitmq.isolation import Isolation
from coffeeshop.transport.rabbitmq.loop import Loop, guarded
from coffeeshop.transport.rabbitmq.reconnecting import ConnectionPool
from coffeeshop.transport.rabbitmq.subscription import OFFSET, WIDEST, Subscription, message
from coffeeshop.transport.rabbitmq.window import Window


class RabbitReader(Subscription):
    """`transport.base.Reader` of a stream.

    The broker sends whole chunks, so it may send more than the credit: the surplus waits here,
    unacknowledged.
    """

    def __init__(
        self,
        loop: Loop,
        pool: ConnectionPool,
        isolation: Isolation,
        journal: str,
        offset: int,
        credit: int,
        *,
        on_delivery: OnDelivery,
        on_gone: OnGone,
    ) -> None:
        super().__init__(loop, pool, isolation, journal, on_gone)
        self._on_delivery = on_delivery
        self._credit = credit
        self._next = offset
        self._expected = offset
        self._surplus: deque[Delivery] = deque()
        self._size = 1
        self._window: Window | None = None
        self._flush_posted = False

    def credit(self, deliveries: int) -> None:
        """Allow that many deliveries more; from any thread."""
        self._loop.post(lambda: self._grant(deliveries))

    def _grant(self, deliveries: int) -> None:
        if self._credit == 0:  # it waits from now on
            self._heard()
        self._credit += deliveries
        if self._window is not None:
            self._window.grant(deliveries)
        self._hand_over()
        self._flush_soon()

    def _prefetch(self) -> int:
        # As wide as it ever was: deliveries from before a reconnect are credited back one by one.
        self._size = min(max(self._size, self._credit), WIDEST)
        self._window = Window(self._size, self._credit)
        return self._size

    def _arguments(self) -> dict[str, Any]:
        return {OFFSET: self._next}

    def _waits(self) -> bool:
        return self._credit > 0

    def _reset(self) -> None:
        self._window = None
        self._surplus.clear()
        self._expected = self._next

    def _deliver(self, tag: int, properties: Any, body: bytes) -> None:
        window = self._window
        assert window is not None
        window.receive()
        offset = properties.headers[OFFSET]
        if offset < self._expected:
            window.drop()
        else:
            since, self._expected = self._expected, int(offset) + 1
            self._surplus.append(Delivery(int(offset), message(properties, body), since))
            self._hand_over()
        self._flush_soon()

    def _hand_over(self) -> None:
        while self._surplus and self._credit > 0 and not self.closed:
            delivery = self._surplus.popleft()
            self._credit -= 1
            self._next = delivery.offset + 1
            guarded(self._on_delivery, delivery)

    def _flush_soon(self) -> None:
        """One acknowledgement for all that becomes due in this turn of the loop."""
        if not self._flush_posted:
            self._flush_posted = self._loop.post(self._flush)

    def _flush(self) -> None:
        self._flush_posted = False
        if self._window is None or self._channel is None or not self._channel.is_open:
            return
        if upto := self._window.due():
            self._channel.basic_ack(upto, multiple=True)
