"""What simulated sessions work on: a cheap plan and the real ones, and answers by plain loops."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

import pyarrow as pa

from coffeeshop import operators as ops
from coffeeshop.codec import digest, encode
from coffeeshop.pipeline.messages import Record, SessionSpec
from coffeeshop.pipeline.plan import FoldOperator, MapOperator, Plan, Stage
from coffeeshop.schema import TABLES
from tests.unit.helpers import rows_of

PAIRS = pa.schema([("key", pa.int64()), ("value", pa.int64())])
Rows = tuple[tuple[Any, ...], ...]
Answer = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Content:
    """A session, the records its producers send, and what they must come to."""

    spec: SessionSpec
    records: list[Record]
    answer: Answer = field(repr=False)


class Sums:
    """The sum of the values of each key."""

    canonical = True
    """Sorted by key; else in the order of arrival."""

    def __init__(self) -> None:
        self._sums: dict[int, int] = {}

    def on_batch(self, stream: str, batch: pa.RecordBatch) -> None:
        for key, value in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            self._sums[key] = self._sums.get(key, 0) + value

    def on_end(self) -> pa.RecordBatch:
        rows = sorted(self._sums.items()) if self.canonical else list(self._sums.items())
        return pairs(tuple(rows))


def pairs(rows: Rows) -> pa.RecordBatch:
    """(key, value) rows as a batch."""
    return pa.record_batch([[k for k, _ in rows], [v for _, v in rows]], schema=PAIRS)


def _values(rows: ops.Rows) -> Any:
    """The values of the whole batch, in their own width."""
    return ops.Rows(rows.source).batch(("value",))["value"].to_numpy()


def even(rows: ops.Rows) -> ops.Rows:
    """The rows with even values: often none."""
    return rows.only(_values(rows) % 2 == 0)


def small(rows: ops.Rows) -> ops.Rows:
    """The rows with values below 50."""
    return rows.only(_values(rows) < 50)


def positive(rows: ops.Rows) -> ops.Rows:
    """All rows."""
    return rows.only(_values(rows) > 0)


_EVEN = MapOperator("sift", "transactions", "even", even)
_SMALL = MapOperator("sift", "even", "small", small)
_MORE = MapOperator("weigh", "small", "positive", positive)
_PARTIAL = FoldOperator("weigh", ("positive",), "partial", Sums)
_TOTAL = FoldOperator("total", ("partial", "stores"), "total", Sums)
_KEPT = FoldOperator("kept", ("even",), "kept", Sums)
TINY = Plan(
    "tiny",
    (
        Stage("sift", (_EVEN, _SMALL), True),
        Stage("weigh", (_MORE, _PARTIAL), True),
        Stage("kept", (_KEPT,), False),
        Stage("total", (_TOTAL,), False),
    ),
)
"""Chained maps that both leave their stage, a partial and a final fold: as in the real plans."""


def tiny(chance: random.Random) -> Content:
    """Up to three producers with a handful of batches; some are empty, some are equal."""
    spec = SessionSpec("s", "tiny", chance.randint(1, 3), chance.randint(1, 3))
    sent: dict[str, dict[str, list[Rows]]] = {
        table: {name: _tiny_batches(chance) for name in spec.producer_names}
        for table in ("transactions", "stores")
    }
    evens, totals = Counter[int](), Counter[int]()
    for batches in sent["transactions"].values():
        for key, value in (row for rows in batches for row in rows):
            if value % 2 == 0:
                evens[key] += value
                if value < 50:
                    totals[key] += value
    for batches in sent["stores"].values():
        for key, value in (row for rows in batches for row in rows):
            totals[key] += value
    answer: Answer = {"kept": sorted(evens.items()), "total": sorted(totals.items())}
    records = [
        record
        for table, producers in sent.items()
        for name, batches in producers.items()
        for record in _records(table, name, [_tiny_body(rows) for rows in batches])
    ]
    return Content(spec, records, answer)


def _tiny_batches(chance: random.Random) -> list[Rows]:
    def rows() -> Rows:
        size = chance.randrange(3)
        return tuple((chance.randrange(4), 7 * chance.randrange(1, 10)) for _ in range(size))

    few = [rows(), rows()]
    return [chance.choice(few) for _ in range(chance.randrange(4))]


@lru_cache(maxsize=50_000)
def _tiny_body(rows: Rows) -> bytes:
    return encode(pairs(rows))


def _records(table: str, producer: str, bodies: Sequence[bytes]) -> list[Record]:
    batches = [
        Record("batch", table, producer, n, body, digest(body)) for n, body in enumerate(bodies)
    ]
    return [*batches, Record("eof", table, producer, len(bodies))]


Tables = dict[str, list[tuple[Any, ...]]]


def real(chance: random.Random) -> Content:
    """A small analysis by one of the real plans."""
    spec = SessionSpec(
        "s", chance.choice(["fused", "staged"]), chance.randint(1, 2), chance.randint(1, 2)
    )
    tables = _real_tables(chance)
    records = []
    for table, rows in tables.items():
        shares: dict[str, list[list[tuple[Any, ...]]]] = {n: [] for n in spec.producer_names}
        left = list(rows)
        while left:
            size = chance.randint(1, 8)
            shares[chance.choice(spec.producer_names)].append(left[:size])
            left = left[size:]
        for name, batches in shares.items():
            bodies = [encode(rows_of(table, batch)) for batch in batches]
            records.extend(_records(table, name, bodies))
    return Content(spec, records, answer_of(tables))


def _real_tables(chance: random.Random) -> Tables:
    def moment() -> dt.datetime:
        day = dt.datetime(chance.choice((2023, 2024, 2025)), chance.choice((6, 7)), 1)
        second = chance.choice((21_599, 21_600, 43_200, 82_800, 82_801))
        return day + dt.timedelta(seconds=second)

    rows: Tables = {
        "menu_items": [(item, f"item {item}") for item in (1, 2)],
        "stores": [(store, f"store {store}") for store in (1, 2)],
        "users": [(user, dt.date(1960 + user, 1, 1)) for user in (1, 2, 3, 4)],
        "transactions": [
            (
                f"t{number:03}",
                chance.randint(1, 2),
                chance.choice((1, 2, 3, 4, None)),
                chance.choice((74_999, 75_000, 75_005, 120_000)),
                moment(),
            )
            for number in range(chance.randrange(25))
        ],
        "transaction_items": [
            (chance.randint(1, 2), chance.randint(1, 3), chance.choice((1_005, 2_500)), moment())
            for _ in range(chance.randrange(25))
        ],
    }
    assert set(rows) == set(TABLES)
    return rows


def answer_of(tables: Tables) -> Answer:
    """The five queries, row by row."""
    stores, users = dict(tables["stores"]), dict(tables["users"])
    large, tpv, bought = [], Counter[tuple[str, str]](), Counter[tuple[int, int]]()
    for name, store, user, amount, at in tables["transactions"]:
        if at.year not in (2024, 2025):
            continue
        if user is not None:
            bought[store, user] += 1
        if dt.time(6) <= at.time() <= dt.time(23):
            tpv[f"{at.year}-H{1 if at.month <= 6 else 2}", stores[store]] += amount
            if amount >= 75_000:
                large.append((name, Decimal(amount) / 1000))
    top: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for (store, user), times in bought.items():
        top[store].append((-times, user))
    return {
        "query1": sorted(large),
        "query2_best_selling": _best(tables, 1),
        "query2_most_profitable": [(m, n, _money(v)) for m, n, v in _best(tables, 2)],
        "query3": [(*key, _money(total)) for key, total in sorted(tpv.items())],
        "query4": [
            (stores[store], users[user], -times)
            for store in sorted(top)
            for times, user in sorted(top[store])[:3]
        ],
    }


def _best(tables: Tables, measure: int) -> list[tuple[Any, ...]]:
    items, sums = dict(tables["menu_items"]), Counter[tuple[str, int]]()
    for row in tables["transaction_items"]:
        if row[3].year in (2024, 2025):
            sums[f"{row[3]:%Y-%m}", row[0]] += row[measure]
    best: dict[str, tuple[int, int]] = {}
    for (month, item), total in sums.items():
        best[month] = min(best.get(month, (1, 0)), (-total, item))
    return [(month, items[item], -total) for month, (total, item) in sorted(best.items())]


def _money(thousandths: int) -> Decimal:
    return (Decimal(thousandths) / 1000).quantize(Decimal("0.01"), ROUND_HALF_UP)
