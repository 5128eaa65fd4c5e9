"""The simulated broker: journals are lists, and what it need not promise it does not keep."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import count
from typing import Protocol

from coffeeshop.pipeline.messages import Assignment, Record, assign_queue
from coffeeshop.transport import Outcome
from tests.properties.sim_clock import SimClock
from tests.properties.sim_plot import Weather

SECOND_OWNERS = 30
"""How often at most an assignment is handed to somebody else while its owner lives."""
LATE = 120.0
"""Seconds after which what is late arrives, whether or not the session is still there."""


class Reader(Protocol):
    """Who reads a journal."""

    def stored(self, offset: int) -> None:
        """There is a record at this offset."""
        ...

    def gone(self) -> None:
        """The journal does not exist."""
        ...


class Consumer(Protocol):
    """Who takes assignments of a queue."""

    queue: str

    @property
    def ready(self) -> bool:
        """Whether it may be handed one more."""
        ...

    def hand(self, tag: int, assignment: Assignment) -> None:
        """An assignment, to be acked with its tag."""
        ...

    def forget(self) -> None:
        """Its connection is gone, and so is what it was handed."""
        ...


class Broker:
    """Appends arrive in any order; some twice, some late, some never; outcomes get lost."""

    def __init__(self, clock: SimClock, chance: random.Random, weather: Weather) -> None:
        self.clock = clock
        self.chance = chance
        self.weather = weather
        self.journals: dict[str, list[Record]] = {}
        self.readers: dict[str, list[Reader]] = {}
        self.waiting: list[Assignment] = []
        self.unacked: dict[int, tuple[Consumer, Assignment]] = {}
        self.consumers: list[Consumer] = []
        self.slow: set[str] = set()
        """Journals whose appends take ten times as long."""
        self._second_owners = SECOND_OWNERS
        self._tags = count(1)

    def soon(self, call: Callable[[], None], within: float = 1.0) -> None:
        """Make a call at some moment within that time."""
        self.clock.call_later(self.chance.random() * within, call)

    def strikes(self, share: float) -> bool:
        """Whether something that happens this often happens now."""
        return self.chance.random() < share and self.clock.now() < self.weather.until

    def declare(self, name: str) -> None:
        """Make a journal unless it exists."""
        self.journals.setdefault(name, [])

    def delete(self, name: str) -> None:
        """Delete a journal and tell its readers."""
        self.journals.pop(name, None)
        for reader in self.readers.pop(name, []):
            self.soon(reader.gone)

    def append(self, name: str, record: Record, on_outcome: Callable[[Outcome], None]) -> None:
        """Store a record, soon; or whatever else the weather makes of it."""

        def arrive(stored: bool, told: Outcome) -> None:
            if stored and not self._store(name, record) and told is Outcome.CONFIRMED:
                told = Outcome.RETURNED
            self.soon(lambda: on_outcome(told))

        stored, told, again = True, Outcome.CONFIRMED, 0.0
        if self.strikes(self.weather.faults):
            stored, told, again = self.chance.choice(
                [
                    (False, Outcome.NACKED, 0.0),
                    (False, Outcome.UNKNOWN, 0.0),
                    (True, Outcome.UNKNOWN, 0.0),
                    (False, Outcome.UNKNOWN, 3.0),
                    (True, Outcome.CONFIRMED, 3.0),
                    (True, Outcome.CONFIRMED, LATE),
                ]
            )
        if self.weather.vanish and self.strikes(self.weather.vanish):
            stored, again = False, 0.0
            told = Outcome.CONFIRMED
        self.soon(lambda: arrive(stored, told), 10.0 if name in self.slow else 1.0)
        if again:
            self.soon(lambda: self._store(name, record), again)

    def read(self, name: str, reader: Reader) -> None:
        """Tell a reader of every record from the first on; it picks when it looks at which."""
        if name not in self.journals:
            self.soon(reader.gone)
            return
        self.readers.setdefault(name, []).append(reader)
        for offset in range(len(self.journals[name])):
            reader.stored(offset)

    def unread(self, name: str, reader: Reader) -> None:
        """This reader has ended."""
        readers = self.readers.get(name, [])
        if reader in readers:
            readers.remove(reader)

    def publish(self, assignment: Assignment) -> None:
        """Put a task up for the nodes."""
        self.waiting.append(assignment)
        self.dispatch()

    def dispatch(self) -> None:
        """Hand over what waits, if anybody is there."""
        self.chance.shuffle(self.waiting)
        for assignment in tuple(self.waiting):
            queue = assign_queue(assignment.task.stage)
            ready = [each for each in self.consumers if each.queue == queue and each.ready]
            if ready:
                self.waiting.remove(assignment)
                consumer, tag = self.chance.choice(ready), next(self._tags)
                self.unacked[tag] = (consumer, assignment)
                consumer.hand(tag, assignment)

    def ack(self, tag: int) -> None:
        """This one is done with; unless the ack is lost or its connection was."""
        if tag in self.unacked:
            _, assignment = self.unacked.pop(tag)
            if self.waiting:  # there is room for one more
                self.soon(self.dispatch)
            if self.strikes(self.weather.faults):
                self.soon(lambda: self.publish(assignment), LATE)

    def requeue(self, tag: int) -> None:
        """Somebody else is to have this one."""
        if tag in self.unacked:
            self.publish(self.unacked.pop(tag)[1])

    def cut(self, consumers: Sequence[Consumer]) -> None:
        """Their connection died: others get their assignments, even if they live on."""
        for consumer in consumers:
            consumer.forget()
        lost = [tag for tag, (holder, _) in self.unacked.items() if holder in consumers]
        self.waiting.extend(self.unacked.pop(tag)[1] for tag in lost)
        self.soon(self.dispatch)

    def handed(self, assignment: Assignment) -> None:
        """It has arrived; now and then somebody else gets it, too."""
        if self._second_owners and self.strikes(self.weather.faults):
            self._second_owners -= 1
            self.publish(assignment)

    def _store(self, name: str, record: Record) -> bool:
        journal = self.journals.get(name)
        if journal is None:
            return False
        journal.append(record)
        for reader in list(self.readers.get(name, ())):
            reader.stored(len(journal) - 1)
        return True
