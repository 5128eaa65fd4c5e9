"""How many file descriptors of the broker all sessions take; pure.

AMQP does not tell how many there are: the operator says it (``--broker-files``), or the broker
fails to make a stream, which is then known to be too much.
"""

from __future__ import annotations

from collections.abc import Iterable

from coffeeshop.bounds import FILES_PER_JOURNAL
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.sessions.lifecycle import Session

OF_BROKER = 100
"""Its own, the control journals', and those of the connections of a few processes."""


class BrokerFiles:
    """Not thread-safe."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """Lower than what was said once the broker failed with fewer."""

    @staticmethod
    def of_session(spec: SessionSpec, *, released: bool = False) -> int:
        """What a session takes; once its input is released, what its results do."""
        journals = 1 if released else 1 + len(plan_of(spec).tasks(spec))
        return round(FILES_PER_JOURNAL * journals)

    def taken(self, sessions: Iterable[Session]) -> int:
        """What all of them take, and the broker itself."""
        of_sessions = (self.of_session(each.spec, released=each.released) for each in sessions)
        return OF_BROKER + sum(of_sessions)

    def exhausted(self, taken: int) -> None:
        """The broker made no stream with so many taken."""
        self.limit = min(self.limit, max(taken, OF_BROKER))

    def refusal(self, sessions: list[Session], more: SessionSpec) -> str:
        """Why one session more is too much; empty when it is not."""
        needed = self.taken(sessions) + self.of_session(more)
        return self.words(sessions, more) if needed > self.limit else ""

    def words(self, sessions: list[Session], more: SessionSpec) -> str:
        """What to tell when there are none left."""
        is_open = sum(each.state == "open" for each in sessions)
        return (
            f"the broker is out of file descriptors (limit {self.limit:,}): {is_open:,} sessions "
            f"are open and {len(sessions) - is_open:,} have results, and this one takes "
            f"{self.of_session(more)}; end some, or raise the broker's limit (LimitNOFILE, "
            "ulimit -n) and --broker-files"
        )
