"""The queues of the memory transport: each message to one consumer, in turn."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from coffeeshop.transport.base import (
    Message,
    OnGone,
    OnOutcome,
    OnQueueDelivery,
    Outcome,
    QueueDelivery,
)
from coffeeshop.transport.callbacks import TURN, CallbackThread


@dataclass
class _Queue:
    waiting: deque[Message] = field(default_factory=deque)
    consumers: deque[Consumer] = field(default_factory=deque)


class Consumer:
    """Takes from one queue; `transport.base.Consumer`."""

    def __init__(
        self,
        queues: Queues,
        queue: str,
        prefetch: int,
        on_delivery: OnQueueDelivery,
        on_gone: OnGone,
    ) -> None:
        self._queues = queues
        self.queue = queue
        self.prefetch = prefetch
        self.on_delivery = on_delivery
        self.on_gone = on_gone
        self.unsettled: dict[int, Message] = {}
        self.tags = count(1)

    def ack(self, tag: int) -> None:
        with self._queues.lock:
            self.unsettled.pop(tag, None)
        self._queues.wake(self.queue)

    def requeue(self, tag: int) -> None:
        with self._queues.lock:
            message = self.unsettled.pop(tag, None)
            queue = self._queues.get(self.queue)
            if message is not None and queue is not None:
                queue.waiting.appendleft(message)
        self._queues.wake(self.queue)

    def stop_taking(self) -> None:
        with self._queues.lock:
            queue = self._queues.get(self.queue)
            if queue is not None and self in queue.consumers:
                queue.consumers.remove(self)

    def close(self) -> None:
        with self._queues.lock:
            queue = self._queues.get(self.queue)
            if queue is not None:
                queue.waiting.extendleft(reversed(self.unsettled.values()))
                with suppress(ValueError):  # closed before
                    queue.consumers.remove(self)
            self.unsettled.clear()
        self._queues.wake(self.queue)


class Queues:
    """Thread-safe, under the transport's lock; its thread makes the callbacks."""

    def __init__(self, lock: threading.RLock, calls: CallbackThread) -> None:
        self.lock = lock
        self._calls = calls
        self._by_name: dict[str, _Queue] = {}

    def names(self) -> list[str]:
        """Every queue there is."""
        with self.lock:
            return list(self._by_name)

    def get(self, name: str) -> _Queue | None:
        """The queue of that name, if it is there; the caller holds the lock."""
        return self._by_name.get(name)

    def waiting(self, name: str) -> list[Message]:
        """What was not handed to anybody, the next one first. Raises `KeyError`."""
        with self.lock:
            return list(self._by_name[name].waiting)

    def declare(self, name: str) -> None:
        with self.lock:
            self._by_name.setdefault(name, _Queue())

    def delete(self, name: str) -> None:
        with self.lock:
            queue = self._by_name.pop(name, None)
        for consumer in queue.consumers if queue is not None else ():
            self._calls.submit(consumer.on_gone)

    def publish(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        with self.lock:
            queue = self._by_name.get(name)
            if queue is None:
                self._calls.submit(lambda: on_outcome(Outcome.RETURNED))
                return
            queue.waiting.append(message)
            self._calls.submit(lambda: on_outcome(Outcome.CONFIRMED))
            self.wake(name)

    def consume(
        self, name: str, prefetch: int, on_delivery: OnQueueDelivery, on_gone: OnGone
    ) -> Consumer:
        consumer = Consumer(self, name, prefetch, on_delivery, on_gone)
        with self.lock:
            queue = self._by_name.get(name)
            if queue is not None:
                queue.consumers.append(consumer)
        if queue is None:
            self._calls.submit(on_gone)
        self.wake(name)
        return consumer

    def clear(self) -> None:
        """Forget every queue."""
        with self.lock:
            self._by_name.clear()

    def wake(self, queue: str) -> None:
        """Let the transport's thread look after the consumers of a queue."""
        self._calls.wake(self._hand_over, queue)

    def _hand_over(self, name: str) -> None:
        for _ in range(TURN):
            due = self._due(name)
            if due is None:
                return
            consumer, handed = due
            consumer.on_delivery(handed)
        self.wake(name)

    def _due(self, name: str) -> tuple[Consumer, QueueDelivery] | None:
        with self.lock:
            queue = self._by_name.get(name)
            if queue is None or not queue.waiting:
                return None
            free = [c for c in queue.consumers if len(c.unsettled) < c.prefetch]
            if not free:
                return None
            consumer = free[0]
            # Round robin: a consumer that was handed a message goes to the back.
            queue.consumers.remove(consumer)
            queue.consumers.append(consumer)
            handed = QueueDelivery(next(consumer.tags), queue.waiting.popleft())
            consumer.unsettled[handed.tag] = handed.message
            return consumer, handed
