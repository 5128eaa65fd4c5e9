"""Supervision on pykka: what a failure does, to whom, and when."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Any

import pytest

from coffeeshop.actors.restarts import Intensity
from coffeeshop.actors.supervised import ChildFailed, Parent, SupervisedActor, tell
from coffeeshop.actors.supervision import Supervisor
from coffeeshop.testing.clock import VirtualClock
from tests.unit.actors import Actors
from tests.unit.helpers import PATIENCE, drain
from tests.unit.keepers import DEADLY, Events, Keepers, Poison, Worker
from tests.unit.spies import Listener


def test_a_failing_child_comes_back_as_a_new_incarnation_after_its_backoff(
    keepers: Keepers, clock: VirtualClock
) -> None:
    keeper = keepers.start("a")
    keepers.fail(keeper, "a")
    keepers.expect(("started", "a", 1), ("stopped", "a", 1))
    assert 0.1 <= clock.delays[0] <= 0.2
    clock.advance(0.09)
    assert keepers.do(keeper, lambda k: k.child("a")) is None
    clock.advance(0.2)
    keepers.expect(("started", "a", 2))
    tell(keepers.ref(keeper, "a"), "hello")
    keepers.expect(("got", "a", "hello"))


def test_the_backoff_grows_with_each_failure_of_the_child(
    keepers: Keepers, clock: VirtualClock
) -> None:
    keeper = keepers.start("a", "b")
    for _ in range(2):
        keepers.fail(keeper, "a")
        clock.next(PATIENCE)
    keepers.fail(keeper, "b")
    first, second, other = clock.delays
    assert 0.1 <= first <= 0.2 <= second <= 0.4
    assert 0.1 <= other <= 0.2


@pytest.mark.parametrize("kind", DEADLY)
def test_whatever_ends_one_actor_leaves_the_others_alone(
    keepers: Keepers, clock: VirtualClock, kind: type[BaseException]
) -> None:
    keeper = keepers.start("a", "b")
    keepers.fail(keeper, "a", kind("no"))
    keepers.expect(("started", "a", 1), ("started", "b", 2), ("stopped", "a", 1))
    tell(keepers.ref(keeper, "b"), "alive")
    keepers.expect(("got", "b", "alive"))
    clock.next(PATIENCE)
    keepers.expect(("started", "a", 3))


def test_a_failure_is_told_with_name_incarnation_reason_and_culprit(actors: Actors) -> None:
    heard: SimpleQueue[Any] = SimpleQueue()
    listener = Listener.start(heard)
    actors.append(listener)
    tell(Worker.start(Parent(listener, "a", 7), SimpleQueue()), Poison("sour"))
    assert heard.get(timeout=PATIENCE) == ChildFailed("a", 7, "Poison: sour", "batch 7")


def test_after_a_failure_nothing_more_is_handled(actors: Actors) -> None:
    heard: SimpleQueue[Any] = SimpleQueue()
    events: Events = SimpleQueue()
    listener = Listener.start(heard)
    actors.append(listener)
    worker = Worker.start(Parent(listener, "a", 1), events)
    gate = threading.Event()
    worker.tell(gate)
    worker.tell(ValueError("first"))
    worker.tell(ValueError("second"))
    worker.tell("late")
    gate.set()
    assert heard.get(timeout=PATIENCE).reason == "ValueError: first"
    assert drain(events, 2) == [("started", "a", 1), ("stopped", "a", 1)]
    assert heard.empty()


def test_a_stale_incarnation_is_not_listened_to(keepers: Keepers, clock: VirtualClock) -> None:
    keeper = keepers.start("a")
    keepers.fail(keeper, "a")
    clock.next(PATIENCE)
    keepers.ref(keeper, "a")
    keeper.tell(ChildFailed("a", 1, "again"))
    keeper.tell(ChildFailed("nobody", 1, "what"))
    keepers.ref(keeper, "a")
    assert clock.planned == 0


def test_a_name_that_comes_again_has_a_new_incarnation_number(keepers: Keepers) -> None:
    keeper = keepers.start("a")
    keepers.do(keeper, lambda k: k.stop_child("a"))
    keepers.do(keeper, lambda k: k.start_child("a", keepers.child()))
    keepers.expect(("started", "a", 1), ("stopped", "a", 1), ("started", "a", 2))


def test_a_child_failing_twice_before_its_restart_is_restarted_once(
    keepers: Keepers, clock: VirtualClock
) -> None:
    keeper = keepers.start("a")
    keepers.fail(keeper, "a")
    keeper.tell(ChildFailed("a", 1, "its end failed as well"))
    clock.wait_for(2, PATIENCE)
    clock.run_until_idle()
    keepers.ref(keeper, "a")
    keepers.expect(("started", "a", 1), ("stopped", "a", 1), ("started", "a", 2))
    assert keepers.events.empty()


def test_a_restart_planned_for_an_older_incarnation_does_not_cut_the_backoff_short(
    keepers: Keepers, clock: VirtualClock
) -> None:
    keeper = keepers.start("a")
    keepers.fail(keeper, "a")
    keeper.tell(ChildFailed("a", 1, "its end failed as well"))
    clock.wait_for(2, PATIENCE)
    clock.next(PATIENCE)
    keepers.fail(keeper, "a")
    clock.next(PATIENCE)
    assert keepers.do(keeper, lambda k: k.child("a")) is None
    clock.next(PATIENCE)
    assert keepers.ref(keeper, "a").is_alive()


def test_a_child_stopped_before_its_restart_stays_stopped(
    keepers: Keepers, clock: VirtualClock
) -> None:
    keeper = keepers.start("a")
    keepers.fail(keeper, "a")
    keepers.do(keeper, lambda k: k.stop_child("a"))
    clock.run_until_idle()
    assert keepers.do(keeper, lambda k: k.child("a")) is None
    keepers.expect(("started", "a", 1), ("stopped", "a", 1))
    assert keepers.events.empty()


def test_only_the_child_that_failed_restarts(keepers: Keepers, clock: VirtualClock) -> None:
    keeper = keepers.start("a", "b", "c")
    drain(keepers.events, 3)
    tell(keepers.ref(keeper, "b"), ValueError("no"))
    clock.wait_for(1, PATIENCE)
    assert drain(keepers.events, 1)[0][:2] == ("stopped", "b")
    clock.run_until_idle()
    assert drain(keepers.events, 1)[0][:2] == ("started", "b")
    assert keepers.events.empty()
    assert keepers.do(keeper, lambda k: k.children) == ["a", "b", "c"]


def test_children_are_stopped_in_reverse_order(keepers: Keepers) -> None:
    keeper = keepers.start("a", "b", "c")
    drain(keepers.events, 3)
    keeper.stop(timeout=PATIENCE)
    keepers.expect(("stopped", "c", 3), ("stopped", "b", 2), ("stopped", "a", 1))


def test_two_children_of_one_name_are_refused(keepers: Keepers) -> None:
    keeper = keepers.start("a")
    keeper.tell(lambda k: k.start_child("a", keepers.child()))
    assert keepers.failures.get(timeout=PATIENCE) == "ValueError: there is a child a"


def test_forgetting_a_child_lets_it_end_by_itself(keepers: Keepers, clock: VirtualClock) -> None:
    keeper = keepers.start("a")
    child = keepers.ref(keeper, "a")
    keepers.do(keeper, lambda k: k.forget_child("a"))
    keepers.do(keeper, lambda k: k.forget_child("a"))
    keepers.do(keeper, lambda k: k.stop_child("a"))
    assert child.is_alive()
    tell(child, ValueError("nobody listens"))
    keepers.expect(("started", "a", 1), ("stopped", "a", 1))
    assert keepers.do(keeper, lambda k: k.children) == []
    assert clock.planned == 0


def test_telling_an_actor_that_ended_says_so(actors: Actors) -> None:
    worker = Worker.start(None, SimpleQueue())
    assert tell(worker, "here")
    worker.stop(timeout=PATIENCE)
    assert not tell(worker, "gone")


@pytest.mark.parametrize("base", [SupervisedActor, Supervisor])
def test_an_actor_without_a_message_handler_fails_at_its_first_message(
    base: type[SupervisedActor], clock: VirtualClock
) -> None:
    failures: SimpleQueue[str] = SimpleQueue()
    if base is Supervisor:
        ref = Supervisor.start(None, clock, Intensity(1, 1), None, failures.put)
    else:
        ref = SupervisedActor.start(None, failures.put)
    ref.tell("hello")
    assert failures.get(timeout=PATIENCE).startswith("NotImplementedError")


def test_every_failure_is_logged_with_its_trace(
    actors: Actors, logged: list[dict[str, Any]]
) -> None:
    heard: SimpleQueue[Any] = SimpleQueue()
    listener = Listener.start(heard)
    actors.append(listener)
    Worker.start(Parent(listener, "a", 1), SimpleQueue(), "started")
    heard.get(timeout=PATIENCE)
    (entry,) = [entry for entry in logged if entry["event"] == "actor.failed"]
    assert entry["actor"] == "a"
    assert entry["reason"] == "ValueError: broken in started"
    assert "_break" in entry["trace"]
