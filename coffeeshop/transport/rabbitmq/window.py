"""The arithmetic of credit over a broker's prefetch. Pure: no I/O, no threads."""

from __future__ import annotations


class Window:
    """When a reader may acknowledge to the broker, and how much.

    The broker keeps at most ``size`` deliveries unacknowledged (it may exceed that by what is left
    of a chunk). Acknowledging exactly what was granted beyond the size makes it send exactly what
    was granted. Counts are those of one channel, whose delivery tags rise from 1.
    """

    def __init__(self, size: int, granted: int) -> None:
        """``size`` >= 1: the prefetch. ``granted``: the credit at hand when the channel opens,
        which may be less than the size while older deliveries have not been credited back."""
        self.size = size
        self._granted = granted
        self._received = 0
        self._acknowledged = 0

    def grant(self, deliveries: int) -> None:
        """The reader may receive that many more."""
        self._granted += deliveries

    def receive(self) -> None:
        """A delivery came."""
        self._received += 1

    def drop(self) -> None:
        """The delivery that came last was none of the reader's: it costs no credit."""
        self._granted += 1

    def due(self) -> int:
        """The delivery tag to acknowledge up to; 0 when there is nothing new to acknowledge."""
        upto = min(self._received, self._granted - self.size)
        if upto <= self._acknowledged:
            return 0
        self._acknowledged = upto
        return upto
