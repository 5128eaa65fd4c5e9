"""Failures that end a supervisor, and those at the start or the end of a child."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

from coffeeshop.actors import supervised, supervision
from coffeeshop.actors.restarts import Intensity
from coffeeshop.actors.supervised import ChildFailed, Parent, Ref, SupervisedActor, tell
from coffeeshop.testing.clock import VirtualClock
from tests.unit.actors import Actors
from tests.unit.helpers import PATIENCE, drain
from tests.unit.keepers import DEADLY, Events, Keepers, Poison, Worker
from tests.unit.spies import Listener


def test_too_many_failures_end_the_root_and_are_told_outside(
    keepers: Keepers, clock: VirtualClock
) -> None:
    keeper = keepers.start("a", "b", intensity=Intensity(1, 30))
    keepers.fail(keeper, "a")
    clock.next(PATIENCE)
    tell(keepers.ref(keeper, "a"), ValueError("enough"))
    reason = keepers.failures.get(timeout=PATIENCE)
    assert reason == "GaveUp: a failed too often; last reason: ValueError: enough"
    seen = {keepers.events.get(timeout=PATIENCE) for _ in range(6)}
    assert ("stopped", "b", 2) in seen
    assert clock.planned == 0


def test_failures_far_apart_are_borne_for_ever(keepers: Keepers, clock: VirtualClock) -> None:
    keeper = keepers.start("a", intensity=Intensity(1, 30))
    for _ in range(5):
        keepers.fail(keeper, "a")
        clock.advance(31)
    assert keepers.ref(keeper, "a").is_alive()
    assert keepers.failures.empty()


def test_the_same_culprit_in_two_incarnations_escalates_at_once(
    keepers: Keepers, clock: VirtualClock
) -> None:
    keeper = keepers.start("a", intensity=Intensity(100, 30))
    keepers.fail(keeper, "a", Poison("sour"))
    clock.next(PATIENCE)
    tell(keepers.ref(keeper, "a"), Poison("sour"))
    assert "Poison: sour" in keepers.failures.get(timeout=PATIENCE)


def test_a_supervisor_that_gives_up_fails_in_the_eyes_of_its_own(
    keepers: Keepers, clock: VirtualClock
) -> None:
    root = keepers.start()
    inner: list[Ref] = []

    def start(parent: Parent) -> Ref:
        inner.append(keepers.start(parent=parent, intensity=Intensity(0, 1)))
        return inner[-1]

    keepers.do(root, lambda k: k.start_child("inner", start))
    keepers.do(inner[0], lambda k: k.start_child("a", keepers.child()))
    tell(keepers.ref(inner[0], "a"), ValueError("no"))
    clock.next(PATIENCE)
    assert keepers.ref(root, "inner") is inner[1]
    assert inner[1].is_alive()
    assert keepers.failures.empty()


def test_a_supervisor_that_raises_tells_outside_and_takes_its_children_along(
    keepers: Keepers,
) -> None:
    keeper = keepers.start("a")
    keeper.tell(lambda k: 1 // 0)
    assert keepers.failures.get(timeout=PATIENCE).startswith("ZeroDivisionError")
    keepers.expect(("started", "a", 1), ("stopped", "a", 1))


@pytest.mark.parametrize("kind", DEADLY)
def test_a_root_without_anybody_to_tell_just_ends(kind: type[BaseException]) -> None:
    events: Events = SimpleQueue()
    root = Worker.start(None, events)
    root.tell(kind("no"))
    assert drain(events, 2) == [("started", "root", 0), ("stopped", "root", 0)]


def test_a_root_without_a_parent_tells_nothing_and_goes_on() -> None:
    events: Events = SimpleQueue()
    root = Worker.start(None, events)
    root.proxy().tell_parent("hello").get(timeout=PATIENCE)
    assert root.is_alive()
    root.stop(timeout=PATIENCE)
    assert drain(events, 2) == [("started", "root", 0), ("stopped", "root", 0)]
    assert events.empty()


def test_a_failing_start_counts_as_a_failure_of_the_child(
    keepers: Keepers, clock: VirtualClock
) -> None:
    keeper = keepers.start("a", broken="started")
    clock.next(PATIENCE)
    keepers.expect(("started", "a", 1), ("stopped", "a", 1), ("started", "a", 2))
    clock.wait_for(1, PATIENCE)
    assert keeper.is_alive()


def test_a_failing_constructor_counts_as_a_failure_of_the_child(
    keepers: Keepers, clock: VirtualClock
) -> None:
    keeper = keepers.start("a", broken="__init__", intensity=Intensity(1, 30))
    clock.next(PATIENCE)
    assert "ValueError: broken in __init__" in keepers.failures.get(timeout=PATIENCE)
    keeper.stop(timeout=PATIENCE)
    assert keepers.events.empty()


def test_a_failing_end_harms_nobody(keepers: Keepers, caplog: pytest.LogCaptureFixture) -> None:
    keeper = keepers.start("a", broken="stopped")
    keepers.do(keeper, lambda k: k.stop_child("a"))
    keepers.do(keeper, lambda k: k.start_child("a", keepers.child()))
    keepers.expect(("started", "a", 1), ("stopped", "a", 1), ("started", "a", 2))
    keepers.ref(keeper, "a")
    assert keeper.is_alive()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_failing_end_after_a_failure_is_one_failure(
    keepers: Keepers, clock: VirtualClock
) -> None:
    keeper = keepers.start("a", broken="stopped")
    keepers.fail(keeper, "a")
    keepers.expect(("started", "a", 1), ("stopped", "a", 1))
    assert clock.planned == 1


def test_a_child_that_does_not_stop_is_left_behind_and_logged(
    keepers: Keepers, monkeypatch: pytest.MonkeyPatch, logged: list[dict[str, Any]]
) -> None:
    monkeypatch.setattr(supervision, "STOP_TIMEOUT", 0.01)
    keeper = keepers.start("a", "b")
    gate = threading.Event()
    tell(keepers.ref(keeper, "a"), gate)
    keepers.do(keeper, lambda k: k.stop_child("a"))
    assert [entry["actor"] for entry in logged if entry["level"] == "error"] == ["a"]
    assert keepers.do(keeper, lambda k: k.children) == ["b"]
    gate.set()


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise MemoryError


@pytest.mark.parametrize("end", [MemoryError(), OSError(28, "no space left"), SystemExit(1)])
def test_a_failure_that_cannot_be_logged_is_heard_all_the_same(
    actors: Actors, monkeypatch: pytest.MonkeyPatch, end: BaseException
) -> None:
    def full(*_: object, **__: object) -> None:
        raise end

    monkeypatch.setattr(supervised, "log", SimpleNamespace(warning=full))
    heard: SimpleQueue[Any] = SimpleQueue()
    events: Events = SimpleQueue()
    actors.append(listener := Listener.start(heard))
    parent = Parent(listener, "a", 1)
    tell(Worker.start(parent, events), ValueError("first"))
    assert heard.get(timeout=PATIENCE) == ChildFailed("a", 1, "ValueError: first", None)
    assert parent.ended.wait(PATIENCE)
    assert drain(events, 2) == [("started", "a", 1), ("stopped", "a", 1)]


def test_a_failure_that_cannot_say_what_it_is_is_heard_all_the_same(actors: Actors) -> None:
    heard: SimpleQueue[Any] = SimpleQueue()
    actors.append(listener := Listener.start(heard))
    tell(Worker.start(Parent(listener, "a", 1), SimpleQueue()), Unspeakable())
    assert heard.get(timeout=PATIENCE) == ChildFailed("a", 1, "Unspeakable", None)


def test_a_child_that_cannot_be_started_nor_logged_is_restarted(
    keepers: Keepers, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def full(*_: object, **__: object) -> None:
        said.append("warning")
        raise MemoryError

    monkeypatch.setattr(supervised, "log", SimpleNamespace(warning=full))

    def start(parent: Parent) -> Any:
        if parent.restarts == 0:
            raise MemoryError
        return keepers.child()(parent)

    keeper = keepers.start()
    keepers.do(keeper, lambda k: k.start_child("a", start))
    clock.next(PATIENCE)
    keepers.expect(("started", "a", 2))
    assert said == ["warning"]


def test_who_cannot_tell_its_end_is_known_to_have_ended(
    actors: Actors, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object) -> None:
        raise MemoryError

    actors.append(listener := Listener.start(SimpleQueue()))
    parent = Parent(listener, "a", 1)
    worker = Worker.start(parent, SimpleQueue())
    monkeypatch.setattr(SupervisedActor, "_guarded", no_memory)
    worker.stop(block=False)
    assert parent.ended.wait(PATIENCE)
