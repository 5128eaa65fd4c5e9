"""Which results go before their time because there are too many: the oldest that no client keeps.

Results stay for days, so their number and size need bounds of their own, of all clients and of
each; pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from coffeeshop.sessions.lifecycle import Session

ROOM = 0.95
"""Of a bound: above it the oldest go, so that the next client need not wait for that."""


@dataclass(frozen=True)
class Retention:
    """How many results are kept, and how large they may be."""

    sessions: int = 5000
    """Sessions of all clients, open ones included: each has at least one stream on the
    broker, which takes some 50 kB of its memory."""
    client_sessions: int = 2000
    """The same, of one name in the tokens file."""
    bytes: int = 16 << 30
    """Results of all clients on the broker's disk."""
    at_least: float = 600.0
    """Seconds after its end in which nothing goes early: its client fetches the results."""

    def crowded_out(
        self, sessions: Sequence[Session], wall: float, room: float = ROOM
    ) -> list[Session]:
        """The sessions to delete for the others' sake, the one that ended first first."""
        count, size = len(sessions), sum(each.result_bytes for each in sessions)
        owners = Counter(each.owner for each in sessions if each.owner)
        full = {name for name, n in owners.items() if n > self.client_sessions * room}
        if count <= self.sessions * room and size <= self.bytes * room and not full:
            return []
        found = []
        for each in sorted(self._may_go(sessions, wall), key=lambda each: each.ended or 0.0):
            is_over = count > self.sessions * room or size > self.bytes * room
            if is_over or (each.owner and owners[each.owner] > self.client_sessions * room):
                found.append(each)
                count, size = count - 1, size - each.result_bytes
                owners[each.owner] -= 1
        return found

    def _may_go(self, sessions: Sequence[Session], wall: float) -> list[Session]:
        return [
            each
            for each in sessions
            if each.ended is not None
            and each.released
            and wall - each.ended > self.at_least
            and each.kept_until <= wall
        ]
