"""A session's out journal folded into its events and its one end. Values in, values out.

The terminal event is the first of {the record that completes the results, a ``failed`` record} in
the journal's order, so all readers of the journal see the same one.
"""

from __future__ import annotations

import math
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from cachetools import LRUCache

from coffeeshop.codec import digest
from coffeeshop.errors import CodecError, CoffeeshopError
from coffeeshop.pipeline.messages import Record, SessionSpec, out_journal
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.pipeline.progress import Ledger
from coffeeshop.pipeline.repair import Missing
from coffeeshop.sessions.events import End, State
from coffeeshop.transport import Delivery, dropped_before, loss


@dataclass(frozen=True)
class Completed:
    """The session's results by query name, and what is odd about them."""

    tables: dict[str, pa.Table]
    warnings: tuple[str, ...]


Event = tuple[str, dict[str, Any]]
"""Name and data."""
NOT_RESULTS = ("probe", "claim", "missing", "done")
"""Kinds of records of an out journal that say nothing of the session's end."""
ENDED_BY_GATEWAY: dict[str, State] = {"cancelled": "cancelled", "aborted": "aborted"}
"""States by the streams of ``failed`` records that a gateway writes; the nodes' have the stream
``session``."""


class ResultFold:
    """Records of one out journal in, at most one end out. Not thread-safe.

    Of results it keeps digests: enough to know the end, in little memory.
    """

    def __init__(self, spec: SessionSpec) -> None:
        plan = plan_of(spec)
        self._ledgers = {
            stream: Ledger({stream: plan.producers(stream, spec)}) for stream in plan.results
        }
        self._digests: dict[str, str] = {}
        self.terminal: End | None = None

    @property
    def complete(self) -> list[str]:
        """The queries whose results are all there."""
        return [stream for stream, ledger in self._ledgers.items() if ledger.complete]

    def feed(self, record: Record) -> End | None:
        """Take the next record; the end when this record brought it."""
        if self.terminal is not None or record.kind in NOT_RESULTS:
            return None
        self.terminal = self._end_by(record)
        return self.terminal

    def _end_by(self, record: Record) -> End | None:
        if record.kind == "failed":
            state = ENDED_BY_GATEWAY.get(record.stream, "failed")
            return End(state, record.body.decode(errors="replace"))
        ledger = self._ledgers[record.stream]
        if record.kind == "eof":
            ledger.end(record.stream, record.producer, record.number)
        elif ledger.admit(record.stream, record.producer, record.number):
            self._digests[record.id] = digest(record.body)
        elif self._digests[record.id] != digest(record.body):
            # Two attempts that disagree: the answers are canonical, so one of them is wrong.
            reason = f"two attempts at a task gave different results for {record.id}"
            return End("failed", reason)
        return End("completed") if len(self.complete) == len(self._ledgers) else None


class Pieces:
    """Encoded batches of results by session, query and number. Thread-safe.

    Keeps at most so many bytes, those that were asked for lately.
    """

    def __init__(self, most: float = math.inf) -> None:
        self._kept: LRUCache[tuple[str, str, int], bytes] = LRUCache(most, getsizeof=len)
        self._lock = threading.Lock()

    def keep(self, session: str, query: str, number: int, body: bytes) -> None:
        """Keep one, unless another was kept in its place: repeats are the same."""
        with self._lock, suppress(ValueError):  # larger than all that is kept
            self._kept.setdefault((session, query, number), body)

    def get(self, session: str, query: str, number: int) -> bytes | None:
        """One that is kept."""
        with self._lock:
            return self._kept.get((session, query, number))


@dataclass(frozen=True)
class Update:
    """The events that one record brings. ``offset``: the record's, by which a client resumes.

    None where the reading, not a record, ended the session.
    """

    offset: int | None
    events: tuple[Event, ...]
    is_last: bool = False
    said: Record | None = None
    """The record, when it is a task's word of what is missing, or that it is done."""
    complete: tuple[str, ...] = ()
    """The results that were complete then."""
    at: float | None = None
    """When the record was written, in seconds since 1970, if it says so."""


@dataclass(frozen=True)
class Found:
    """What an out journal holds so far."""

    times: dict[str, float]
    """When each complete query was complete, in seconds since 1970: as its record says, or else
    as it was read."""
    bytes: int = 0


class EventTranslator:
    """Deliveries of an out journal in, updates out. Pure, so every replica tells the same.

    What cannot be read, and what the broker dropped, ends the session as a failure: here, for
    every reader alike. Not thread-safe.
    """

    def __init__(self, spec: SessionSpec, pieces: Pieces | None = None) -> None:
        """Keeps the batches of results in ``pieces``."""
        self._fold = ResultFold(spec)
        self._session = spec.id
        self._journal = out_journal(spec.id)
        self._pieces = pieces or Pieces()
        self._times: dict[str, float] = {}
        self._bytes = 0
        self.offsets: dict[str, dict[int, int]] = {}
        """Where the batches of each query are: offsets by number."""

    @property
    def terminal(self) -> End | None:
        """How the session ended, once it did."""
        return self._fold.terminal

    @property
    def found(self) -> Found:
        """What came so far."""
        return Found(dict(self._times), self._bytes)

    def update_of(self, delivery: Delivery, now: float) -> Update:
        """The events that this delivery brings, read at ``now`` (seconds since 1970)."""
        if self.terminal is not None:
            return Update(delivery.offset, ())
        self._bytes += len(delivery.message.body)
        if dropped := dropped_before(delivery):
            return Update(None, (self._fail(loss(self._journal, dropped)),), is_last=True)
        try:
            record = Record.of(delivery.message)
            terminal = self._fold.feed(record)
        except (CoffeeshopError, KeyError) as error:
            why = f"the results cannot be read: {error}"
            return Update(delivery.offset, (self._fail(why),), is_last=True)
        if record.kind == "batch" and (terminal is None or terminal.state == "completed"):
            self.offsets.setdefault(record.stream, {}).setdefault(record.number, delivery.offset)
            self._pieces.keep(self._session, record.stream, record.number, record.body)
        events = [*self._results(record, now)]
        if record.kind in ("missing", "done"):
            complete = tuple(self._fold.complete)
            return Update(
                delivery.offset, _asked(record), said=record, complete=complete, at=record.at
            )
        if terminal is not None:
            events.append(terminal.event)
        return Update(delivery.offset, tuple(events), is_last=terminal is not None, at=record.at)

    def _results(self, record: Record, now: float) -> list[Event]:
        new = [query for query in self._fold.complete if query not in self._times]
        self._times.update(dict.fromkeys(new, record.at or now))
        dated = {} if record.at is None else {"at": record.at}
        return [("result", {"query": query, **dated}) for query in new]

    def _fail(self, reason: str) -> Event:
        self._fold.terminal = failed = End("failed", reason)
        return failed.event


def _asked(record: Record) -> tuple[Event, ...]:
    """What is asked of clients."""
    if record.kind == "missing":
        with suppress(CodecError):  # of another release
            missing = Missing.of(record)
            return (("missing", missing.event()),) if missing.is_of_a_client else ()
    return ()
