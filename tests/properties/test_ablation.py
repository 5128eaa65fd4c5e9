"""Each safeguard is needed: without it, and with all the others, some seed breaks the promise.
Two are not, for the promise itself; their tests say what they are good for.

The same seed keeps the promise when the safeguard is back, so it is the safeguard that does it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import pytest

from coffeeshop.codec import decode
from coffeeshop.pipeline import task as task_module
from coffeeshop.pipeline.messages import Record
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.pipeline.progress import Ledger, _Producer
from coffeeshop.pipeline.task import Output, TaskCore
from tests.properties import sim_node
from tests.properties.sim_plot import Plot, Rules, Violation, Weather
from tests.properties.sim_sessions import TINY, Sums, pairs, tiny
from tests.properties.simulation import World

SEEDS = range(400)
ROUGH = Plot(Weather(faults=0.15, crashes=0.02))
Patch = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(autouse=True)
def _tiny_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANS, "tiny", TINY)


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
DISAGREE = ("failed for no reason: two attempts at a task gave different results",)


@pytest.mark.parametrize(
    ("without", "like"),
    [
        pytest.param(Rules(ack_after_outputs=False), UNFINISHED, id="ack after outputs"),
        pytest.param(Rules(declare_first=False), UNFINISHED, id="journals before assignments"),
        pytest.param(Rules(wait_for_confirms=False), UNFINISHED, id="re-send what is unconfirmed"),
        pytest.param(Rules(resend_same_id=False), REFUSED, id="re-send under the same id"),
        pytest.param(Rules(replay="from where it was"), UNFINISHED, id="replay from 0"),
        pytest.param(Rules(replay="from 0, old state"), UNFINISHED, id="fresh state"),
        pytest.param(Rules(only_gateways_declare=False), ("left over",), id="nodes never declare"),
    ],
)
def test_without_a_rule_of_the_shells_some_seed_breaks_the_promise(
    without: Rules, like: tuple[str, ...]
) -> None:
    needed(like, without=without)


@pytest.mark.parametrize("vanish", [0.02, 0.1])
def test_what_is_missing_must_be_asked_for_where_confirmed_records_vanish(vanish: float) -> None:
    once = Plot(Weather(faults=0.1, crashes=0.02, vanish=vanish), clients_return=False)
    needed(UNFINISHED, once, Rules(repair=False))
    for seed in SEEDS[:60]:
        assert breach(seed, once) == "", f"seed {seed} of {vanish}"


def test_a_client_must_keep_its_unconfirmed_batches_and_send_them_again() -> None:
    once = replace(ROUGH, clients_return=False)
    needed(UNFINISHED, once, Rules(clients_wait_for_confirms=False))


def test_only_the_first_terminal_event_may_count() -> None:
    needed(("2 terminal events",), replace(ROUGH, cancel=True), Rules(first_terminal_wins=False))


def test_nodes_must_not_delete_what_others_may_still_write_to() -> None:
    needed(UNFINISHED, without=Rules(only_clean_up_deletes=False))


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
        return all(entry.count is not None for entry in self._producers.values())


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


def ledger(kind: type[Ledger]) -> Patch:
    return lambda patch: patch.setattr(task_module, "Ledger", kind)


def core(kind: type[TaskCore]) -> Patch:
    return lambda patch: patch.setattr(sim_node, "TaskCore", kind)


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


def revived(rules: Rules) -> int:
    """How many settled tasks start again in some sound simulations."""
    worlds = [world(seed, replace(ROUGH, rules=rules)) for seed in SEEDS[:150]]
    for each in worlds:
        each.run()
    return sum(each.revived for each in worlds)


def test_without_tombstones_the_promise_holds_but_settled_tasks_start_again() -> None:
    assert revived(Rules()) == 0
    assert revived(Rules(tombstones=False)) > 10


def test_without_mandatory_appends_the_promise_holds_but_late_clients_are_told_a_lie() -> None:
    def lies(rules: Rules) -> int:
        worlds = [world(seed, replace(ROUGH, rules=rules)) for seed in SEEDS[:50]]
        for each in worlds:
            each.run()
        return sum(each.lied for each in worlds)

    assert lies(Rules()) == 0
    assert lies(Rules(mandatory=False)) > 10
