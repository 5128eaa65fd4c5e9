"""A transport whose connection is cut now and then."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable

from coffeeshop.testing.forwarding import Forwarding, Send, SerialQueue, refuse
from coffeeshop.transport.base import (
    Consumer,
    Message,
    OnDelivery,
    OnGone,
    OnOutcome,
    OnQueueDelivery,
    Outcome,
    Reader,
    Transport,
)


class Cut(Forwarding):
    """Is cut at the n-th append, publish or delivery, until a test calls `heal`.

    While it is cut, every outcome is UNKNOWN (also of what was stored before), nothing is stored,
    and what would be delivered or handed over waits. Declaring, deleting and settling still work.
    ``injected`` counts the outcomes and deliveries that met a cut.
    """

    def __init__(
        self, inner: Transport, rng: random.Random, after: tuple[int, int] = (20, 60)
    ) -> None:
        """``after``: the least and the most of n; drawn anew each time it is healed."""
        super().__init__(inner, rng)
        self._after = after
        self._left: float = rng.randint(*after)
        self._queues: list[SerialQueue] = []
        self.down = threading.Event()
        """Whether it is cut: a test may wait for this."""

    def heal(self, *, for_good: bool = False) -> None:
        """Let everything through again, what waited first; until the next cut, or for good."""
        with self.lock:
            self._left = math.inf if for_good else self.rng.randint(*self._after)
            self.down.clear()
            queues = list(self._queues)
        for queue in queues:
            queue.run()

    def append(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        self._send(self.inner.append, name, message, on_outcome)

    def publish(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        self._send(self.inner.publish, name, message, on_outcome)

    def read(
        self, name: str, offset: int, credit: int, on_delivery: OnDelivery, on_gone: OnGone
    ) -> Reader:
        queue = self._queue()
        return _HeldReader(
            self.inner.read(
                name,
                offset,
                credit,
                lambda delivery: self._pass(queue, lambda: on_delivery(delivery)),
                lambda: queue.put(on_gone),
            ),
            queue,
        )

    def consume(
        self, name: str, prefetch: int, on_delivery: OnQueueDelivery, on_gone: OnGone
    ) -> Consumer:
        queue = self._queue()
        return _HeldConsumer(
            self.inner.consume(
                name,
                prefetch,
                lambda handed: self._pass(queue, lambda: on_delivery(handed)),
                lambda: queue.put(on_gone),
            ),
            queue,
        )

    def _queue(self) -> SerialQueue:
        queue = SerialQueue(held=self.down.is_set)
        with self.lock:
            self._queues.append(queue)
        return queue

    def _pass(self, queue: SerialQueue, call: Callable[[], None]) -> None:
        self._met_cut()
        queue.put(call)

    def _send(self, send: Send, name: str, message: Message, on_outcome: OnOutcome) -> None:
        if self._met_cut():
            refuse(send, on_outcome, Outcome.UNKNOWN)
        else:
            send(name, message, lambda outcome: on_outcome(self._seen(outcome)))

    def _seen(self, outcome: Outcome) -> Outcome:
        if not self.down.is_set():
            return outcome
        self.note()
        return Outcome.UNKNOWN

    def _met_cut(self) -> bool:
        with self.lock:
            if not self.down.is_set():
                self._left -= 1
                if self._left > 0:
                    return False
                self.down.set()
            self._injected += 1
            return True


class _HeldReader:
    def __init__(self, inner: Reader, queue: SerialQueue) -> None:
        self._inner = inner
        self._queue = queue

    def credit(self, deliveries: int) -> None:
        self._inner.credit(deliveries)

    def close(self) -> None:
        self._inner.close()
        self._queue.drop()


class _HeldConsumer:
    def __init__(self, inner: Consumer, queue: SerialQueue) -> None:
        self._inner = inner
        self._queue = queue

    def ack(self, tag: int) -> None:
        self._inner.ack(tag)

    def requeue(self, tag: int) -> None:
        self._inner.requeue(tag)

    def stop_taking(self) -> None:
        self._inner.stop_taking()

    def close(self) -> None:
        self._inner.close()
        self._queue.drop()
