"""What came in over this replica, per session and table: rows, batches, bytes; what went out."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from dataclasses import asdict, dataclass
from typing import Any

REMEMBERED = 2_000
"""Sessions; the ones that were fed last."""


@dataclass
class Taken:
    """Of one table. ``bytes`` are those of the encoded batches."""

    batches: int = 0
    rows: int = 0
    bytes: int = 0


@dataclass
class Given:
    """Of one query. ``bytes`` are those of the answers, in whatever format."""

    results: int = 0
    bytes: int = 0


class Flow:
    """Counts what this replica stored and gave out since it started. Belongs to the event loop's
    thread."""

    def __init__(self) -> None:
        self.totals: defaultdict[str, Taken] = defaultdict(Taken)
        """Of all sessions, by table."""
        self.given: defaultdict[str, Given] = defaultdict(Given)
        """By query."""
        self._sessions: OrderedDict[str, dict[str, Taken]] = OrderedDict()

    def took(self, session: str, table: str, rows: int, size: int) -> None:
        """One batch more was stored."""
        tables = self._sessions.setdefault(session, {})
        self._sessions.move_to_end(session)
        for taken in (tables.setdefault(table, Taken()), self.totals[table]):
            taken.batches += 1
            taken.rows += rows
            taken.bytes += size
        while len(self._sessions) > REMEMBERED:
            self._sessions.popitem(last=False)

    def gave(self, query: str, size: int) -> None:
        """One result more was sent."""
        self.given[query].results += 1
        self.given[query].bytes += size

    def of(self, session: str) -> dict[str, dict[str, Any]]:
        """What came in for a session, by table."""
        return {table: asdict(taken) for table, taken in self._sessions.get(session, {}).items()}
