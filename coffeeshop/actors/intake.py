"""How many assignments a node holds at once: few while its tasks are busy, more while they wait.

A node that took every assignment there is would leave nothing for nodes that start later, and would
hide from the broker how many wait. One that took few would stand still while a few clients are
silent. So a node takes `STEP` of a stage, and as many again whenever it holds all it may and hardly
one of these tasks is at a record: 16, 32, 64 ... It gives the room back when they end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from coffeeshop.bounds import TASKS_OF_A_STAGE
from coffeeshop.pipeline.messages import assign_queue
from coffeeshop.transport import Consumer, QueueDelivery, Transport

STEP = 16
MOST = TASKS_OF_A_STAGE
"""Tasks of one stage that a node holds, at most. An idle one takes memory and no thread."""
_NUMBERS = count()
BUSY_SHARE = 4
"""A stage of which one in so many tasks is at a record has enough to do."""


@dataclass(frozen=True)
class Assigned:
    """An assignment as it was handed over; ``taker`` is the number of the consumer that did."""

    stage: str
    taker: int
    handed: QueueDelivery


@dataclass
class _Taker:
    consumer: Consumer
    size: int
    held: int = 0
    taking: bool = True


class Intake:
    """The assignments of one stage. Belongs to the node's thread."""

    def __init__(
        self,
        transport: Transport,
        stage: str,
        on_assigned: Callable[[Assigned], None],
        on_gone: Callable[[], None],
    ) -> None:
        """``on_assigned``, and ``on_gone`` when the queue is deleted, are called from the
        transport's thread; the latter perhaps several times. Takes nothing before `start`."""
        self._transport = transport
        self._stage = stage
        self._on_assigned = on_assigned
        self._on_gone = on_gone
        self._takers: dict[int, _Taker] = {}

    @property
    def held(self) -> int:
        """How many assignments are not settled."""
        return sum(taker.held for taker in self._takers.values())

    @property
    def room(self) -> int:
        """How many it takes at once."""
        return sum(taker.size for taker in self._takers.values() if taker.taking)

    @property
    def full(self) -> bool:
        """Whether more may wait on the broker, and may be taken."""
        return self.held >= self.room and 0 < self.room < MOST

    def start(self) -> None:
        """Take the first ones."""
        self._transport.declare_queue(assign_queue(self._stage))
        self._take_more()

    def took(self, assigned: Assigned) -> bool:
        """Whether it is this node's, until `ack` or `requeue`; one that came late went back."""
        taker = self._takers.get(assigned.taker)
        if taker is not None:
            taker.held += 1
        return taker is not None

    def ack(self, assigned: Assigned) -> None:
        """Its task is settled."""
        self._takers[assigned.taker].consumer.ack(assigned.handed.tag)
        self._let_go(assigned.taker)

    def requeue(self, assigned: Assigned) -> None:
        """Another node is to take it."""
        self._takers[assigned.taker].consumer.requeue(assigned.handed.tag)
        self._let_go(assigned.taker)

    def adapt(self, busy: int) -> None:
        """Take more if all that may be held is held and hardly any of it is worked on.

        ``busy``: how many of the stage's tasks are at a record.
        """
        if self.full and busy * BUSY_SHARE < self.held:
            self._take_more()

    def stop_taking(self) -> None:
        """Ask for no more; what is held can still be settled."""
        for taker in self._takers.values():
            _retire(taker)

    def close(self) -> None:
        """Hand back whatever is held."""
        for taker in self._takers.values():
            taker.consumer.close()

    def _take_more(self) -> None:
        number = next(_NUMBERS)

        def handed_over(handed: QueueDelivery) -> None:
            self._on_assigned(Assigned(self._stage, number, handed))

        size = min(max(STEP, self.room), MOST - self.room)
        consumer = self._transport.consume(
            assign_queue(self._stage), size, handed_over, self._on_gone
        )
        self._takers[number] = _Taker(consumer, size)

    def _let_go(self, number: int) -> None:
        self._takers[number].held -= 1
        last = [taker for taker in self._takers.values() if taker.taking][-1:]
        if last and self.held <= self.room - last[0].size - STEP:
            _retire(last[0])
        _, *others = self._takers
        for other in others:
            if not self._takers[other].taking and not self._takers[other].held:
                self._takers.pop(other).consumer.close()


def _retire(taker: _Taker) -> None:
    if taker.taking:
        taker.taking = False
        taker.consumer.stop_taking()
