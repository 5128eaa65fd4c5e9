"""Thousands of sessions' lives under crashes, freezes, cuts, repeats and two owners keep the
promise; and each safeguard of them is needed.

A seed is the plot and every chance in it; a failure names the seed. ``make simulate`` runs 100,000.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from coffeeshop.sessions import lifecycle
from coffeeshop.sessions.events import SessionEvent
from coffeeshop.sessions.lifecycle import Session
from tests.properties.sim_keeper import CLIENTS, Plot, Rules, World
from tests.properties.sim_plot import Violation

Patch = Callable[[pytest.MonkeyPatch], None]
SEEDS = int(os.environ.get("SIMULATED_SEEDS", "3000"))
BLOCK = max(100, SEEDS // 30)


def plot(seed: int) -> Plot:
    """From calm to wild, by chance."""
    chance = random.Random(f"plot {seed}")
    return Plot(
        faults=chance.choice((0.0, 0.03, 0.1, 0.2)),
        gateways=chance.randint(1, 3),
        client=chance.choice(CLIENTS),
    )


def run(seed: int, plot: Plot) -> World:
    world = World(seed, plot)
    try:
        world.run()
    except Violation as violation:
        pytest.fail(f"seed {seed}: {violation}\n{plot}")
    return world


@pytest.mark.parametrize("start", range(0, SEEDS, BLOCK))
def test_the_life_of_a_session_keeps_the_promise(start: int) -> None:
    for seed in range(start, min(start + BLOCK, SEEDS)):
        run(seed, plot(seed))


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(5039, id="it starts again before the client looks"),
        pytest.param(8872, id="it is cut off for longer than clients may be silent"),
    ],
)
def test_a_deletion_that_its_gateway_does_not_answer_is_asked_for_again(seed: int) -> None:
    assert run(seed, plot(seed)).seen["cancelled"] == 1


def test_a_seed_gives_the_same_life_again() -> None:
    def story(seed: int) -> list[SessionEvent]:
        return run(seed, plot(seed)).log

    assert [story(seed) for seed in range(10)] == [story(seed) for seed in range(10)]


def test_the_simulations_see_every_end_and_every_fault() -> None:
    seen = Counter[str]()
    for seed in range(200):
        seen += run(seed, plot(seed)).seen
    ends = ("completed", "aborted", "cancelled", "failed")
    for each in (*ends, "crash", "freeze", "cut", "client gone", "refused"):
        assert seen[each] > 3, seen


ROUGH = Plot(0.1)


def first_breach(plot: Plot, like: str) -> int:
    """The first seed that breaks the promise in this way."""
    others = set()
    for seed in range(200):
        try:
            World(seed, plot).run()
        except Violation as violation:
            if like in str(violation):
                return seed
            others.add(str(violation)[:60])
    raise AssertionError(f"no seed breaks like {like!r}; there were {others}")


LEFT, GIVEN_UP = "left over", "aborted though its client completes"


@pytest.mark.parametrize(
    ("plot", "rules", "like"),
    [
        pytest.param(
            replace(ROUGH, client="dies"), Rules(assign_first=False), LEFT, id="assign, announce"
        ),
        pytest.param(
            replace(ROUGH, client="leaves"), Rules(ack_when_over=False), LEFT, id="ack when over"
        ),
        pytest.param(
            replace(ROUGH, client="dies"),
            Rules(announce_first=False),
            "never idle",
            id="announce, create",
        ),
        pytest.param(ROUGH, Rules(log_clock=False), GIVEN_UP, id="silence in the log"),
        pytest.param(
            Plot(0.0, rare=True), Rules(late_signs=False), GIVEN_UP, id="late signs of life"
        ),
        pytest.param(
            replace(ROUGH, client="deletes"), Rules(sweep=False), LEFT, id="delete once more"
        ),
    ],
)
def test_without_a_rule_of_the_shells_some_seed_breaks_the_promise(
    plot: Plot, rules: Rules, like: str
) -> None:
    seed = first_breach(replace(plot, rules=rules), like)
    run(seed, plot)


def without_row(condition: str) -> Patch:
    kept = [row for row in lifecycle.TRANSITIONS if row.when.__name__ != condition]
    return lambda patch: patch.setattr(lifecycle, "TRANSITIONS", tuple(kept))


def never(decision: str) -> Patch:
    return lambda patch: patch.setattr(lifecycle, decision, lambda *of: False)


def without_field(name: str) -> Patch:
    """Events are taken as if they had no such field."""

    def evolve(session: Session, event: SessionEvent, log_time: float) -> Session:
        fields = {key: value for key, value in event.fields.items() if key != name}
        return lifecycle.evolve(session, replace(event, fields=fields), log_time)

    return lambda patch: patch.setattr("coffeeshop.sessions.log.evolve", evolve)


@pytest.mark.parametrize(
    ("client", "patch", "like"),
    [
        pytest.param("leaves", without_row("an_end_is_to_be_asked_for"), LEFT, id="abort"),
        pytest.param("completes", without_row("it_is_not_watched"), LEFT, id="watch"),
        pytest.param("completes", without_row("its_end_was_read"), LEFT, id="record the end"),
        pytest.param("completes", without_row("its_results_are_due"), LEFT, id="expire"),
        pytest.param(
            "deletes", without_row("its_journals_were_created_too_late"), LEFT, id="created late"
        ),
        pytest.param(
            "announces", without_row("its_clients_are_silent"), "given up late", id="gone"
        ),
        pytest.param("completes", never("is_refusal"), GIVEN_UP, id="refusals"),
        pytest.param("cancels", without_field("undeclared"), "no single end", id="undeclared ends"),
    ],
)
def test_without_a_rule_of_the_machine_some_seed_breaks_the_promise(
    client: str, patch: Patch, like: str
) -> None:
    plot = replace(ROUGH, client=client)
    with pytest.MonkeyPatch.context() as context:
        patch(context)
        seed = first_breach(plot, like)
    run(seed, plot)
