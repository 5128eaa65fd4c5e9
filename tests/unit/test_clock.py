"""Real and virtual time."""

from __future__ import annotations

import threading
from queue import SimpleQueue

import pytest

from coffeeshop.actors import SystemClock
from coffeeshop.testing.clock import VirtualClock
from tests.unit.helpers import PATIENCE, drain


def test_real_time_moves_on(system_clock: SystemClock) -> None:
    assert system_clock.now() <= system_clock.now()


def test_real_calls_are_made_in_the_order_of_their_times(system_clock: SystemClock) -> None:
    made: SimpleQueue[str] = SimpleQueue()
    system_clock.call_later(0.04, lambda: made.put("third"))
    system_clock.call_later(0.02, lambda: made.put("second"))
    system_clock.call_later(0.0, lambda: made.put("first"))
    assert drain(made, 3) == ["first", "second", "third"]


def test_a_real_call_is_not_made_early(system_clock: SystemClock) -> None:
    begun = system_clock.now()
    made: SimpleQueue[float] = SimpleQueue()
    system_clock.call_later(0.03, lambda: made.put(system_clock.now()))
    assert made.get(timeout=PATIENCE) - begun >= 0.03


def test_a_closed_clock_makes_no_call() -> None:
    clock = SystemClock()
    made = threading.Event()
    clock.call_later(3600, made.set)
    clock.close()
    assert not made.is_set()


def test_virtual_time_stands_still_until_it_is_moved(clock: VirtualClock) -> None:
    made: list[float] = []
    clock.call_later(1.5, lambda: made.append(clock.now()))
    clock.advance(1.0)
    assert made == []
    clock.advance(1.0)
    assert made == [1.5]
    assert clock.now() == 2.0
    assert clock.delays == [1.5]


def test_equal_virtual_times_keep_the_order_of_planning(clock: VirtualClock) -> None:
    made: list[int] = []
    for number in range(5):
        clock.call_later(1.0, lambda number=number: made.append(number))  # type: ignore[misc]
    clock.advance(1.0)
    assert made == [0, 1, 2, 3, 4]


def test_advancing_makes_the_calls_planned_meanwhile(clock: VirtualClock) -> None:
    made: list[float] = []

    def again() -> None:
        made.append(clock.now())
        clock.call_later(1.0, again)

    clock.call_later(1.0, again)
    clock.advance(3.5)
    assert made == [1.0, 2.0, 3.0]
    assert clock.planned == 1


def test_running_until_idle_makes_every_call_and_counts_them(clock: VirtualClock) -> None:
    made: list[str] = []
    clock.call_later(5.0, lambda: made.append("late"))
    clock.call_later(1.0, lambda: clock.call_later(1.0, lambda: made.append("early")))
    assert clock.run_until_idle() == 3
    assert made == ["early", "late"]
    assert clock.now() == 5.0
    assert clock.planned == 0


def test_running_until_idle_gives_up_on_what_never_ends(clock: VirtualClock) -> None:
    def again() -> None:
        clock.call_later(1.0, again)

    again()
    with pytest.raises(RuntimeError, match="after 100"):
        clock.run_until_idle(100)


def test_a_test_waits_for_what_another_thread_plans(clock: VirtualClock) -> None:
    made = threading.Event()
    planner = threading.Thread(target=clock.call_later, args=(3.0, made.set))
    planner.start()
    clock.next(PATIENCE)
    planner.join()
    assert made.is_set()
    assert clock.now() == 3.0


def test_waiting_for_calls_that_nobody_plans_ends(clock: VirtualClock) -> None:
    with pytest.raises(TimeoutError, match="0 of 2 calls"):
        clock.wait_for(2, 0.01)


def test_virtual_time_never_goes_back(clock: VirtualClock) -> None:
    seen: list[float] = []
    clock.call_later(1.0, lambda: clock.advance(5.0))
    clock.call_later(2.0, lambda: seen.append(clock.now()))
    clock.advance(3.0)
    assert seen == [2.0]
    assert clock.now() == 6.0


def test_many_threads_plan_at_once_and_every_call_is_made_once(clock: VirtualClock) -> None:
    made: SimpleQueue[int] = SimpleQueue()

    def plan(start: int) -> None:
        for number in range(start, start + 200):
            clock.call_later(number % 7, lambda number=number: made.put(number))  # type: ignore[misc]

    threads = [threading.Thread(target=plan, args=(start,)) for start in range(0, 800, 200)]
    for thread in threads:
        thread.start()
    clock.wait_for(1, PATIENCE)
    clock.run_until_idle()
    for thread in threads:
        thread.join()
    clock.run_until_idle()
    assert sorted(drain(made, 800)) == list(range(800))
