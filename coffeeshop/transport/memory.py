"""Journals and queues in one process.

The embedded default. Messages travel as the same encoded bytes as over a broker. Bodies stay in
memory up to ``ram_limit`` bytes in total; beyond it the oldest go to an unlinked file per journal
and are read back when a reader gets there.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from queue import SimpleQueue

from coffeeshop.transport.base import (
    Delivery,
    Handed,
    Headers,
    Message,
    OnDelivery,
    OnGone,
    OnHanded,
    OnOutcome,
    Outcome,
)

RAM_LIMIT = 96 << 20


@dataclass
class _Entry:
    """A stored message: its body is in memory, or at ``place`` in the journal's file."""

    headers: Headers
    size: int
    body: bytes | None
    place: int = 0


@dataclass
class _Journal:
    entries: list[_Entry] = field(default_factory=list)
    readers: list[_Reader] = field(default_factory=list)
    file: int | None = None
    spilled: int = 0

    def spill(self, entry: _Entry) -> None:
        if self.file is None:
            self.file, path = tempfile.mkstemp(prefix="coffeeshop-journal-")
            os.unlink(path)
        body = entry.body or b""
        entry.place = self.spilled
        written = 0
        while written < entry.size:
            written += os.pwrite(self.file, memoryview(body)[written:], self.spilled + written)
        self.spilled += entry.size
        entry.body = None

    def message(self, offset: int) -> Message:
        entry = self.entries[offset]
        body = entry.body
        if body is None:
            assert self.file is not None
            body = os.pread(self.file, entry.size, entry.place)
        return Message(entry.headers, body)

    def close(self) -> None:
        if self.file is not None:
            os.close(self.file)
            self.file = None


class _Reader:
    def __init__(
        self,
        transport: MemoryTransport,
        journal: str,
        offset: int,
        credit: int,
        on_delivery: OnDelivery,
        on_gone: OnGone,
    ) -> None:
        self._transport = transport
        self.journal = journal
        self.offset = offset
        self.allowed = credit
        self.on_delivery = on_delivery
        self.on_gone = on_gone
        self.open = True

    def credit(self, deliveries: int) -> None:
        with self._transport.lock:
            self.allowed += deliveries
        self._transport.wake(self.journal)

    def close(self) -> None:
        self.open = False
        with self._transport.lock:
            journal = self._transport.journals.get(self.journal)
            if journal is not None and self in journal.readers:
                journal.readers.remove(self)


@dataclass
class _Queue:
    waiting: deque[Message] = field(default_factory=deque)
    consumers: deque[_Consumer] = field(default_factory=deque)


class _Consumer:
    def __init__(
        self,
        transport: MemoryTransport,
        queue: str,
        prefetch: int,
        on_handed: OnHanded,
        on_gone: OnGone,
    ) -> None:
        self._transport = transport
        self.queue = queue
        self.prefetch = prefetch
        self.on_handed = on_handed
        self.on_gone = on_gone
        self.unsettled: dict[int, Message] = {}
        self.tags = count(1)
        self.open = True

    def ack(self, tag: int) -> None:
        with self._transport.lock:
            self.unsettled.pop(tag, None)
        self._transport.wake_queue(self.queue)

    def requeue(self, tag: int) -> None:
        with self._transport.lock:
            message = self.unsettled.pop(tag, None)
            queue = self._transport.queues.get(self.queue)
            if message is not None and queue is not None:
                queue.waiting.appendleft(message)
        self._transport.wake_queue(self.queue)

    def close(self) -> None:
        with self._transport.lock:
            self.open = False
            queue = self._transport.queues.get(self.queue)
            if queue is not None:
                queue.waiting.extendleft(reversed(self.unsettled.values()))
                with suppress(ValueError):  # closed before
                    queue.consumers.remove(self)
            self.unsettled.clear()
        self._transport.wake_queue(self.queue)


