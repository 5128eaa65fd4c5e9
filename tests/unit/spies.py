"""A transport in memory that notes what it is asked for and fails as a test says."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pykka

from coffeeshop.pipeline.messages import (
    Assignment,
    Record,
    SessionSpec,
    TaskId,
    assign_queue,
    out_journal,
)
from coffeeshop.pipeline.plan import plan_named
from coffeeshop.transport import Consumer, Delivery, Message, Outcome, QueueDelivery, Reader
from coffeeshop.transport.base import OnDelivery, OnGone, OnOutcome, OnQueueDelivery
from coffeeshop.transport.memory import MemoryTransport
from tests.unit.helpers import PATIENCE

SCRATCH = "scratch"


class SpyReader:
    """A reader that notes the credit it is given."""

    def __init__(self, inner: Reader, given: list[int], closed: threading.Event) -> None:
        self._inner = inner
        self._given = given
        self._closed = closed

    def credit(self, deliveries: int) -> None:
        self._given.append(deliveries)
        self._inner.credit(deliveries)

    def close(self) -> None:
        self._closed.set()
        self._inner.close()


class SpyConsumer:
    """A consumer that says which tags were acked."""

    def __init__(self, inner: Consumer, queue: str, acks: SimpleQueue[tuple[str, int]]) -> None:
        self._inner = inner
        self._queue = queue
        self._acks = acks

    def ack(self, tag: int) -> None:
        self._inner.ack(tag)
        self._acks.put((self._queue, tag))

    def requeue(self, tag: int) -> None:
        self._inner.requeue(tag)

    def stop_taking(self) -> None:
        self._inner.stop_taking()

    def close(self) -> None:
        self._inner.close()


class SpyTransport:
    """A transport in memory that notes what it is asked for and ends appends as a test says."""

    def __init__(self) -> None:
        self.inner = MemoryTransport()
        self.inner.declare_journal(SCRATCH)
        self.acks: SimpleQueue[tuple[str, int]] = SimpleQueue()
        self.appended: SimpleQueue[tuple[str, Record]] = SimpleQueue()
        self.reads: SimpleQueue[str] = SimpleQueue()
        self.handed = 0
        self.credits: dict[str, list[int]] = defaultdict(list)
        self.delivered: dict[str, int] = defaultdict(int)
        self.closed: dict[str, threading.Event] = defaultdict(threading.Event)
        self.script: dict[str, deque[Outcome]] = defaultdict(deque)
        """Per journal, how the next appends end."""
        self.held: dict[str, list[Callable[[], None]]] = {}
        """Journals (keys a test adds) whose confirmations wait here until a test calls them."""

    def declare_journal(self, name: str, max_bytes: int | None = None) -> None:
        self.inner.declare_journal(name)

    def delete_journal(self, name: str) -> None:
        self.inner.delete_journal(name)

    def append(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        """As scripted. An UNKNOWN is stored all the same, a NACKED is not, a held one is."""
        planned = self.script[name].popleft() if self.script[name] else None
        held = self.held.get(name)
        if held is not None:
            held.append(lambda: on_outcome(Outcome.CONFIRMED))
        self.appended.put((name, Record.of(message)))  # a test that got it finds it held
        if held is not None:
            self.inner.append(name, message, lambda _: None)
        elif planned is None:
            self.inner.append(name, message, on_outcome)
        elif planned is Outcome.UNKNOWN:
            self.inner.append(name, message, lambda _: on_outcome(planned))
        else:
            self.inner.append(SCRATCH, message, lambda _: on_outcome(planned))

    def read(
        self, name: str, offset: int, credit: int, on_delivery: OnDelivery, on_gone: OnGone
    ) -> SpyReader:
        self.credits[name].append(credit)

        def deliver(delivery: Delivery) -> None:
            self.delivered[name] += 1
            on_delivery(delivery)

        reader = self.inner.read(name, offset, credit, deliver, on_gone)
        self.reads.put(name)
        return SpyReader(reader, self.credits[name], self.closed[name])

    def declare_queue(self, name: str) -> None:
        self.inner.declare_queue(name)

    def delete_queue(self, name: str) -> None:
        self.inner.delete_queue(name)

    def publish(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        self.inner.publish(name, message, on_outcome)

    def consume(
        self, name: str, prefetch: int, on_delivery: OnQueueDelivery, on_gone: OnGone
    ) -> SpyConsumer:
        def hand_over(handed: QueueDelivery) -> None:
            self.handed += 1
            on_delivery(handed)

        return SpyConsumer(self.inner.consume(name, prefetch, hand_over, on_gone), name, self.acks)

    def close(self) -> None:
        self.inner.close()

    def settle(self) -> None:
        """Wait until every callback was made that is due by now."""
        for _ in range(2):
            reached = threading.Event()
            self.inner.append(SCRATCH, Message(), lambda _, reached=reached: reached.set())  # type: ignore[misc]
            assert reached.wait(PATIENCE)

    def put(self, journal: str, *records: Record) -> None:
        """Store records in a journal behind the script's back."""
        for record in records:
            self.inner.append(journal, record.message(), lambda _: None)

    def assign(self, spec: SessionSpec, task: TaskId) -> None:
        """Put a task up for the nodes."""
        self.assign_bytes(task.stage, Assignment(spec, task).to_bytes())

    def assign_bytes(self, stage: str, body: bytes) -> None:
        """Put any bytes up for the nodes."""
        self.inner.declare_queue(assign_queue(stage))
        self.inner.publish(assign_queue(stage), Message({}, body), lambda _: None)

    def declare(self, spec: SessionSpec) -> None:
        """The journals of a session."""
        self.inner.declare_journal(out_journal(spec.id))
        for task in plan_named(spec.plan).tasks(spec):
            self.inner.declare_journal(task.journal)

    def records(self, journal: str) -> list[Record]:
        """What a journal holds."""
        found: list[Record] = []
        reader = self.inner.read(
            journal, 0, 1_000_000, lambda d: found.append(Record.of(d.message)), lambda: None
        )
        self.settle()
        reader.close()
        return found


class Tap:
    """Everything a journal says, one record at a time."""

    def __init__(self, transport: SpyTransport, journal: str) -> None:
        self._records: SimpleQueue[Record] = SimpleQueue()
        self._reader = transport.inner.read(
            journal,
            0,
            1_000_000,
            lambda delivery: self._records.put(Record.of(delivery.message)),
            lambda: None,
        )

    def next(self) -> Record:
        """The next record."""
        return self._records.get(timeout=PATIENCE)

    def empty(self) -> bool:
        """Whether nothing more was said so far."""
        return self._records.empty()


class Listener(pykka.ThreadingActor):
    """An actor in a supervisor's place: it only listens."""

    use_daemon_thread = True

    def __init__(self, heard: SimpleQueue[Any]) -> None:
        super().__init__()
        self._heard = heard

    def on_receive(self, message: Any) -> None:
        self._heard.put(message)
