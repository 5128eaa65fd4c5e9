"""Actors on few threads: who runs when, what a refused or a lost thread changes, how they end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pykka
import pytest

from coffeeshop.actors.dispatcher import IDLE_TIMEOUT, STALL, DispatcherStatus, ThreadDispatcher
from coffeeshop.actors.mailbox import TURN
from coffeeshop.actors.restarts import Intensity
from coffeeshop.actors.supervised import Parent, Ref, SupervisedActor
from coffeeshop.actors.supervision import Supervisor
from coffeeshop.clock import SystemClock
from coffeeshop.observability.logs import _about, about
from coffeeshop.testing.clock import VirtualClock
from tests.running import eventually
from tests.unit.helpers import PATIENCE
from tests.unit.spies import Listener

CHILDREN = 50


class Pupil(SupervisedActor):
    """Does what it is told."""

    def __init__(self, parent: Parent, heard: SimpleQueue[Any]) -> None:
        super().__init__(parent)
        self._heard = heard

    def handle(self, message: Any) -> None:
        self._heard.put(message() if callable(message) else message)

    def stopped(self) -> None:
        self._heard.put("stopped")


class Teacher(Supervisor):
    """Has as many children as it is told."""

    def __init__(self, clock: VirtualClock, dispatcher: ThreadDispatcher, heard: Any) -> None:
        super().__init__(None, clock, Intensity(0, 1), dispatcher=dispatcher, own_thread=False)
        self._heard = heard

    def received(self, message: Any) -> None:
        for number in range(message):
            self.start_child(str(number), lambda parent: Pupil.start(parent, self._heard))
        self._heard.put("started")


@pytest.fixture
def heard() -> SimpleQueue[Any]:
    return SimpleQueue()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def dispatcher(clock: VirtualClock) -> Iterator[ThreadDispatcher]:
    made = ThreadDispatcher(clock, threads=2, most=3)
    yield made
    made.close()


@pytest.fixture
def pupil(
    dispatcher: ThreadDispatcher, heard: SimpleQueue[Any], actors: list[pykka.ActorRef[Any]]
) -> Callable[[], Ref]:
    parent = Listener.start(SimpleQueue())
    actors.append(parent)

    def start() -> Ref:
        ref: Ref = Pupil.start(Parent(parent, "pupil", 1, dispatcher=dispatcher), heard)
        actors.append(ref)
        return ref

    return start


def said(heard: SimpleQueue[Any], number: int) -> list[Any]:
    return [heard.get(timeout=PATIENCE) for _ in range(number)]


def test_five_hundred_actors_need_two_threads(
    pupil: Callable[[], Ref], dispatcher: ThreadDispatcher, heard: SimpleQueue[Any]
) -> None:
    before = threading.active_count()
    everyone = [pupil() for _ in range(500)]
    for ref in everyone:
        ref.tell(threading.current_thread)
    names = {thread.name for thread in said(heard, len(everyone))}
    assert names == {"actors"}
    assert dispatcher.status().threads <= 2
    assert threading.active_count() <= before + 2


def test_fewer_threads_run_actors_while_others_need_the_processors(
    pupil: Callable[[], Ref], dispatcher: ThreadDispatcher, heard: SimpleQueue[Any]
) -> None:
    going_on = threading.Event()

    def busy() -> str:
        heard.put("begun")
        assert going_on.wait(PATIENCE)
        return "done"

    one, other = pupil(), pupil()
    with dispatcher.fewer_threads(1):
        one.tell(busy)
        assert said(heard, 1) == ["begun"]
        other.tell(busy)
        assert heard.empty()
        assert dispatcher.status().waiting == 1
    assert said(heard, 1) == ["begun"]  # at once, in a thread more
    going_on.set()
    assert said(heard, 2) == ["done", "done"]


def test_threads_above_fewer_end_after_their_turn(
    pupil: Callable[[], Ref], dispatcher: ThreadDispatcher, heard: SimpleQueue[Any]
) -> None:
    both = threading.Barrier(2)
    everyone = [pupil(), pupil()]
    for ref in everyone:
        ref.tell(lambda: both.wait(PATIENCE) >= 0)
    assert said(heard, 2) == [True, True]
    with dispatcher.fewer_threads(1):
        for number in range(100):
            everyone[number % 2].tell(number)
        assert sorted(said(heard, 100)) == list(range(100))
        assert dispatcher.status().threads <= 2
        everyone[0].tell("and one more")
        assert said(heard, 1) == ["and one more"]
        eventually(lambda: dispatcher.status().threads == 1, "one thread is left")


def test_an_actor_handles_its_messages_in_order_and_one_at_a_time(
    pupil: Callable[[], Ref], heard: SimpleQueue[Any]
) -> None:
    busy, ref = threading.Lock(), pupil()

    def alone(number: int) -> int:
        assert busy.acquire(blocking=False)
        busy.release()
        return number

    for number in range(10 * TURN):
        ref.tell(lambda number=number: alone(number))  # type: ignore[misc]
    assert said(heard, 10 * TURN) == list(range(10 * TURN))


def test_an_actor_with_many_messages_lets_others_have_a_turn(
    clock: VirtualClock, heard: SimpleQueue[Any], actors: list[pykka.ActorRef[Any]]
) -> None:
    dispatcher, held = ThreadDispatcher(clock, threads=1, most=1), threading.Event()
    parent = Listener.start(SimpleQueue())
    first, second = (
        Pupil.start(Parent(parent, "pupil", n, dispatcher=dispatcher), heard) for n in (1, 2)
    )
    actors += [parent, first, second]
    first.tell(lambda: held.wait(PATIENCE))
    for number in range(3 * TURN):
        first.tell(number)
    second.tell("second")
    held.set()
    order = said(heard, 3 * TURN + 2)
    assert order.index("second") <= TURN


def test_what_an_actor_logs_of_itself_is_not_said_of_others(
    pupil: Callable[[], Ref], heard: SimpleQueue[Any]
) -> None:
    first, second = pupil(), pupil()
    first.tell(lambda: about(session="s"))
    said(heard, 1)
    for ref in (second, first):
        ref.tell(lambda: (_about.get() or {}).get("session"))
    assert sorted(said(heard, 2), key=str) == [None, "s"]


def test_an_actor_that_has_ended_takes_nothing_more(
    pupil: Callable[[], Ref], heard: SimpleQueue[Any]
) -> None:
    ref = pupil()
    for number in range(2 * TURN):
        ref.tell(number)
    assert ref.stop(timeout=PATIENCE)
    assert said(heard, 2 * TURN + 1) == [*range(2 * TURN), "stopped"]
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("late")
    ref.actor_inbox.put("later still")
    assert ref.actor_inbox.empty()


def test_a_supervisor_on_the_only_thread_stops_its_children(
    clock: VirtualClock, heard: SimpleQueue[Any]
) -> None:
    dispatcher = ThreadDispatcher(clock, threads=1, most=1)
    teacher = Teacher.start(clock, dispatcher, heard)
    teacher.tell(CHILDREN)
    assert said(heard, 1) == ["started"]
    assert teacher.stop(timeout=PATIENCE)
    assert said(heard, CHILDREN) == ["stopped"] * CHILDREN
    dispatcher.close()


def test_supervisors_that_stop_at_once_on_one_thread_do_not_wait_for_each_other(
    clock: VirtualClock, heard: SimpleQueue[Any]
) -> None:
    dispatcher = ThreadDispatcher(clock, threads=1, most=1)
    teachers = [Teacher.start(clock, dispatcher, heard) for _ in range(10)]
    for teacher in teachers:
        teacher.tell(3)
    said(heard, len(teachers))
    stopping = [teacher.stop(block=False) for teacher in teachers]
    assert all(each.get(timeout=PATIENCE) for each in stopping)  # type: ignore[union-attr]
    assert said(heard, 30) == ["stopped"] * 30
    dispatcher.close()


class Scarce:
    """Starts threads while it is allowed to."""

    def __init__(self) -> None:
        self.allowed = True
        self.asked = 0

    def start(self, run: Callable[[], None], name: str) -> None:
        self.asked += 1
        if not self.allowed:
            raise RuntimeError("can't start new thread")
        threading.Thread(target=run, name=name, daemon=True).start()


def test_a_refused_thread_is_asked_for_later_and_no_actor_fails_of_it(
    clock: VirtualClock, heard: SimpleQueue[Any]
) -> None:
    system = Scarce()
    dispatcher = ThreadDispatcher(clock, threads=2, most=2, start=system.start)
    held = threading.Event()
    system.allowed = False
    dispatcher.submit(lambda: (heard.put("first"), held.wait(PATIENCE)))
    assert said(heard, 1) == ["first"]
    for word in ("second", "third"):
        dispatcher.submit(lambda word=word: heard.put(word))  # type: ignore[misc]
    assert dispatcher.status() == DispatcherStatus(threads=1, waiting=2, refused=1)
    clock.next(PATIENCE)
    assert dispatcher.status().refused == 2
    system.allowed = True
    while dispatcher.status().threads != 2:
        clock.next(PATIENCE)
    assert said(heard, 2) == ["second", "third"]
    held.set()
    dispatcher.close()


def test_without_any_thread_at_its_start_it_waits_for_one(
    clock: VirtualClock, heard: SimpleQueue[Any]
) -> None:
    system = Scarce()
    system.allowed = False
    dispatcher = ThreadDispatcher(clock, start=system.start)
    dispatcher.submit(lambda: heard.put("done"))
    assert dispatcher.status().threads == 0
    system.allowed = True
    clock.next(PATIENCE)
    assert said(heard, 1) == ["done"]
    dispatcher.close()


def test_actors_that_do_not_come_back_get_other_threads_in_their_place_up_to_a_bound(
    clock: VirtualClock, dispatcher: ThreadDispatcher, heard: SimpleQueue[Any]
) -> None:
    held = threading.Event()
    for _ in range(3):
        dispatcher.submit(lambda: (heard.put("hangs"), held.wait(PATIENCE)))
    dispatcher.submit(lambda: heard.put("goes on"))
    assert said(heard, 2) == ["hangs"] * 2
    clock.advance(2 * STALL)
    assert said(heard, 1) == ["hangs"]
    clock.advance(10 * STALL)
    assert dispatcher.status() == DispatcherStatus(threads=3, waiting=1, refused=0)
    held.set()
    assert said(heard, 1) == ["goes on"]


def test_threads_without_work_end_and_the_last_one_stays(heard: SimpleQueue[Any]) -> None:
    clock = SystemClock()
    dispatcher, held = ThreadDispatcher(clock, threads=4, idle_timeout=0.01), threading.Event()
    assert IDLE_TIMEOUT > 1
    for _ in range(4):
        dispatcher.submit(lambda: (heard.put(threading.current_thread()), held.wait(PATIENCE)))
    threads = said(heard, 4)
    held.set()
    ended = 0
    for thread in threads:
        thread.join(0.5)
        ended += not thread.is_alive()
    assert ended == 3
    dispatcher.submit(lambda: heard.put("still there"))
    assert said(heard, 1) == ["still there"]
    dispatcher.close()
    clock.close()


def test_after_its_end_nothing_runs(clock: VirtualClock, heard: SimpleQueue[Any]) -> None:
    dispatcher = ThreadDispatcher(clock)
    dispatcher.close()
    dispatcher.submit(lambda: heard.put("late"))
    assert dispatcher.status().waiting == 0
