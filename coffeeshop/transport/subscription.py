"""Reading a journal record by record, each one giving the credit for the next."""

from __future__ import annotations

import threading
from collections.abc import Callable

from coffeeshop.transport.base import Delivery, OnGone, Transport


class JournalSubscription:
    """Reads and calls ``on_delivery`` for every delivery, until it says False (or `close`).

    With the credit of a window, so that the next deliveries are under way meanwhile. The callback
    may come before the constructor returned; it never finds the reading unfinished.
    """

    def __init__(
        self,
        transport: Transport,
        journal: str,
        on_delivery: Callable[[Delivery], bool],
        on_gone: OnGone,
        *,
        offset: int = 0,
        window: int = 16,
    ) -> None:
        self._on_delivery = on_delivery
        self._going_on = True
        self._begun = threading.Lock()
        with self._begun:
            self._reader = transport.read(journal, offset, window, self._deliver, on_gone)

    def close(self) -> None:
        """Stop; a delivery under way may still arrive."""
        self._going_on = False
        self._reader.close()

    def _deliver(self, delivery: Delivery) -> None:
        with self._begun:
            reader = self._reader
        if not self._going_on:
            return
        self._going_on = self._on_delivery(delivery)
        if self._going_on:
            reader.credit(1)
        else:
            reader.close()
