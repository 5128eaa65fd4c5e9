"""Thousands of sessions under crashes, repeats, reordering and lost words keep the promise.

Each seed is a session's content, the weather and every chance in it; a failure names the seed, and
``pytest -k`` with the block it is in shows it again.
"""

from __future__ import annotations

import logging
import os
import random
from collections import Counter
from collections.abc import Callable

import pytest

from coffeeshop.observability import logs
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.sessions.events import End
from tests.properties.sim_plot import Plot, Violation, Weather
from tests.properties.sim_sessions import TINY, Content, real, tiny
from tests.properties.simulation import World

BLOCK = 50
TINY_SEEDS = range(0, int(os.environ.get("SIMULATED_SEEDS", "2900")), BLOCK)
REAL_SEEDS = range(0, 100, BLOCK)


@pytest.fixture(autouse=True)
def _tiny_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANS, "tiny", TINY)
    monkeypatch.setattr(logs, "_deferred", (logging.CRITICAL + 1, lambda: None))


def plot(seed: int) -> Plot:
    """From calm to wild, by chance."""
    chance = random.Random(f"plot {seed}")
    vanish = random.Random(f"vanish {seed}").choice((0.0, 0.0, 0.02, 0.1))
    return Plot(
        Weather(
            chance.choice((0.0, 0.05, 0.2, 0.4)),
            chance.choice((0.0, 0.01, 0.03, 0.06)),
            vanish=vanish,
        ),
        nodes=chance.randint(1, 3),
        intensity=chance.choice((None, None, None, 3)),
        cancel=chance.random() < 0.15,
        claims=random.Random(f"claims {seed}").random() < 0.5,
        slow_clocks=random.Random(f"clocks {seed}").random() < 0.25,
    )


def run(seed: int, content: Callable[[random.Random], Content]) -> World:
    world = World(seed, content(random.Random(f"content {seed}")), plot(seed))
    try:
        world.run()
    except Violation as violation:
        pytest.fail(f"seed {seed} of {content.__name__}: {violation}\n{world.plot}")
    return world


@pytest.mark.parametrize("start", TINY_SEEDS)
def test_a_session_of_the_cheap_plan_keeps_the_promise(start: int) -> None:
    for seed in range(start, start + BLOCK):
        run(seed, tiny)


@pytest.mark.parametrize("start", REAL_SEEDS)
def test_a_session_of_a_real_plan_keeps_the_promise(start: int) -> None:
    for seed in range(start, start + BLOCK):
        run(seed, real)


def test_a_session_whose_only_record_is_lost_does_not_wait_for_ever() -> None:
    """Its tasks were settled by a failure that went nowhere: they are put up once more."""
    assert run(5085, tiny).recomputed


def test_a_seed_gives_the_same_simulation_again() -> None:
    def story(seed: int) -> tuple[int, float, list[str]]:
        world = run(seed, tiny)
        return world.attempts, world.clock.now(), [repr(f.events) for f in world.followers]

    assert [story(seed) for seed in range(20)] == [story(seed) for seed in range(20)]


def test_the_simulations_see_successes_failures_replays_and_second_followers() -> None:
    seen = Counter[str]()
    for seed in range(150):
        world = run(seed, tiny)
        event = world.followers[0].events[0]
        reason = event.reason if isinstance(event, End) else "completed"
        seen["failed too often" if "failed too often" in reason else reason] += 1
        seen["replayed"] += world.attempts > len(world.tasks)
        seen["recomputed"] += world.recomputed > 0
        seen["two followers"] += sum(len(f.events) for f in world.followers) == 2
    assert seen["completed"] > 75
    assert seen["replayed"] > 75
    assert seen["two followers"] > 50
    assert seen["recomputed"] > 10
    assert min(seen["cancelled"], seen["failed too often"]) > 2