class MemoryTransport:
    """`transport.base.Transport` in memory. One thread makes all the callbacks."""

    def __init__(self, ram_limit: int = RAM_LIMIT) -> None:
        """Keeps at most ``ram_limit`` bytes of journal bodies in memory."""
        self.lock = threading.RLock()
        self.journals: dict[str, _Journal] = {}
        self.queues: dict[str, _Queue] = {}
        self._ram_limit = ram_limit
        self._resident = 0
        self._oldest: deque[tuple[str, _Entry]] = deque()
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._open = True
        self._thread = threading.Thread(target=self._run, name="memory-transport", daemon=True)
        self._thread.start()

    def names(self) -> list[str]:
        """Every journal and queue there is, sorted."""
        with self.lock:
            return sorted([*self.journals, *self.queues])

    def resident(self) -> int:
        """Bytes of journal bodies in memory."""
        return self._resident

    def declare_journal(self, name: str) -> None:
        with self.lock:
            self.journals.setdefault(name, _Journal())

    def delete_journal(self, name: str) -> None:
        with self.lock:
            journal = self.journals.pop(name, None)
            if journal is None:
                return
            self._oldest = deque(pair for pair in self._oldest if pair[0] != name)
            self._resident -= sum(e.size for e in journal.entries if e.body is not None)
            journal.close()
        for reader in journal.readers:
            self._calls.put(reader.on_gone)

    def append(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        with self.lock:
            journal = self.journals.get(name)
            if journal is not None and self._open:
                entry = _Entry(dict(message.headers), len(message.body), message.body)
                journal.entries.append(entry)
                self._oldest.append((name, entry))
                self._resident += entry.size
                self._spill()
                outcome = Outcome.CONFIRMED
            else:
                outcome = Outcome.RETURNED if self._open else Outcome.UNKNOWN
        self._calls.put(lambda: on_outcome(outcome))
        self.wake(name)

    def read(
        self, name: str, offset: int, credit: int, on_delivery: OnDelivery, on_gone: OnGone
    ) -> _Reader:
        reader = _Reader(self, name, offset, credit, on_delivery, on_gone)
        with self.lock:
            journal = self.journals.get(name)
            if journal is not None:
                journal.readers.append(reader)
        if journal is None:
            self._calls.put(on_gone)
        self.wake(name)
        return reader

    def declare_queue(self, name: str) -> None:
        with self.lock:
            self.queues.setdefault(name, _Queue())

    def delete_queue(self, name: str) -> None:
        with self.lock:
            queue = self.queues.pop(name, None)
        for consumer in queue.consumers if queue is not None else ():
            self._calls.put(consumer.on_gone)

    def publish(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        with self.lock:
            queue = self.queues.get(name)
            if queue is not None and self._open:
                queue.waiting.append(message)
                outcome = Outcome.CONFIRMED
            else:
                outcome = Outcome.RETURNED if self._open else Outcome.UNKNOWN
        self._calls.put(lambda: on_outcome(outcome))
        self.wake_queue(name)

    def consume(self, name: str, prefetch: int, on_handed: OnHanded, on_gone: OnGone) -> _Consumer:
        consumer = _Consumer(self, name, prefetch, on_handed, on_gone)
        with self.lock:
            queue = self.queues.get(name)
            if queue is not None:
                queue.consumers.append(consumer)
        if queue is None:
            self._calls.put(on_gone)
        self.wake_queue(name)
        return consumer

    def close(self) -> None:
        with self.lock:
            if not self._open:
                return
            self._open = False
        self._calls.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()
        with self.lock:
            for journal in self.journals.values():
                journal.close()
            self.journals.clear()
            self.queues.clear()

    def wake(self, journal: str) -> None:
        """Let the transport's thread look after the readers of a journal."""
        self._calls.put(lambda: self._deliver(journal))

    def wake_queue(self, queue: str) -> None:
        """Let the transport's thread look after the consumers of a queue."""
        self._calls.put(lambda: self._hand_over(queue))

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()

    def _spill(self) -> None:
        while self._resident > self._ram_limit and self._oldest:
            name, entry = self._oldest.popleft()
            self.journals[name].spill(entry)
            self._resident -= entry.size

    def _deliver(self, name: str) -> None:
        for reader, delivery in self._due(name):
            if reader.open:
                reader.on_delivery(delivery)

    def _due(self, name: str) -> Iterator[tuple[_Reader, Delivery]]:
        with self.lock:
            journal = self.journals.get(name)
            readers = list(journal.readers) if journal is not None else []
        for reader in readers:
            while True:
                with self.lock:
                    if name not in self.journals or journal is None or reader.allowed < 1:
                        break
                    if reader.offset >= len(journal.entries):
                        break
                    offset = reader.offset
                    message = journal.message(offset)
                    reader.offset += 1
                    reader.allowed -= 1
                yield reader, Delivery(offset, message)

    def _hand_over(self, name: str) -> None:
        while True:
            with self.lock:
                queue = self.queues.get(name)
                if queue is None or not queue.waiting:
                    return
                free = [c for c in queue.consumers if len(c.unsettled) < c.prefetch]
                if not free:
                    return
                consumer = free[0]
                # Round robin: whoever was handed a message goes to the back.
                queue.consumers.remove(consumer)
                queue.consumers.append(consumer)
                message = queue.waiting.popleft()
                tag = next(consumer.tags)
                consumer.unsettled[tag] = message
            consumer.on_handed(Handed(tag, message))
