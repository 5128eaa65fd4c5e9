"""The whole protocol in one thread on virtual time: clients, nodes, tasks, followers, clean-up.

Nodes are the product's own actors, `NodeSupervisor`, `SessionActor` and `TaskActor` with all that
they use, in processes whose time, threads and transport are simulated (`sim_process`). They die at
the product's crash points. `sim_plot.Rules` takes safeguards of clients and clean-up away, patches
of the product in test_ablation.py those of nodes.
"""

from __future__ import annotations

import gc
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pykka
import pytest

from coffeeshop import crashpoints
from coffeeshop.errors import CoffeeshopError
from coffeeshop.pipeline.messages import Assignment, Record, out_journal
from coffeeshop.pipeline.plan import destinations, plan_named
from coffeeshop.pipeline.poison import SAME_CULPRIT
from coffeeshop.pipeline.task import Output, TaskCore
from coffeeshop.sessions.events import End
from coffeeshop.sessions.results import Completed
from coffeeshop.transport import Outcome
from tests.folding import TableFold
from tests.properties.sim_broker import LATE, Broker
from tests.properties.sim_clock import SimClock
from tests.properties.sim_node import Node
from tests.properties.sim_plot import Plot, Violation
from tests.properties.sim_process import Process
from tests.properties.sim_repair import RepairingGateway
from tests.properties.sim_sessions import Content

RESULT_TTL = 60.0
MOST_DEATHS = 2
"""Of processes, where attempts claim: a third one in a row would be told for poison. One less where
the broker loses what it confirmed: the word that a record did no harm may be lost as well."""
MOST_CALLS = 100_000


class Crash(RuntimeError):
    """On purpose."""


