"""Consuming a queue: tags that stay unambiguous across reconnects."""

from __future__ import annotations

from itertools import count
from typing import Any

from coffeeshop.transport.base import OnGone, OnQueueDelivery, QueueDelivery
from coffeeshop.transport.rabbitmq.isolation import Isolation
from coffeeshop.transport.rabbitmq.loop import Loop, guarded
from coffeeshop.transport.rabbitmq.reconnecting import ConnectionPool
from coffeeshop.transport.rabbitmq.subscription import WIDEST, Subscription, message


class RabbitConsumer(Subscription):
    """`transport.base.Consumer` of a queue.

    Tags are the consumer's own and never used twice. Those handed out before a reconnect mean
    nothing to the new channel, where the broker's tags begin at 1 again: they are forgotten.
    """

    def __init__(
        self,
        loop: Loop,
        pool: ConnectionPool,
        isolation: Isolation,
        queue: str,
        prefetch: int,
        on_delivery: OnQueueDelivery,
        on_gone: OnGone,
    ) -> None:
        super().__init__(loop, pool, isolation, queue, on_gone)
        self._on_delivery = on_delivery
        self._count = min(max(1, prefetch), WIDEST)
        self._tags = count(1)
        self._unsettled: dict[int, int] = {}
        self._taking = True

    def ack(self, tag: int) -> None:
        """Done with this message; from any thread."""
        self._loop.post(lambda: self._settle(tag, requeue=False))

    def requeue(self, tag: int) -> None:
        """Hand this message to another consumer; from any thread."""
        self._loop.post(lambda: self._settle(tag, requeue=True))

    def stop_taking(self) -> None:
        """Ask for no more; from any thread. The channel stays, so that what is held can end."""
        self._loop.post(self._stop_taking)

    def _stop_taking(self) -> None:
        self._taking = False
        if self._channel is not None and self._channel.is_open and self._brokers_name:
            self._channel.basic_cancel(self._brokers_name)

    def _attach(self) -> None:
        if self._taking:
            super()._attach()
        else:  # after a reconnect nothing is held any more, and nothing wanted
            self._isolation.leave(self)

    def _settle(self, tag: int, *, requeue: bool) -> None:
        brokers = self._unsettled.pop(tag, None)
        if brokers is not None and not self._unsettled:  # it waits from now on
            self._heard()
        if brokers is None or self._channel is None or not self._channel.is_open:
            return
        if requeue:
            self._channel.basic_reject(brokers, requeue=True)
        else:
            self._channel.basic_ack(brokers)

    def _prefetch(self) -> int:
        return self._count

    def _arguments(self) -> dict[str, Any]:
        return {}

    def _waits(self) -> bool:
        return self._taking and not self._unsettled

    def _reset(self) -> None:
        self._unsettled.clear()

    def _deliver(self, tag: int, properties: Any, body: bytes) -> None:
        own = next(self._tags)
        self._unsettled[own] = tag
        guarded(self._on_delivery, QueueDelivery(own, message(properties, body)))
