"""What callbacks say, kept for a test to wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import uuid4

from coffeeshop.transport import (
    Consumer,
    Delivery,
    Message,
    Outcome,
    QueueDelivery,
    Reader,
    Transport,
)

PATIENCE = 30.0
"""Seconds a test waits for something that must happen."""
CONFIRMED, RETURNED = Outcome.CONFIRMED, Outcome.RETURNED
T = TypeVar("T")


class Heard(Generic[T]):
    """A callback that keeps what it is called with."""

    def __init__(self, then: Callable[[T], None] = lambda value: None) -> None:
        """``then`` is called with the same value afterwards, in the same thread."""
        self._values: list[T] = []
        self._changed = threading.Condition()
        self._then = then

    def __call__(self, value: T) -> None:
        with self._changed:
            self._values.append(value)
            self._changed.notify_all()
        self._then(value)

    @property
    def all(self) -> list[T]:
        """What was heard so far."""
        with self._changed:
            return list(self._values)

    def first(self, number: int) -> list[T]:
        """Wait until that many were heard and return everything heard so far."""
        with self._changed:
            in_time = self._changed.wait_for(lambda: len(self._values) >= number, PATIENCE)
            assert in_time, f"heard {len(self._values)} of {number}: {self._values[-3:]}"
            return list(self._values)


@dataclass(frozen=True)
class Reading:
    """A reader and what it was told."""

    reader: Reader
    deliveries: Heard[Delivery]
    gone: Heard[None]

    def bodies(self, number: int) -> list[bytes]:
        """Wait for so many deliveries; the bodies of all so far."""
        return [delivery.message.body for delivery in self.deliveries.first(number)]


@dataclass(frozen=True)
class Consuming:
    """A consumer and what it was told."""

    consumer: Consumer
    handed: Heard[QueueDelivery]
    gone: Heard[None]

    def bodies(self, number: int) -> list[bytes]:
        """Wait for so many messages; the bodies of all so far."""
        return [handed.message.body for handed in self.handed.first(number)]

    def ack_all(self) -> None:
        """Ack everything handed over so far."""
        for handed in self.handed.all:
            self.consumer.ack(handed.tag)


@dataclass
class Bench:
    """A transport with names of its own, all of them deleted by `clear`."""

    transport: Transport
    _journals: list[str] = field(default_factory=list)
    _queues: list[str] = field(default_factory=list)

    def journal(self, *, declared: bool = True, max_bytes: int | None = None) -> str:
        """A journal nobody else has."""
        name = f"test.journal.{uuid4()}"
        self._journals.append(name)
        if declared:
            self.transport.declare_journal(name, max_bytes)
        return name

    def queue(self, *, declared: bool = True) -> str:
        """A queue nobody else has."""
        name = f"test.queue.{uuid4()}"
        self._queues.append(name)
        if declared:
            self.transport.declare_queue(name)
        return name

    def clear(self) -> None:
        """Delete every name there was."""
        for name in self._journals:
            self.transport.delete_journal(name)
        for name in self._queues:
            self.transport.delete_queue(name)

    def outcomes(self, journal: str, *bodies: bytes) -> list[Outcome]:
        """Append and wait for how it ended."""
        heard: Heard[Outcome] = Heard()
        for body in bodies:
            self.transport.append(journal, Message({}, body), heard)
        return heard.first(len(bodies))

    def append(self, journal: str, *bodies: bytes) -> None:
        """Append and wait for the confirms."""
        assert self.outcomes(journal, *bodies) == [CONFIRMED] * len(bodies)

    def publish(self, queue: str, *bodies: bytes) -> None:
        """Publish and wait for the confirms."""
        heard: Heard[Outcome] = Heard()
        for body in bodies:
            self.transport.publish(queue, Message({}, body), heard)
        assert heard.first(len(bodies)) == [CONFIRMED] * len(bodies)

    def read(
        self,
        journal: str,
        offset: int = 0,
        credit: int = 1_000,
        then: Callable[[Delivery], None] = lambda delivery: None,
    ) -> Reading:
        """Read a journal."""
        deliveries, gone = Heard(then), Heard[None]()
        reader = self.transport.read(journal, offset, credit, deliveries, lambda: gone(None))
        return Reading(reader, deliveries, gone)

    def consume(
        self,
        queue: str,
        prefetch: int = 100,
        then: Callable[[QueueDelivery], None] = lambda handed: None,
    ) -> Consuming:
        """Consume from a queue."""
        handed, gone = Heard(then), Heard[None]()
        consumer = self.transport.consume(queue, prefetch, handed, lambda: gone(None))
        return Consuming(consumer, handed, gone)

    def settle(self) -> None:
        """Let a few messages make the whole way, so that what was to come has come.

        What a test then asserts not to have come could in theory still come: a wrong transport may
        get away with it, a right one never fails.
        """
        for _ in range(3):
            journal, queue = self.journal(), self.queue()
            reading, consuming = self.read(journal), self.consume(queue)
            self.append(journal, b"settle")
            self.publish(queue, b"settle")
            reading.bodies(1)
            consuming.bodies(1)
            consuming.ack_all()
            reading.reader.close()
            consuming.consumer.close()


def numbered(numbers: range) -> list[bytes]:
    """Bodies to tell apart."""
    return [str(number).encode() for number in numbers]


@dataclass
class Turns:
    """Callbacks that must not come two at a time, nor from inside a call of the same thread."""

    inside: threading.local = field(default_factory=threading.local)
    wrong: list[str] = field(default_factory=list)

    def callback(self, name: str) -> Callable[[object], None]:
        """A callback that keeps what is wrong about its calls."""
        turn = threading.Lock()

        def call(_: object) -> None:
            if getattr(self.inside, "call", False):
                self.wrong.append(f"{name} from inside a call")
            if not turn.acquire(blocking=False):
                self.wrong.append(f"{name} two at a time")
                return
            sum(range(300))  # long enough to be met
            turn.release()

        return call

    def calling(self, call: Callable[[], T]) -> T:
        """Make a call of the transport."""
        self.inside.call = True
        try:
            return call()
        finally:
            self.inside.call = False
