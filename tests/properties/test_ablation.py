"""Each safeguard is needed: without it, and with all the others, some seed breaks the promise.
Two are not, for the promise itself; their tests say what they are good for.

The same seed keeps the promise when the safeguard is back, so it is the safeguard that does it.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from coffeeshop.actors import node as node_module
from coffeeshop.actors import task as actors_task
from coffeeshop.actors.intake import Assigned, Intake
from coffeeshop.actors.session import SessionActor
from coffeeshop.actors.task import TaskActor, _Ended
from coffeeshop.codec import decode
from coffeeshop.observability import logs
from coffeeshop.pipeline import task as task_module
from coffeeshop.pipeline.messages import Record, TaskId
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.pipeline.progress import Ledger, _Producer
from coffeeshop.pipeline.task import Output, TaskCore
from coffeeshop.transport import Outcome
from tests.properties.sim_plot import Plot, Rules, Violation, Weather
from tests.properties.sim_process import Process, SimReader
from tests.properties.sim_sessions import TINY, Sums, pairs, tiny
from tests.properties.simulation import World

SEEDS = range(400)
ROUGH = Plot(Weather(faults=0.15, crashes=0.02))
Patch = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(autouse=True)
def _tiny_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANS, "tiny", TINY)
    monkeypatch.setattr(logs, "_deferred", (logging.CRITICAL + 1, lambda: None))


def breach(seed: int, plot: Plot) -> str:
    """How the promise is broken, or nothing."""
    try:
        world(seed, plot).run()
    except Violation as violation:
        return str(violation)
    return ""


def world(seed: int, plot: Plot) -> World:
    return World(seed, tiny(random.Random(f"content {seed}")), plot)


def first_breach(plot: Plot, like: tuple[str, ...]) -> int:
    """The first seed that breaks the promise in one of these ways."""
    others = set()
    for seed in SEEDS:
        how = breach(seed, plot)
        if how.startswith(like):
            return seed
        others.add(how)
    raise AssertionError(f"of seeds {SEEDS} none breaks like {like}; there were {others}")


def needed(
    like: tuple[str, ...],
    plot: Plot = ROUGH,
    without: Rules | None = None,
    patch: Patch = lambda patch: None,
) -> None:
    """Without the safeguard a seed breaks in one of these ways; with it that seed does not."""
    with pytest.MonkeyPatch.context() as context:
        patch(context)
        seed = first_breach(replace(plot, rules=without or Rules()), like)
    assert breach(seed, plot) == "", f"seed {seed} breaks with every safeguard in place"


UNFINISHED = ("0 terminal events",)
WRONG = ("wrong results",)
REFUSED = ("refused",)
BAD_END = ("0 terminal events", "failed for no reason: the broker lost")
DISAGREE = ("failed for no reason: two attempts at a task gave different results",)


def acked_at_once(patch: pytest.MonkeyPatch) -> None:
    """A node acks an assignment when it takes it."""
    took = Intake.took

    def taken(intake: Intake, assigned: Assigned) -> bool:
        is_ours = took(intake, assigned)
        intake._takers[assigned.taker].consumer.ack(assigned.handed.tag)
        return is_ours

    patch.setattr(Intake, "took", taken)


def sent_once(patch: pytest.MonkeyPatch) -> None:
    """A task believes that what it sends is stored."""

    def send(actor: TaskActor, number: int) -> None:
        output = actor._pending[number]
        actor._transport.append(output.journal, output.record.message(), lambda outcome: None)
        actor.actor_ref.tell(_Ended(number, Outcome.CONFIRMED))

    patch.setattr(TaskActor, "_send", send)


def with_what_it_knew(patch: pytest.MonkeyPatch) -> None:
    """An attempt goes on with the state of the one before it in its process."""
    init = TaskActor.__init__
    cores: WeakKeyDictionary[Process, dict[TaskId, TaskCore]] = WeakKeyDictionary()

    def begun(actor: TaskActor, parent: Any, spec: Any, task: TaskId, *rest: Any) -> None:
        init(actor, parent, spec, task, *rest)
        known = cores.setdefault(rest[0], {})
        actor._core = known.setdefault(task, actor._core)

    patch.setattr(TaskActor, "__init__", begun)


def from_where_it_was(patch: pytest.MonkeyPatch) -> None:
    """An attempt reads from where the one before it in its process had come to."""
    read = Process.read

    def reads(process: Process, name: str, _: int, *rest: Any, **more: Any) -> SimReader:
        return read(process, name, process.handed[name], *rest, **more)

    patch.setattr(Process, "read", reads)


def nodes_declare(patch: pytest.MonkeyPatch) -> None:
    """A node makes the journal that it wants to read."""
    read = Process.read

    def reads(process: Process, name: str, *rest: Any, **more: Any) -> SimReader:
        process.declare_journal(name)
        return read(process, name, *rest, **more)

    patch.setattr(Process, "read", reads)


def nodes_delete(patch: pytest.MonkeyPatch) -> None:
    """A node deletes the journal of a task that is done."""
    settle = SessionActor._settle

    def settled(session: SessionActor, task: TaskId) -> None:
        session._transport.delete_journal(task.journal)
        settle(session, task)

    patch.setattr(SessionActor, "_settle", settled)


@pytest.mark.parametrize(
    ("patch", "like"),
    [
        pytest.param(acked_at_once, UNFINISHED, id="ack after outputs"),
        pytest.param(sent_once, UNFINISHED, id="re-send what is unconfirmed"),
        pytest.param(from_where_it_was, UNFINISHED, id="replay from 0"),
        pytest.param(with_what_it_knew, UNFINISHED, id="fresh state"),
        pytest.param(nodes_declare, ("left over",), id="nodes never declare"),
        pytest.param(nodes_delete, BAD_END, id="nodes never delete"),
    ],
)
def test_without_a_rule_of_the_actors_some_seed_breaks_the_promise(
    patch: Patch, like: tuple[str, ...]
) -> None:
    needed(like, patch=patch)


@pytest.mark.parametrize(
    ("without", "like"),
    [
        pytest.param(Rules(declare_first=False), BAD_END, id="journals before assignments"),
        pytest.param(Rules(resend_same_id=False), REFUSED, id="re-send under the same id"),
    ],
)
def test_without_a_rule_of_gateways_and_clients_some_seed_breaks_the_promise(
    without: Rules, like: tuple[str, ...]
) -> None:
    needed(like, without=without)


@pytest.mark.parametrize("vanish", [0.02, 0.1])
def test_what_is_missing_must_be_asked_for_where_confirmed_records_vanish(vanish: float) -> None:
    once = Plot(Weather(faults=0.1, crashes=0.02, vanish=vanish), clients_return=False)
    needed(UNFINISHED, once, Rules(repair=False))
    for seed in SEEDS[:20]:
        assert breach(seed, once) == "", f"seed {seed} of {vanish}"


def test_a_client_must_keep_its_unconfirmed_batches_and_send_them_again() -> None:
    once = replace(ROUGH, clients_return=False)
    needed(UNFINISHED, once, Rules(clients_wait_for_confirms=False))


def test_only_the_first_terminal_event_may_count() -> None:
    needed(("2 terminal events",), replace(ROUGH, cancel=True), Rules(first_terminal_wins=False))


class Undiscerning(Ledger):
    """Counts, but calls nothing a repeat."""

    def admit(self, stream: str, producer: str, number: int) -> bool:
        super().admit(stream, producer, number)
        return True


class ByContent(TaskCore):
    """Calls a batch a repeat when one with the same bytes was there, whatever its id."""

    def feed(self, record: Record) -> list[Output]:
        bodies = self.__dict__.setdefault("bodies", {})
        if record.kind == "batch" and bodies.setdefault(record.body, record.id) != record.id:
            record = replace(record, body=task_module.encode(pairs(())))
        return super().feed(record)


class Frugal(TaskCore):
    """Sends no empty batches on."""

    def feed(self, record: Record) -> list[Output]:
        return [output for output in super().feed(record) if not _empty(output.record)]


def _empty(record: Record) -> bool:
    mapped = record.kind == "batch" and record.stream in ("even", "small")
    return mapped and decode(record.body).num_rows == 0


class LastMessage(Ledger):
    """Takes a producer's end for the last thing it says, as if there were an order."""

    @property
    def complete(self) -> bool:
        return all(map(self.has_all, {stream for stream, _ in self._producers}))

    def has_all(self, stream: str) -> bool:
        entries = [entry for (name, _), entry in self._producers.items() if name == stream]
        return all(entry.count is not None for entry in entries)


