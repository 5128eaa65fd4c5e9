"""Supervision on pykka: what a failure does, to whom, and when."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pykka
import pytest

from coffeeshop.actors import supervision
from coffeeshop.actors.restarts import Backoff, Intensity, Strategy
from coffeeshop.actors.supervision import (
    ChildFailed,
    Parent,
    Ref,
    SupervisedActor,
    Supervisor,
    tell,
)
from coffeeshop.testing.clock import VirtualClock
from tests.unit.helpers import PATIENCE, drain
from tests.unit.spies import Listener

Events = SimpleQueue[tuple[Any, ...]]
Actors = list[pykka.ActorRef[pykka.Actor]]
DEADLY = [ValueError, MemoryError, SystemExit, KeyboardInterrupt]


class Worker(SupervisedActor):
    """Says what happens to it; raises the exceptions and waits for the events it is sent."""

    def __init__(self, parent: Parent | None, events: Events, broken: str = "") -> None:
        super().__init__(parent)
        self.name = parent.name if parent else "root"
        self.incarnation = parent.incarnation if parent else 0
        self.events = events
        self.broken = broken
        self._break("__init__")

    def started(self) -> None:
        self.events.put(("started", self.name, self.incarnation))
        self._break("started")

    def handle(self, message: Any) -> None:
        if isinstance(message, BaseException):
            self.culprit = getattr(message, "culprit", None)
            raise message
        if isinstance(message, threading.Event):
            assert message.wait(PATIENCE)
        else:
            self.events.put(("got", self.name, message))

    def stopped(self) -> None:
        self.events.put(("stopped", self.name, self.incarnation))
        self._break("stopped")

    def _break(self, where: str) -> None:
        if where == self.broken:
            raise ValueError(f"broken in {where}")


class Poison(ValueError):
    """An error that names what was worked on."""

    culprit = "batch 7"


class Keeper(Supervisor):
    """A supervisor that does what it is told, in its own thread."""

    def received(self, message: Any) -> None:
        message(self)


class Keepers:
    """Makes supervisors and asks them things from outside."""

    def __init__(self, clock: VirtualClock, actors: Actors) -> None:
        self.events: Events = SimpleQueue()
        self.failures: SimpleQueue[str] = SimpleQueue()
        self._clock = clock
        self._actors = actors

    def start(
        self,
        *workers: str,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        intensity: Intensity = Intensity(3, 30),  # noqa: B008 - a frozen value
        parent: Parent | None = None,
        broken: str = "",
    ) -> Ref:
        kind = type("Kept", (Keeper,), {"strategy": strategy})
        keeper: Ref = kind.start(parent, self._clock, intensity, Backoff(), self.failures.put)
        self._actors.append(keeper)
        for name in workers:
            self.do(keeper, lambda k, name=name: k.start_child(name, self.child(broken)))  # type: ignore[misc]
        return keeper

    def child(self, broken: str = "") -> Callable[[Parent], Ref]:
        return lambda parent: Worker.start(parent, self.events, broken)

    def do(self, keeper: Ref, call: Callable[[Keeper], object]) -> Any:
        """Run something in the supervisor's thread, and give its result."""
        result: SimpleQueue[Any] = SimpleQueue()
        keeper.tell(lambda k: result.put(call(k)))
        return result.get(timeout=PATIENCE)

    def ref(self, keeper: Ref, name: str) -> Ref:
        found = self.do(keeper, lambda k: k.child(name))
        assert found is not None
        return found

    def expect(self, *events: tuple[Any, ...]) -> None:
        assert drain(self.events, len(events)) == list(events)

    def fail(self, keeper: Ref, name: str, error: BaseException | None = None) -> None:
        """Let a child fail; returns when a restart is planned."""
        planned = self._clock.planned
        tell(self.ref(keeper, name), error or ValueError("no"))
        self._clock.wait_for(planned + 1, PATIENCE)


@pytest.fixture
def keepers(clock: VirtualClock, actors: Actors) -> Keepers:
    return Keepers(clock, actors)


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


@pytest.mark.parametrize(
    ("strategy", "ended", "back"),
    [
        (Strategy.ONE_FOR_ONE, {"b"}, ["b"]),
        (Strategy.ONE_FOR_ALL, {"a", "b", "c"}, ["a", "b", "c"]),
        (Strategy.REST_FOR_ONE, {"b", "c"}, ["b", "c"]),
    ],
)
def test_a_strategy_restarts_whom_it_says_in_starting_order(
    keepers: Keepers, clock: VirtualClock, strategy: Strategy, ended: set[str], back: list[str]
) -> None:
    keeper = keepers.start("a", "b", "c", strategy=strategy)
    drain(keepers.events, 3)
    tell(keepers.ref(keeper, "b"), ValueError("no"))
    clock.wait_for(len(back), PATIENCE)
    assert {name for _, name, _ in drain(keepers.events, len(ended))} == ended
    clock.run_until_idle()
    assert [event[:2] for event in drain(keepers.events, len(back))] == [
        ("started", name) for name in back
    ]
    assert keepers.do(keeper, lambda k: k.children) == ["a", "b", "c"]


def test_children_are_stopped_in_reverse_order(keepers: Keepers) -> None:
    keeper = keepers.start("a", "b", "c")
    drain(keepers.events, 3)
    keeper.stop(timeout=PATIENCE)
    keepers.expect(("stopped", "c", 3), ("stopped", "b", 2), ("stopped", "a", 1))


def test_too_many_failures_end_the_root_and_are_told_outside(
    keepers: Keepers, clock: VirtualClock
) -> None:
    keeper = keepers.start("a", "b", intensity=Intensity(1, 30))
    keepers.fail(keeper, "a")
    clock.next(PATIENCE)
    tell(keepers.ref(keeper, "a"), ValueError("enough"))
    reason = keepers.failures.get(timeout=PATIENCE)
    assert reason == "GaveUp: a failed too often, lastly with ValueError: enough"
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


def test_a_root_tells_nobody_anything() -> None:
    root = Worker.start(None, SimpleQueue())
    root.proxy().tell_parent("hello").get(timeout=PATIENCE)
    root.stop(timeout=PATIENCE)


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
