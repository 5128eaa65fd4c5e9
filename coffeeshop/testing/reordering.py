"""A transport whose readings jump about."""

from __future__ import annotations

import random
import threading

from coffeeshop.testing.forwarding import NOWHERE, Forwarding, SerialQueue
from coffeeshop.transport.base import (
    Delivery,
    Message,
    OnDelivery,
    OnGone,
    Reader,
    Transport,
)

WINDOW = 8


class Reordering(Forwarding):
    """Delivers the messages of a journal in another order, each with its own offset.

    Every reading reads up to ``window`` messages ahead and picks among those. None is lost, none
    is held back for longer than its reader has credit: when nothing more is on its way, what is
    there is delivered. ``injected`` counts deliveries that overtook an earlier message.
    """

    def __init__(self, inner: Transport, rng: random.Random, window: int = WINDOW) -> None:
        super().__init__(inner, rng)
        self._window = window

    def read(
        self, name: str, offset: int, credit: int, on_delivery: OnDelivery, on_gone: OnGone
    ) -> Reader:
        reading = _Reading(self, credit, on_delivery, on_gone)
        # Without credit first: no delivery may come before the reading knows its reader.
        reading.reader = self.inner.read(name, offset, 0, reading.arrived, reading.gone)
        reading.reader.credit(self._window)
        return reading


class _Reading:
    reader: Reader

    def __init__(
        self, transport: Reordering, credit: int, on_delivery: OnDelivery, on_gone: OnGone
    ) -> None:
        self._transport = transport
        self._on_delivery = on_delivery
        self._on_gone = on_gone
        self._allowed = credit
        self._ahead: list[Delivery] = []
        self._lock = threading.Lock()
        self._queue = SerialQueue()
        self._open = True

    def credit(self, deliveries: int) -> None:
        with self._lock:
            self._allowed += deliveries
        self._go_on_soon()

    def close(self) -> None:
        with self._lock:
            self._open = False
        self.reader.close()

    def arrived(self, delivery: Delivery) -> None:
        with self._lock:
            self._ahead.append(delivery)
        self._go_on_soon()

    def gone(self) -> None:
        with self._lock:
            self._ahead.clear()
        self._queue.put(self._on_gone)

    def _go_on_soon(self) -> None:
        # What is under way to this reader now arrives before this comes back, or thereabouts.
        self._transport.inner.append(NOWHERE, Message(), lambda _: self._queue.put(self._go_on))

    def _go_on(self) -> None:
        while (picked := self._pick()) is not None:
            delivery, overtook = picked
            self._transport.note(overtook)
            self.reader.credit(1)
            self._on_delivery(delivery)

    def _pick(self) -> tuple[Delivery, bool] | None:
        with self._lock:
            if not self._open or self._allowed < 1 or not self._ahead:
                return None
            self._allowed -= 1
            with self._transport.lock:
                place = self._transport.rng.randrange(len(self._ahead))
            delivery = self._ahead.pop(place)
            return delivery, any(other.offset < delivery.offset for other in self._ahead)