class Acquainted(Ledger):
    """Learns who produces from what comes in."""

    def __init__(
        self, inputs: Mapping[str, Iterable[str]], *, partition: int = 0, partitions: int = 1
    ) -> None:
        super().__init__({}, partition=partition, partitions=partitions)
        self._streams = set(inputs)

    def _entry(self, stream: str, producer: str) -> _Producer:
        if (stream, producer) not in self._producers:
            self._producers[stream, producer] = _Producer()
            self._open += 1
        return super()._entry(stream, producer)

    @property
    def complete(self) -> bool:
        return self._open == 0 and {stream for stream, _ in self._producers} == self._streams

    def has_all(self, stream: str) -> bool:
        return super().has_all(stream) and any(name == stream for name, _ in self._producers)


def ledger(kind: type[Ledger]) -> Patch:
    return lambda patch: patch.setattr(task_module, "Ledger", kind)


def core(kind: type[TaskCore]) -> Patch:
    return lambda patch: patch.setattr(actors_task, "TaskCore", kind)


@pytest.mark.parametrize(
    ("patch", "like"),
    [
        pytest.param(ledger(Undiscerning), WRONG, id="drop repeats"),
        pytest.param(core(ByContent), WRONG, id="drop repeats by id"),
        pytest.param(core(Frugal), UNFINISHED, id="one output per input id"),
        pytest.param(ledger(LastMessage), WRONG + DISAGREE, id="an end is a count"),
        pytest.param(ledger(Acquainted), WRONG + DISAGREE, id="announced producers"),
        pytest.param(
            lambda patch: patch.setattr(Sums, "canonical", False), DISAGREE, id="sorted results"
        ),
    ],
)
def test_without_a_rule_of_the_core_some_seed_breaks_the_promise(
    patch: Patch, like: tuple[str, ...]
) -> None:
    needed(like, patch=patch)


def revived() -> int:
    """How many settled tasks start again in some sound simulations."""
    worlds = [world(seed, ROUGH) for seed in SEEDS[:50]]
    for each in worlds:
        each.run()
    return sum(each.revived for each in worlds)


class Forgetful(dict[Any, Any]):
    """Keeps nothing."""

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


def test_without_tombstones_the_promise_holds_but_settled_tasks_start_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A second assignment may come between a task's end and its node's hearing of it.
    assert revived() <= 2
    monkeypatch.setattr(node_module, "LRUCache", lambda size: Forgetful())
    assert revived() > 5


def test_without_mandatory_appends_the_promise_holds_but_late_clients_are_told_a_lie() -> None:
    def lies(rules: Rules) -> int:
        worlds = [world(seed, replace(ROUGH, rules=rules)) for seed in SEEDS[:20]]
        for each in worlds:
            each.run()
        return sum(each.lied for each in worlds)

    assert lies(Rules()) == 0
    assert lies(Rules(mandatory=False)) > 3
