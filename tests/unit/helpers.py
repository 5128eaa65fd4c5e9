"""What the unit tests share: batches and a tiny data set with its answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from queue import SimpleQueue
from typing import Any

import pyarrow as pa

from coffeeshop.codec import encode
from coffeeshop.pipeline.messages import Record, SessionSpec
from coffeeshop.schema import TABLES

PATIENCE = 10.0
"""Seconds a test waits for something that must happen."""


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


def stream(*batches: pa.RecordBatch, compression: str | None = None) -> bytes:
    """An Arrow IPC stream of some batches."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    body: bytes = sink.getvalue().to_pybytes()
    return body
