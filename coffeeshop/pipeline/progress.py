"""Which batches of a task's input have been seen, and whether all of them have: pure counting.

A task's input is a set of *streams*; every stream has *announced producers*; every producer numbers
its batches 0, 1, 2 … and ends with ``EOF(producer, K)``: it sent K batches. Of P partitions,
partition p is given the numbers n with ``n % P == p``. The task is complete when every producer
ended and every number below its K that belongs to this partition was seen. No order is assumed and
a repeat is harmless, so completion is right under reordering, duplication and any number of
replicas, without a barrier or a leader.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from coffeeshop.errors import ProtocolError


class IntervalSet:
    """A set of whole numbers >= 0 kept as disjoint half-open runs; dense use costs one run."""

    def __init__(self) -> None:
        self._end_of: dict[int, int] = {}  # start of a run -> its end
        self._start_of: dict[int, int] = {}  # end of a run -> its start
        self._starts: list[int] = []  # sorted
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self._starts, number)
        return place > 0 and number < self._end_of[self._starts[place - 1]]

    def add(self, number: int) -> bool:
        """Add one number; False when it was a member before."""
        if number in self:
            return False
        start = self._start_of.pop(number, number)
        end = self._end_of.pop(number + 1, number + 1)
        if end > number + 1:
            del self._starts[bisect_left(self._starts, number + 1)]
        if start == number:
            insort(self._starts, number)
        self._end_of[start] = end
        self._start_of[end] = start
        self._size += 1
        return True

    def highest(self) -> int:
        """The largest member, -1 when empty."""
        return max(self._start_of, default=0) - 1

    def runs(self) -> list[tuple[int, int]]:
        """The members as sorted half-open runs."""
        return [(start, self._end_of[start]) for start in self._starts]


@dataclass
class _Producer:
    seen: IntervalSet = field(default_factory=IntervalSet)
    count: int | None = None


@dataclass(frozen=True)
class Waiting:
    """Why a task is not complete: this producer has not ended, or ``missing`` batches are out."""

    stream: str
    producer: str
    missing: int | None


@dataclass(frozen=True)
class Gap:
    """What a task misses of one producer of one of its streams.

    ``count``: of the producer's batches, None while its end of stream is missing. ``ranges``: the
    first and the last number of each run of batches that were not seen, every ``step``-th one being
    of this partition; none while the end is missing.
    """

    stream: str
    producer: str
    count: int | None
    ranges: tuple[tuple[int, int], ...] = ()
    step: int = 1


class Ledger:
    """What one task has seen of its input. Not thread-safe: it belongs to its task."""

    def __init__(
        self, inputs: Mapping[str, Iterable[str]], *, partition: int = 0, partitions: int = 1
    ) -> None:
        """``inputs`` maps each stream to the names of its announced producers."""
        self._partition = partition
        self._partitions = partitions
        self._producers = {
            (stream, name): _Producer() for stream, names in inputs.items() for name in names
        }
        self._open = len(self._producers)

    def admit(self, stream: str, producer: str, number: int) -> bool:
        """Note a batch; False when its id was seen before (a repeat: drop it).

        Raises `ProtocolError` for an unknown producer, a number of another partition, or one at or
        above the count the producer ended with.
        """
        entry = self._entry(stream, producer)
        if number < 0 or number % self._partitions != self._partition:
            raise ProtocolError(f"batch {number} of {stream} is not of partition {self._partition}")
        if entry.count is not None and number >= entry.count:
            raise ProtocolError(
                f"{producer} sent batch {number} of {stream}, "
                f"but ended the table with {entry.count} batches"
            )
        new = entry.seen.add(number // self._partitions)
        if new and self._done(entry):
            self._open -= 1
        return new

    def end(self, stream: str, producer: str, count: int) -> bool:
        """Note an end of stream; False when it was known.

        Raises `ProtocolError` when the count changed or is below a number already seen.
        """
        entry = self._entry(stream, producer)
        if entry.count is not None:
            if entry.count != count:
                raise ProtocolError(
                    f"{producer} ended {stream} with {count} batches, and before with {entry.count}"
                )
            return False
        if entry.seen.highest() >= self._share(count):
            raise ProtocolError(f"{producer} ended {stream} with {count} batches but sent more")
        entry.count = count
        if self._done(entry):
            self._open -= 1
        return True

    @property
    def complete(self) -> bool:
        """Every announced producer ended and every batch of this partition was seen."""
        return self._open == 0

    def has_all(self, stream: str) -> bool:
        """The same of one stream."""
        return all(
            self._done(entry) for (name, _), entry in self._producers.items() if name == stream
        )

    def waiting(self) -> list[Waiting]:
        """For whom and for how many batches the task still waits."""
        return [
            Waiting(
                stream,
                name,
                None if entry.count is None else self._share(entry.count) - len(entry.seen),
            )
            for (stream, name), entry in self._producers.items()
            if not self._done(entry)
        ]

    def gaps(self, most_ranges: int) -> list[Gap]:
        """What the task misses, at most so many runs of each producer; the ended ones first."""
        found = [
            Gap(stream, name, entry.count, self._missing(entry, most_ranges), self._partitions)
            for (stream, name), entry in self._producers.items()
            if not self._done(entry)
        ]
        return sorted(found, key=lambda gap: gap.count is None)

    def _missing(self, entry: _Producer, most: int) -> tuple[tuple[int, int], ...]:
        """Runs of batch numbers below the count that were not seen."""
        if entry.count is None:
            return ()
        found: list[tuple[int, int]] = []
        start = 0
        for first, end in [*entry.seen.runs(), (self._share(entry.count), 0)]:
            if start < first and len(found) < most:
                found.append((self._number(start), self._number(first - 1)))
            start = end
        return tuple(found)

    def _number(self, place: int) -> int:
        """The batch number at a place of this partition's share."""
        return place * self._partitions + self._partition

    def _entry(self, stream: str, producer: str) -> _Producer:
        try:
            return self._producers[stream, producer]
        except KeyError:
            raise ProtocolError(
                f"{producer!r} is not an announced producer of {stream!r}"
            ) from None

    def _share(self, count: int) -> int:
        return len(range(self._partition, count, self._partitions))

    def _done(self, entry: _Producer) -> bool:
        return entry.count is not None and len(entry.seen) == self._share(entry.count)
