"""A simulated process: what the product's actors see of the world, on virtual time.

The actors are the product's own. A process gives them a dispatcher that runs one turn at a time at
a moment of chance, a clock that may go wrong, and a transport to the simulated broker that may be
cut off. It freezes, it dies, and nothing of an earlier life has any effect on a later one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from coffeeshop.actors.dispatcher import Turn
from coffeeshop.pipeline.messages import Assignment, Record
from coffeeshop.pipeline.repair import REPAIR
from coffeeshop.transport import Delivery, Message, Outcome, QueueDelivery
from coffeeshop.transport.base import OnDelivery, OnGone, OnOutcome, OnQueueDelivery
from tests.properties.sim_repair import repair_of

if TYPE_CHECKING:
    from tests.properties.sim_node import Node
    from tests.properties.simulation import World

TURN = 0.05
"""Seconds within which a process runs an actor that has something to do."""
TRAVEL = 0.5
"""Seconds within which something reaches a process."""


class Process:
    """One life of a process."""

    def __init__(self, world: World, node: Node) -> None:
        self.world = world
        self.node = node
        self.alive = True
        self.rate = 1.0
        """How fast its clock goes."""
        self.frozen_until = 0.0
        self.cut_until = 0.0
        self.readers: list[SimReader] = []
        self.consumers: list[SimConsumer] = []
        self.settled: set[str] = set()
        """Journals of tasks that it needs not take again."""
        self.handed: Counter[str] = Counter()
        """Entries that its readers handed over, by journal."""

    # As a clock.

    def now(self) -> float:
        return self.world.clock.now() * self.rate

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self.world.clock.call_later(seconds / self.rate, lambda: self._run(call))

    # As a dispatcher.

    def submit(self, turn: Turn) -> None:
        self.world.broker.soon(lambda: self._run(turn), TURN)

    # What happens to it.

    def freeze(self, seconds: float) -> None:
        """It does nothing for so long; the broker gives its assignments to others meanwhile."""
        self.frozen_until = max(self.frozen_until, self.world.clock.now() + seconds)
        self._lose_connection()

    def cut_off(self, seconds: float) -> None:
        """It goes on, and hears nothing of the broker for so long, nor the broker of it."""
        self.cut_until = max(self.cut_until, self.world.clock.now() + seconds)
        self._lose_connection()

    def die(self) -> None:
        """At once, with all it knew."""
        self.alive = False
        self._lose_connection()
        for consumer in self.consumers:
            self.world.broker.consumers.remove(consumer)
        for reader in list(self.readers):
            reader.close()

    def _lose_connection(self) -> None:
        self.world.losses += 1
        self.world.broker.cut(self.consumers)
        if not self.alive:
            return
        back = max(self.frozen_until, self.cut_until) - self.world.clock.now()
        self.world.clock.call_later(max(0.0, back) + TURN, self.world.broker.dispatch)

    def _run(self, call: Callable[[], object]) -> None:
        """Make a call of this life, once it is not frozen."""
        if not self.alive:
            return
        wait = self.frozen_until - self.world.clock.now()
        if wait > 0:
            self.world.clock.call_later(wait, lambda: self._run(call))
            return
        before, self.world.running = self.world.running, self
        try:
            call()
        finally:
            self.world.running = before

    def reached(self, call: Callable[[], object], within: float = TRAVEL) -> None:
        """Something from the broker comes: soon, or when it is reachable again."""

        def arrives() -> None:
            wait = self.cut_until - self.world.clock.now()
            if wait > 0:
                self.world.clock.call_later(wait, lambda: self._run(call))
            else:
                self._run(call)

        self.world.broker.soon(arrives, within)

    # As a transport: what nodes use of the contract.

    def append(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        if not self.alive:
            return
        if self.cut_until > self.world.clock.now():
            self.reached(lambda: on_outcome(Outcome.UNKNOWN))
            return
        record = Record.of(message)
        self.world.append(name, record, lambda how: self.reached(lambda: on_outcome(how), 0.1))

    def read(
        self, name: str, offset: int, credit: int, on_delivery: OnDelivery, on_gone: OnGone
    ) -> SimReader:
        reader = SimReader(self, name, offset, credit, on_delivery, on_gone)
        if self.alive:
            if name.startswith("in."):
                self.world.attempts += 1
                self.world.revived += name in self.settled
            self.readers.append(reader)
            self.world.broker.read(name, reader)
        return reader

    def consume(
        self, name: str, prefetch: int, on_handed: OnQueueDelivery, on_gone: OnGone
    ) -> SimConsumer:
        consumer = SimConsumer(self, name, prefetch, on_handed)
        if self.alive:
            self.consumers.append(consumer)
            self.world.broker.consumers.append(consumer)
            self.world.broker.dispatch()
        return consumer

    def declare_queue(self, name: str) -> None:
        """There is every queue."""

    def declare_journal(self, name: str, max_bytes: int | None = None) -> None:
        if self.alive:
            self.world.broker.declare(name)

    def delete_journal(self, name: str) -> None:
        if self.alive:
            self.world.broker.delete(name)


class SimReader:
    """One reading of a journal. An input journal's entries come in any order: more than the
    contract allows, so that nothing rests on it."""

    def __init__(
        self,
        process: Process,
        name: str,
        offset: int,
        credit: int,
        on_delivery: OnDelivery,
        on_gone: OnGone,
    ) -> None:
        self.process = process
        self.name = name
        self._offset = offset
        self._credit = credit
        self._on_delivery = on_delivery
        self._on_gone = on_gone
        self._stored: list[int] = []
        self._is_open = True
        self._in_order = not name.startswith("in.")

    def stored(self, offset: int) -> None:
        """There is a record at this offset."""
        if offset >= self._offset:
            self._stored.append(offset)
            self._deliver()

    def gone(self) -> None:
        """The journal does not exist."""
        self.process.reached(lambda: self._on_gone() if self._is_open else None)

    def credit(self, deliveries: int) -> None:
        self._credit += deliveries
        self._deliver()

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self.process.world.broker.unread(self.name, self)
            self.process.readers.remove(self)

    def _deliver(self) -> None:
        broker = self.process.world.broker
        journal = broker.journals.get(self.name)
        while self._credit and self._stored and self._is_open and journal is not None:
            self._credit -= 1
            place = 0 if self._in_order else broker.chance.randrange(len(self._stored))
            offset = self._stored.pop(place)
            delivery = Delivery(offset, journal[offset].message())
            within = 0.0 if self._in_order else TRAVEL
            self.process.reached(lambda delivery=delivery: self._hand(delivery), within)  # type: ignore[misc]

    def _hand(self, delivery: Delivery) -> None:
        if self._is_open:
            self.process.handed[self.name] += 1
            self._on_delivery(delivery)


class SimConsumer:
    """One consumer of a queue of assignments."""

    def __init__(
        self, process: Process, queue: str, prefetch: int, on_handed: OnQueueDelivery
    ) -> None:
        self.process = process
        self.queue = queue
        self.prefetch = prefetch
        self.taking = True
        self.unsettled: dict[int, Assignment] = {}
        self._on_handed = on_handed

    @property
    def ready(self) -> bool:
        """Whether the broker may hand it one more."""
        process = self.process
        reachable = max(process.cut_until, process.frozen_until) <= process.world.clock.now()
        return process.alive and self.taking and reachable and len(self.unsettled) < self.prefetch

    def hand(self, tag: int, assignment: Assignment) -> None:
        """The broker hands one over; it arrives unless the connection is lost before."""
        self.unsettled[tag] = assignment
        self.process.reached(lambda: self._handed(tag), 1.0)

    def _handed(self, tag: int) -> None:
        assignment = self.unsettled.get(tag)
        if assignment is not None:
            if repair := repair_of(assignment):
                self.process.settled.discard(assignment.task.journal)
            headers = {REPAIR: repair} if repair else {}
            self._on_handed(QueueDelivery(tag, Message(headers, assignment.to_bytes())))
            self.process.world.broker.handed(assignment)

    def ack(self, tag: int) -> None:
        if tag in self.unsettled and self.process.alive:
            self.process.settled.add(self.unsettled.pop(tag).task.journal)
            self.process.world.broker.ack(tag)

    def requeue(self, tag: int) -> None:
        if tag in self.unsettled and self.process.alive:
            del self.unsettled[tag]
            self.process.world.broker.requeue(tag)

    def stop_taking(self) -> None:
        self.taking = False

    def close(self) -> None:
        self.taking = False
        for tag in list(self.unsettled):
            self.requeue(tag)

    def forget(self) -> None:
        """Its connection is gone: tags mean nothing any more, and others get the assignments."""
        self.unsettled.clear()
