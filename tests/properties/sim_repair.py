"""Repair in the simulation: a gateway that reads the out journal.

What decides is the product's own `coffeeshop.pipeline.repair`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from coffeeshop.pipeline.messages import Assignment, Record, out_journal
from coffeeshop.pipeline.plan import destinations, plan_named
from coffeeshop.pipeline.repair import (
    Action,
    Missing,
    Recompute,
    Repairs,
    RepeatEnd,
    numbers_of,
)
from coffeeshop.schema import TABLES
from coffeeshop.sessions.results import ResultFold
from coffeeshop.transport import Outcome

if TYPE_CHECKING:
    from tests.properties.simulation import World

AFTER = 5.0
STALLED_AFTER = 200.0
LOOK = 20.0
"""Seconds between two looks whether everything has come to a halt."""


@dataclass(frozen=True)
class Again(Assignment):
    """An assignment that is published again."""

    repair: int = 0


def repair_of(assignment: Assignment) -> int:
    """Which request led to it; 0 for a task's first one."""
    return assignment.repair if isinstance(assignment, Again) else 0


class RepairingGateway:
    """Reads the out journal in order and does what is due. Lives as long as the session."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fold = ResultFold(world.spec)
        self.repairs = Repairs(world.spec, 1e9, STALLED_AFTER)
        self.next = 0
        self.tables = {(t, p): 0 for t in TABLES for p in world.spec.producer_names}
        for record in world.content.records:
            if record.kind == "eof":  # until its end is confirmed
                del self.tables[record.stream, record.producer]
        world.broker.read(out_journal(world.spec.id), self)
        self.later()

    def later(self) -> None:
        self.world.clock.call_later(LOOK, self.look)

    def look(self) -> None:
        if self.fold.terminal is None:
            now = self.world.clock.now()
            self.act(self.repairs.stalled(now, self.tables, self.fold.complete))
            self.later()

    def stored(self, offset: int) -> None:
        self.world.broker.soon(self.catch_up)

    def gone(self) -> None:
        pass

    def catch_up(self) -> None:
        journal = self.world.broker.journals.get(out_journal(self.world.spec.id), [])
        while self.next < len(journal) and self.fold.terminal is None:
            record, offset = journal[self.next], self.next
            self.next += 1
            self.fold.feed(record)
            now, complete = self.world.clock.now(), self.fold.complete
            self.repairs.heard(now)
            self.act(self.repairs.feed(record, offset, now, self.tables, complete))
            if record.kind == "missing":
                self.tell_clients(Missing.of(record))

    def tell_clients(self, missing: Missing) -> None:
        if missing.is_of_a_client:
            client = self.world.clients[int(missing.gap.producer)]
            numbers = set(numbers_of(missing.gap.ranges, missing.gap.step))
            self.world.broker.soon(lambda: client.send_again(missing.gap.stream, numbers))

    def act(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case RepeatEnd(table, producer, count):
                    self.repeat(Record("eof", table, producer, count))
                case Recompute(task, repair):
                    self.world.recomputed += 1
                    self.world.broker.publish(Again(self.world.spec, task, repair))

    def repeat(self, end: Record) -> None:
        plan = plan_named(self.world.spec.plan)
        for journal in destinations(plan, self.world.spec, end.stream, None):
            self.append(journal, end)

    def append(self, journal: str, record: Record) -> None:
        def ended(outcome: Outcome) -> None:
            if outcome in (Outcome.NACKED, Outcome.UNKNOWN):
                self.world.clock.call_later(0.1, lambda: self.append(journal, record))

        self.world.append(journal, record, ended)
