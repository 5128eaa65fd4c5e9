"""What the unit tests share: a clock by hand, a scriptable transport, batches, a tiny data set."""

from __future__ import annotations

import datetime as dt
import heapq
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import count
from queue import SimpleQueue
from typing import Any

import pyarrow as pa

from coffeeshop.codec import encode
from coffeeshop.messages import Record, SessionSpec
from coffeeshop.schema import TABLES
from coffeeshop.transport import Delivery, Message, Outcome
from coffeeshop.transport.base import OnDelivery, OnGone, OnHanded, OnOutcome
from coffeeshop.transport.memory import MemoryTransport, _Consumer, _Reader

PATIENCE = 10.0
"""Seconds a test waits for something that must happen."""


class ManualClock:
    """Time that stands still until `advance`."""

    def __init__(self) -> None:
        self._now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._changed = threading.Condition()
        self.delays: list[float] = []

    def now(self) -> float:
        return self._now

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        with self._changed:
            self.delays.append(seconds)
            heapq.heappush(self._due, (self._now + seconds, next(self._numbers), call))
            self._changed.notify_all()

    def advance(self, seconds: float) -> None:
        """Move on and make every call that became due, in this thread."""
        with self._changed:
            self._now += seconds
        while True:
            with self._changed:
                if not self._due or self._due[0][0] > self._now:
                    return
                call = heapq.heappop(self._due)[2]
            call()

    def wait_for(self, calls: int = 1) -> None:
        """Wait until that many calls are planned."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._due) >= calls, PATIENCE)

    def next(self) -> None:
        """Wait for a planned call and let its time come."""
        self.wait_for()
        self.advance(max(0.0, self._due[0][0] - self._now))


class SpyReader:
    """A reader that notes the credit it is given."""

    def __init__(self, inner: _Reader, given: list[int], closed: threading.Event) -> None:
        self._inner = inner
        self._given = given
        self.closed = closed

    def credit(self, deliveries: int) -> None:
        self._given.append(deliveries)
        self._inner.credit(deliveries)

    def close(self) -> None:
        self.closed.set()
        self._inner.close()


class SpyConsumer:
    """A consumer that says which tags were acked."""

    def __init__(self, inner: _Consumer, acks: SimpleQueue[tuple[str, int]]) -> None:
        self._inner = inner
        self._acks = acks

    def ack(self, tag: int) -> None:
        self._inner.ack(tag)
        self._acks.put((self._inner.queue, tag))

    def requeue(self, tag: int) -> None:
        self._inner.requeue(tag)

    def close(self) -> None:
        self._inner.close()


class SpyTransport(MemoryTransport):
    """A memory transport that notes what it is asked for and ends appends as a test says."""

    def __init__(self) -> None:
        self.acks: SimpleQueue[tuple[str, int]] = SimpleQueue()
        self.appended: SimpleQueue[tuple[str, Record]] = SimpleQueue()
        self.credits: dict[str, list[int]] = defaultdict(list)
        self.delivered: dict[str, int] = defaultdict(int)
        self.reads: SimpleQueue[str] = SimpleQueue()
        self.closed: dict[str, threading.Event] = defaultdict(threading.Event)
        self.script: dict[str, deque[Outcome]] = defaultdict(deque)
        self.muted: set[str] = set()
        self.held: list[Callable[[], None]] = []
        super().__init__()

    def append(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        """As scripted: an UNKNOWN is stored all the same, a NACKED is not, muted says nothing."""
        self.appended.put((name, Record.of(message)))
        planned = self.script[name].popleft() if self.script[name] else None
        if name in self.muted:
            self.held.append(lambda: on_outcome(Outcome.CONFIRMED))
        elif planned is None:
            super().append(name, message, on_outcome)
        elif planned is Outcome.UNKNOWN:
            super().append(name, message, lambda _: on_outcome(Outcome.UNKNOWN))
        else:
            self._calls.put(lambda: on_outcome(planned))

    def read(  # type: ignore[override]
        self, name: str, offset: int, credit: int, on_delivery: OnDelivery, on_gone: OnGone
    ) -> SpyReader:
        self.credits[name].append(credit)

        def deliver(delivery: Delivery) -> None:
            self.delivered[name] += 1
            on_delivery(delivery)

        reader = super().read(name, offset, credit, deliver, on_gone)
        self.reads.put(name)
        return SpyReader(reader, self.credits[name], self.closed[name])

    def consume(  # type: ignore[override]
        self, name: str, prefetch: int, on_handed: OnHanded, on_gone: OnGone
    ) -> SpyConsumer:
        return SpyConsumer(super().consume(name, prefetch, on_handed, on_gone), self.acks)

    def settle(self) -> None:
        """Wait until the transport's thread has made every callback there was so far."""
        for _ in range(2):
            reached = threading.Event()
            self._calls.put(reached.set)
            assert reached.wait(PATIENCE)

    def put(self, journal: str, *records: Record) -> None:
        """Store records in a journal behind the script's back."""
        for record in records:
            MemoryTransport.append(self, journal, record.message(), lambda _: None)

    def records(self, journal: str) -> list[Record]:
        """What a journal holds."""
        with self.lock:
            stored = self.journals[journal]
            return [Record.of(stored.message(n)) for n in range(len(stored.entries))]


