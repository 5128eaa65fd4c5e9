"""Journals and queues in one process.

The embedded default. Messages travel as the same encoded bytes as over a broker. Bodies stay in
memory up to ``ram_limit`` bytes in total; beyond it the oldest go to an unlinked file per journal
and are read back when a reader gets there.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from coffeeshop.transport.base import (
    Delivery,
    Message,
    OnDelivery,
    OnGone,
    OnOutcome,
    OnQueueDelivery,
    Outcome,
)
from coffeeshop.transport.callbacks import TURN, CallbackThread
from coffeeshop.transport.memory_queues import Consumer, Queues
from coffeeshop.transport.stored import Entry, StoredJournal

RAM_LIMIT = 32 << 20


@dataclass
class _Journal(StoredJournal):
    readers: list[_Reader] = field(default_factory=list)


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
        with self._transport.lock:
            self.open = False
            journal = self._transport.journals.get(self.journal)
            if journal is not None and self in journal.readers:
                journal.readers.remove(self)


class MemoryTransport:
    """`transport.base.Transport` in memory. One thread makes all the callbacks."""

    def __init__(self, ram_limit: int = RAM_LIMIT) -> None:
        """Keeps at most ``ram_limit`` bytes of journal bodies in memory."""
        self.lock = threading.RLock()
        self.journals: dict[str, _Journal] = {}
        self._ram_limit = ram_limit
        self._resident = 0
        self._oldest: deque[tuple[str, Entry]] = deque()
        self._calls = CallbackThread("memory-transport")
        self.queues = Queues(self.lock, self._calls)

    def names(self) -> list[str]:
        """Every journal and queue there is, sorted."""
        with self.lock:
            return sorted([*self.journals, *self.queues.names()])

    def resident(self) -> int:
        """Bytes of journal bodies in memory."""
        return self._resident

    def declare_journal(self, name: str, max_bytes: int | None = None) -> None:
        """As the contract says; nothing is dropped, whatever ``max_bytes``."""
        with self.lock:
            self.journals.setdefault(name, _Journal())

    def delete_journal(self, name: str) -> None:
        with self.lock:
            journal = self.journals.pop(name, None)
            if journal is None:
                return
            self._oldest = deque(pair for pair in self._oldest if pair[0] != name)
            self._resident -= journal.resident()
            journal.close()
        for reader in journal.readers:
            self._calls.submit(reader.on_gone)

    def append(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        with self.lock:
            journal = self.journals.get(name)
            if journal is None:
                self._calls.submit(lambda: on_outcome(Outcome.RETURNED))
                return
            entry = Entry(dict(message.headers), len(message.body), message.body)
            journal.entries.append(entry)
            self._oldest.append((name, entry))
            self._resident += entry.size
            self._spill()
            # Inside the lock: what is stored gets its outcome, also if the transport closes now.
            self._calls.submit(lambda: on_outcome(Outcome.CONFIRMED))
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
            self._calls.submit(on_gone)
        self.wake(name)
        return reader

    def exists(self, name: str) -> bool:
        with self.lock:
            return name in self.journals or name in self.queues.names()

    def declare_queue(self, name: str) -> None:
        self.queues.declare(name)

    def delete_queue(self, name: str) -> None:
        self.queues.delete(name)

    def publish(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        self.queues.publish(name, message, on_outcome)

    def consume(
        self, name: str, prefetch: int, on_delivery: OnQueueDelivery, on_gone: OnGone
    ) -> Consumer:
        return self.queues.consume(name, prefetch, on_delivery, on_gone)

    def close(self) -> None:
        with self.lock:
            for journal in self.journals.values():
                journal.close()
            self.journals.clear()
            self.queues.clear()
            self._oldest.clear()
            self._resident = 0
            self._calls.end()
        self._calls.join()

    def wake(self, journal: str) -> None:
        """Let the transport's thread look after the readers of a journal."""
        self._calls.wake(self._deliver, journal)

    def _spill(self) -> None:
        while self._resident > self._ram_limit and self._oldest:
            name, entry = self._oldest.popleft()
            self.journals[name].spill(entry)
            self._resident -= entry.size

    def _deliver(self, name: str) -> None:
        with self.lock:
            journal = self.journals.get(name)
            if journal is None:
                return
            readers = list(journal.readers)
        for reader in readers:
            for _ in range(TURN):
                delivery = self._due(journal, reader)
                if delivery is None:
                    break
                reader.on_delivery(delivery)
            else:
                self.wake(name)

    def _due(self, journal: _Journal, reader: _Reader) -> Delivery | None:
        with self.lock:
            # The name may stand for another journal by now.
            if self.journals.get(reader.journal) is not journal:
                return None
            if not reader.open or reader.allowed < 1 or reader.offset >= len(journal.entries):
                return None
            delivery = Delivery(reader.offset, journal.message(reader.offset))
            reader.offset += 1
            reader.allowed -= 1
            return delivery
