"""What a task may conclude from the word that a session's clients have left.

A client that ended every table and then says nothing for ``client_timeout`` sends nothing more: a
keeper writes ``client_gone`` to the journals that clients feed. Everything that they sent is before
it, so a batch that was announced and is not there never comes. Where the record is in the journal
decides that, not when it is read: a session that waits for its first worker loses nothing.
"""

from __future__ import annotations

from coffeeshop.pipeline.messages import Record
from coffeeshop.pipeline.progress import IntervalSet
from coffeeshop.transport import Delivery


class AbandonedUpload:
    """What one attempt of a task has taken of its journal. Not thread-safe."""

    def __init__(self) -> None:
        self._taken = IntervalSet()
        self._left_at: int | None = None
        self.reason = ""
        """Why the clients count as gone, unless they left."""
        self._certain = False

    def observe(self, delivery: Delivery, record: Record) -> bool:
        """Note an entry; true once: when the clients left, and all entries before that were taken.

        Deliveries may come in any order and repeatedly. Offsets of which the reader says that
        nothing is there count as taken: a stream takes one for each of its segments.
        """
        if self._certain:
            return False
        since = delivery.offset if delivery.since is None else delivery.since
        for offset in range(since, delivery.offset + 1):
            self._taken.add(offset)
        if record.kind == "client_gone" and self._left_at is None:
            self._left_at, self.reason = delivery.offset, record.body.decode(errors="replace")
        self._certain = self._left_at is not None and self._left_at < self._all_below()
        return self._certain

    def _all_below(self) -> int:
        start, end = self._taken.runs()[0]
        return end if start == 0 else 0