class Tap:
    """Everything a journal says, one record at a time."""

    def __init__(self, transport: MemoryTransport, journal: str) -> None:
        self._records: SimpleQueue[Record] = SimpleQueue()
        self._reader = MemoryTransport.read(
            transport,
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


def instant(text: str) -> dt.datetime:
    """``2024-01-01 06:00:00``."""
    return dt.datetime.fromisoformat(text)


def thousandths(amount: str) -> int:
    """A decimal text as whole thousandths."""
    return int(Decimal(amount) * 1000)


def rows_of(table: str, rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
    """Rows of a table as a batch of its schema."""
    schema = TABLES[table].schema
    columns = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(schema)]
    return pa.record_batch(columns, schema=schema)


def transactions(*rows: tuple[str, int, int | None, str, str]) -> pa.RecordBatch:
    """(transaction_id, store_id, user_id, final_amount, created_at)."""
    return rows_of(
        "transactions", [(i, s, u, thousandths(a), instant(t)) for i, s, u, a, t in rows]
    )


def items(*rows: tuple[int, int, str, str]) -> pa.RecordBatch:
    """(item_id, quantity, subtotal, created_at)."""
    return rows_of("transaction_items", [(i, q, thousandths(a), instant(t)) for i, q, a, t in rows])


MENU = rows_of("menu_items", [(1, "Espresso"), (2, "Latte")])
STORES = rows_of("stores", [(1, "North"), (2, "South")])
USERS = rows_of("users", [(10, dt.date(1990, 1, 1)), (11, dt.date(1985, 5, 5))])
TRANSACTIONS = (
    transactions(
        ("t1", 1, 10, "75.000", "2024-01-15 06:00:00"),
        ("t2", 1, 11, "74.999", "2024-01-15 23:00:00"),
        ("t3", 2, 10, "100.005", "2024-07-01 12:00:00"),
    ),
    transactions(
        ("t4", 2, None, "200", "2023-12-31 12:00:00"),
        ("t5", 1, 10, "80", "2025-02-02 23:00:01"),
    ),
)
ITEMS = (
    items((1, 3, "9.005", "2024-01-15 07:00:00"), (2, 1, "20", "2024-01-15 07:00:00")),
    items((1, 1, "3", "2025-02-02 12:00:00")),
)
DATA: dict[str, tuple[pa.RecordBatch, ...]] = {
    "menu_items": (MENU,),
    "stores": (STORES,),
    "users": (USERS,),
    "transactions": TRANSACTIONS,
    "transaction_items": ITEMS,
}
ANSWER: dict[str, list[tuple[Any, ...]]] = {
    "query1": [("t1", Decimal("75.000")), ("t3", Decimal("100.005"))],
    "query2_best_selling": [("2024-01", "Espresso", 3), ("2025-02", "Espresso", 1)],
    "query2_most_profitable": [
        ("2024-01", "Latte", Decimal("20.00")),
        ("2025-02", "Espresso", Decimal("3.00")),
    ],
    "query3": [
        ("2024-H1", "North", Decimal("150.00")),
        ("2024-H2", "South", Decimal("100.01")),
    ],
    "query4": [
        ("North", dt.date(1990, 1, 1), 2),
        ("North", dt.date(1985, 5, 5), 1),
        ("South", dt.date(1990, 1, 1), 1),
    ],
}
"""What `DATA` answers, worked by hand."""


def batch(stream: str, number: int, content: pa.RecordBatch, producer: str = "0") -> Record:
    """A batch record."""
    return Record("batch", stream, producer, number, encode(content))


def eof(stream: str, count_: int, producer: str = "0") -> Record:
    """An end of stream."""
    return Record("eof", stream, producer, count_)


def input_records(spec: SessionSpec) -> list[Record]:
    """`DATA` as the records its producers send: the batches dealt out in turn."""
    found: list[Record] = []
    for table, batches in DATA.items():
        sent = dict.fromkeys(spec.producer_names, 0)
        for index, content in enumerate(batches):
            producer = spec.producer_names[index % spec.producers]
            found.append(batch(table, sent[producer], content, producer))
            sent[producer] += 1
        found.extend(eof(table, sent[name], name) for name in spec.producer_names)
    return found


def tuples(table: pa.Table | pa.RecordBatch) -> list[tuple[Any, ...]]:
    """The rows of a table."""
    return [tuple(row.values()) for row in table.to_pylist()]


def drain(queue: SimpleQueue[Any], number: int) -> list[Any]:
    """The next values of a queue."""
    return [queue.get(timeout=PATIENCE) for _ in range(number)]


def names(records: Iterable[Record]) -> list[str]:
    """The ids of records."""
    return [record.id for record in records]
