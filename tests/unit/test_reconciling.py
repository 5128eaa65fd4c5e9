"""The loop that looks after sessions: no failure in it ends it, and none of them is silent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from coffeeshop.sessions.errands import Errands
from coffeeshop.sessions.reconciling import PATIENCE as GRACE
from coffeeshop.sessions.reconciling import Reconciler, Step
from tests.running import PATIENCE, eventually, http, running
from tests.unit.world import LIFETIMES, Time, World, feed, reaches, released, spec_of


def broken(*_: Any) -> Any:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("step", ["restate", "listen", "doubtful"])
def test_a_step_that_fails_ends_no_release_and_no_expiry(
    world: World, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.work()
    sessions = world.replica("g1")
    monkeypatch.setattr(sessions.chronicle, step, broken)
    spec = spec_of()
    sessions.open(spec)
    feed(sessions, spec)
    reaches(sessions, spec, "completed")
    eventually(lambda: released(sessions, spec), "its input is released")
    world.time.seconds += LIFETIMES.result_ttl + 1
    reaches(sessions, spec, "expired")
    name = "mend" if step == "doubtful" else step
    eventually(lambda: sessions.reconciler.failures[name] > 1, "the failure is counted")


def test_a_session_that_cannot_be_begun_is_begun_at_the_next_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.work()
    sessions = world.replica("g1")
    begin, refused = Errands.begin, threading.Semaphore(3)

    def sometimes(self: Errands, session: str, work: Any) -> None:
        if refused.acquire(blocking=False):
            broken()
        begin(self, session, work)

    spec = spec_of()
    sessions.open(spec)
    monkeypatch.setattr(Errands, "begin", sometimes)
    feed(sessions, spec)
    reaches(sessions, spec, "completed")
    eventually(lambda: released(sessions, spec), "its input is released")


def test_an_errand_that_found_no_thread_can_be_begun_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    errands, done = Errands(), threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(errands._pool, "submit", broken)
        with pytest.raises(RuntimeError):
            errands.begin("s", done.set)
    errands.begin("s", done.set)
    assert done.wait(PATIENCE)
    errands.refuse()
    errands.close()


def test_a_loop_that_fails_is_in_trouble_until_it_does_well_again() -> None:
    time, failing = Time(), threading.Event()
    turned = 0

    def steps() -> Iterator[Step]:
        nonlocal turned
        yield "listen", "", broken if failing.is_set() else lambda: None
        yield "look_at", "one session", broken
        turned += 1

    made = Reconciler(steps, 0.001, now=time)
    made.start()

    def turns() -> None:
        before = turned
        eventually(lambda: turned > before + 2, "it turns")

    try:
        turns()
        assert made.trouble() == ""  # though one session cannot be looked at
        failing.set()
        turns()
        time.seconds += GRACE + 1
        assert "not been looked after for 31 s: listen: RuntimeError" in made.trouble()
        failing.clear()
        turns()
        assert made.trouble() == ""
        assert made.failures["look_at"] > 0
    finally:
        made.stop()
    assert made.trouble() == ""  # it was asked to stop


def test_a_gateway_that_does_not_look_after_sessions_is_not_ready_and_its_metrics_say_so() -> None:
    with running(node=False) as system, http(system) as api:
        assert api.get("/readyz").status_code == 200
        made = system.gateways[0].sessions.reconciler
        made._steps = broken
        eventually(lambda: made.failures["steps"] > 0, "a turn fails")
        made._good -= GRACE
        answer = api.get("/readyz")
        assert answer.status_code == 503
        assert "sessions have not been looked after" in answer.json()["detail"]
        text = api.get("/metrics").text
        assert "coffeeshop_ready 0.0" in text
        assert 'coffeeshop_reconciler_failures_total{step="steps"}' in text
        assert "coffeeshop_reconciler_age_seconds" in text
