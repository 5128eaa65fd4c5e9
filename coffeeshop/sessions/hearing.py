"""Whether a replica of the gateway hears what is said; pure.

Somebody's silence means something only to who can hear. A replica that was frozen, or cut off from
the broker, or whose broker took nothing, missed the words of clients that were there all the time.
So a replica says a word now and then and listens for it. Time in which its own words did not come
back is no silence of anybody else.
"""

from __future__ import annotations


class Hearing:
    """Not thread-safe. All times are seconds on one monotonic clock."""

    def __init__(self, period: float, now: float) -> None:
        """A word is wanted every ``period``. Its return may take as long again."""
        self._period = period
        self._last = now
        self._asked = False

    def wants_a_word(self, now: float) -> bool:
        """Whether to say one now. True once, until one was heard."""
        if self._asked or now - self._last < self._period:
            return False
        self._asked = True
        return True

    def deaf(self, now: float) -> bool:
        """Whether a word should have come back by now."""
        return now - self._last > 2 * self._period

    def heard(self, now: float) -> float:
        """One of this replica's words came back; seconds of deafness before it.

        Only those beyond what a word may take: a broker that is always a little late hides nothing.
        """
        deafness = max(0.0, now - self._last - 2 * self._period)
        self._last, self._asked = now, False
        return deafness
