"""Counters of what this replica stored, per session and table, and of the results that it sent."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

from cachetools import LRUCache

REMEMBERED = 2_000
"""Sessions; the ones that were fed last."""


@dataclass
class Stored:
    """Of one table. ``bytes`` are those of the encoded batches."""

    batches: int = 0
    rows: int = 0
    bytes: int = 0


@dataclass
class Sent:
    """Of one query. ``bytes`` are those of the answers, in whatever format."""

    results: int = 0
    bytes: int = 0


class Traffic:
    """Counts what this replica stored and gave out since it started. Belongs to the event loop's
    thread."""

    def __init__(self) -> None:
        self.totals: defaultdict[str, Stored] = defaultdict(Stored)
        """Of all sessions, by table."""
        self.sent: defaultdict[str, Sent] = defaultdict(Sent)
        """By query."""
        self._sessions: LRUCache[str, dict[str, Stored]] = LRUCache(REMEMBERED)

    def count_stored(self, session: str, table: str, rows: int, size: int) -> None:
        """One batch more was stored."""
        tables = self._sessions.setdefault(session, {})
        for stored in (tables.setdefault(table, Stored()), self.totals[table]):
            stored.batches += 1
            stored.rows += rows
            stored.bytes += size

    def count_sent(self, query: str, size: int) -> None:
        """One result more was sent."""
        self.sent[query].results += 1
        self.sent[query].bytes += size

    def of(self, session: str) -> dict[str, dict[str, Any]]:
        """What came in for a session, by table."""
        return {table: asdict(stored) for table, stored in self._sessions.get(session, {}).items()}