class Follower:
    """Somebody who waits for the result. Reads in order, as from any gateway."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fold = TableFold(world.spec)
        self.next = 0
        self.events: list[End | Completed] = []
        self.late = out_journal(world.spec.id) not in world.broker.journals
        world.broker.read(out_journal(world.spec.id), self)

    def stored(self, offset: int) -> None:
        self.world.broker.soon(self.catch_up)

    def gone(self) -> None:
        pass

    def catch_up(self) -> None:
        journal = self.world.broker.journals.get(out_journal(self.world.spec.id), [])
        while self.next < len(journal):
            if not self.world.rules.first_terminal_wins:
                self.fold.terminal = None
            event = self.fold.feed(journal[self.next])
            self.next += 1
            if event is not None:
                is_completed = event.state == "completed"
                self.events.append(self.fold.completed() if is_completed else event)
                self.world.ended()


class Client:
    """A producer. Sends each record to where it belongs until it is confirmed."""

    def __init__(self, world: World, records: list[Record]) -> None:
        self.world = world
        self.records = records
        self.fresh = Counter[str](r.stream for r in records if r.kind == "batch")

    def upload(self, within: float) -> None:
        """Everything, from the first record on; a client that comes back does it again."""
        for record in self.records:
            self.world.broker.soon(lambda record=record: self.send(record), within)  # type: ignore[misc]

    def send(self, record: Record) -> None:
        number = record.number if record.kind == "batch" else None
        plan = plan_named(self.world.spec.plan)
        for journal in destinations(plan, self.world.spec, record.stream, number):
            self.append(journal, record)

    def send_again(self, table: str, numbers: set[int]) -> None:
        """What a task asks for."""
        for record in self.records:
            if record.kind == "batch" and record.stream == table and record.number in numbers:
                self.send(record)

    def append(self, journal: str, record: Record) -> None:
        def ended(outcome: Outcome) -> None:
            if outcome is Outcome.CONFIRMED:
                self.world.confirmed(journal, record)
            if outcome not in (Outcome.NACKED, Outcome.UNKNOWN):
                return
            if not self.world.rules.clients_wait_for_confirms:
                return
            if record.kind == "batch" and not self.world.rules.resend_same_id:
                self.send(replace(record, number=self.fresh[record.stream]))
                self.fresh[record.stream] += 1
            else:
                self.world.clock.call_later(0.1, lambda: self.append(journal, record))

        self.world.append(journal, record, ended)


@dataclass
class World:
    """One session from its opening to the last late duplicate."""

    seed: int
    content: Content
    plot: Plot
    attempts: int = 0
    losses: int = 0
    """Times that a process died, froze or was cut off: another one took its tasks."""
    revived: int = 0
    """Attempts of tasks that their node knew to be settled."""
    lied: int = 0
    """Appends that went nowhere and were called confirmed."""
    recomputed: int = 0
    """Assignments that were published again."""
    followers: list[Follower] = field(default_factory=list)
    cleaning: bool = False

    def __post_init__(self) -> None:
        self.running: Process | None = None
        """The process whose code runs."""
        self.deaths = 0
        self.refused: list[str] = []
        """Records that a task refused."""
        self.failed_over: set[tuple[str, str]] = set()
        self.gateway: RepairingGateway | None = None
        self.ends: dict[tuple[str, str], set[str]] = {}
        self.chance = random.Random(self.seed)
        self.clock = SimClock()
        self.broker = Broker(self.clock, self.chance, self.plot.weather)
        self.spec = self.content.spec
        self.rules = self.plot.rules
        self.tasks = plan_named(self.spec.plan).tasks(self.spec)
        self.nodes: list[Node] = []
        self.clients = [
            Client(self, [r for r in self.content.records if r.producer == name])
            for name in self.spec.producer_names
        ]

    def run(self) -> None:
        """Everything, until nothing is left to happen; raises `Violation`."""
        random.seed(self.seed)  # the product's jitter
        with _uncollected(), crashpoints.heard_by(self.passing), self.feeding(), _forgotten():
            self._run()

    def _run(self) -> None:
        self.nodes = [Node(self) for _ in range(self.plot.nodes)]
        if self.plot.weather.faults:
            self.broker.slow.add(self.chance.choice(self.tasks).journal)
        if self.rules.declare_first:
            self.declare()
        for task in self.tasks:
            self.broker.publish(Assignment(self.spec, task))
        self.clock.call_later(2.0, self.feed)
        for node in self.nodes:
            for _ in range(self.chance.randrange(3) if self.plot.weather.crashes else 0):
                self.broker.soon(node.crash, self.plot.weather.until)
            if self.plot.weather.faults:
                self.broker.soon(lambda node=node: self.disturb(node), 20.0)  # type: ignore[misc]
        self.go_on()
        self.check()

    def go_on(self) -> None:
        """Until nothing is left to happen."""
        try:
            self.clock.run_until_idle(MOST_CALLS)
        except RuntimeError as error:
            raise Violation(f"never idle: {error}") from error

    def disturb(self, node: Node) -> None:
        """Its process freezes, or its connection is cut: others get its tasks meanwhile."""
        seconds = self.chance.choice((0.0, 8.0)) * self.chance.random()
        if self.chance.random() < 0.5:
            node.process.freeze(seconds)
        else:
            node.process.cut_off(seconds)

    def passing(self, point: str) -> None:
        """An actor passes a crash point."""
        if point not in ("task.before_feed", "task.after_feed"):  # see `feeding`
            self.befall(point.startswith("node."))

    def befall(self, root: bool, record: tuple[str, str] | None = None) -> None:
        """Now and then the actor that runs fails here, or its whole process dies.

        Never twice over one record, which would be the record's fault; the root actor fails with
        its process.
        """
        process = self.running
        if process is None or not process.alive:
            return
        if not self.broker.strikes(self.plot.weather.crashes):
            return
        if root or self.chance.random() < 0.2:
            if not self.may_die():
                return
            process.node.crash()
        elif record is not None:
            if record in self.failed_over:
                return
            self.failed_over.add(record)
        raise Crash("on purpose")

    def may_die(self) -> bool:
        """Whether one process more may die: where attempts claim, a third one tells of poison."""
        self.deaths += 1
        most = MOST_DEATHS - (self.plot.weather.vanish > 0)
        return not self.plot.claims or self.deaths <= most

    @contextmanager
    def feeding(self) -> Iterator[None]:
        """Let tasks fail before and after each record, and note what they refuse by themselves."""
        feed = TaskCore.feed

        def watched(core: TaskCore, record: Record) -> list[Output]:
            over = core.task.producer, record.id
            self.befall(False, over)
            try:
                outputs = feed(core, record)
            except CoffeeshopError as error:
                self.refused.append(f"{core.task.producer}: {error}")
                raise
            self.befall(False, over)
            return outputs

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(TaskCore, "feed", watched)
            yield

    def declare(self) -> None:
        self.broker.declare(out_journal(self.spec.id))
        for task in self.tasks:
            self.broker.declare(task.journal)

    def feed(self) -> None:
        """The clients begin; they, others, and the broker repeat themselves, also far too late."""
        self.declare()
        self.followers.append(Follower(self))
        if self.plot.repairs:
            self.gateway = RepairingGateway(self)
        late = self.chance.random() < 0.5
        for client in self.clients:
            client.upload(5.0)
            if self.plot.weather.faults and self.plot.clients_return:
                if self.chance.random() < 0.5:
                    self.broker.soon(lambda c=client: c.upload(5.0), 10.0)  # type: ignore[misc]
                if late:
                    self.broker.soon(lambda c=client: c.upload(5.0), 2 * LATE)  # type: ignore[misc]
        if self.plot.weather.faults:
            self.broker.soon(lambda: self.followers.append(Follower(self)), 30.0)
            for task in self.tasks if late else ():
                again = Assignment(self.spec, task)
                self.broker.soon(lambda again=again: self.broker.publish(again), 2 * LATE)  # type: ignore[misc]
        if self.plot.cancel:
            self.broker.soon(lambda: self.say_failed("cancelled", lambda: None), 15.0)

    def append(self, journal: str, record: Record, on_outcome: Any) -> None:
        def told(outcome: Outcome) -> None:
            lost = outcome is Outcome.RETURNED and not self.rules.mandatory
            self.lied += lost
            on_outcome(Outcome.CONFIRMED if lost else outcome)

        self.broker.append(journal, record, told)

    def confirmed(self, journal: str, record: Record) -> None:
        """A client's record is stored, for all that it knows: the gateway writes down ends."""
        if record.kind != "eof" or self.gateway is None:
            return
        plan = plan_named(self.spec.plan)
        ends = self.ends.setdefault((record.stream, record.producer), set())
        ends.add(journal)
        if ends == set(destinations(plan, self.spec, record.stream, None)):
            self.gateway.tables[record.stream, record.producer] = record.number

    def say_failed(self, reason: str, on_confirmed: Any) -> None:
        """A failure on the out journal, sent until it is confirmed or the journal is gone."""

        def ended(outcome: Outcome) -> None:
            if outcome in (Outcome.NACKED, Outcome.UNKNOWN):
                self.say_failed(reason, on_confirmed)
            else:
                on_confirmed()

        record = Record("failed", "session", "somebody", 0, reason.encode())
        self.append(out_journal(self.spec.id), record, ended)

    def ended(self) -> None:
        """A terminal event was seen: the inputs go soon, the results after a while."""
        if self.cleaning:
            return
        self.cleaning = True
        for task in self.tasks:
            self.broker.soon(lambda task=task: self.broker.delete(task.journal), 2.0)  # type: ignore[misc]
        out = out_journal(self.spec.id)
        self.clock.call_later(RESULT_TTL, lambda: self.broker.delete(out))

    def check(self) -> None:
        """The promise."""
        if self.refused:
            raise Violation(f"refused: {self.refused[0]}")
        for follower in self.followers:
            if not follower.late:
                self._check_events(follower.events)
        seen = {repr(event) for follower in self.followers for event in follower.events}
        if len(seen) > 1:
            raise Violation(f"followers differ: {seen}")
        self._check_nothing_left()

    def _check_events(self, events: list[End | Completed]) -> None:
        if len(events) != 1:
            raise Violation(f"{len(events)} terminal events")
        event = events[0]
        if isinstance(event, End):
            allowed = {"cancelled"} if self.plot.cancel else set()
            too_often = self.plot.intensity is not None and " failed too often;" in event.reason
            if event.reason not in allowed and not too_often and not self._is_suspicion(event):
                raise Violation(f"failed for no reason: {event.reason}")
        elif rows(event) != self.content.answer:
            raise Violation(f"wrong results: {rows(event)} instead of {self.content.answer}")

    def _is_suspicion(self, event: End) -> bool:
        """Whether so many processes were lost by chance that a record may be blamed for it."""
        needed = SAME_CULPRIT - (self.plot.weather.vanish > 0)
        return " died while working on " in event.reason and self.losses >= needed

    def _check_nothing_left(self) -> None:
        asked = [node.status() for node in self.nodes if node.up]
        self.go_on()
        found = [each.get(timeout=0) for each in asked]
        consumers = [each for node in self.nodes for each in node.process.consumers]
        left = {
            "journals": list(self.broker.journals),
            "readers": [name for name, readers in self.broker.readers.items() if readers],
            "waiting": self.broker.waiting,
            "unacked": list(self.broker.unacked.values()),
            "unsettled": [tag for consumer in consumers for tag in consumer.unsettled],
            "sessions": [session for status in found for session in status.sessions],
            "tasks": [task for status in found for task in status.tasks],
            "in progress": [task for status in found for task in status.in_progress],
            "down": [node for node in self.nodes if not node.up],
        }
        if any(left.values()):
            raise Violation(f"left over: { {name: what for name, what in left.items() if what} }")


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for garbage meanwhile: it would cost a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _forgotten() -> Iterator[None]:
    """pykka forgets the actors that were started meanwhile."""
    before = set(pykka.ActorRegistry.get_all())
    try:
        yield
    finally:
        for ref in pykka.ActorRegistry.get_all():
            if ref not in before:
                pykka.ActorRegistry.unregister(ref)


def rows(completed: Completed) -> dict[str, list[tuple[Any, ...]]]:
    """The results as plain rows."""
    return {
        name: [tuple(row.values()) for row in table.to_pylist()]
        for name, table in completed.tables.items()
    }
