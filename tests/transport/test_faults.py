"""The faults for tests: each one does what it says, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from random import Random

import pytest

from coffeeshop.testing.faults import (
    MOST_IN_A_ROW,
    Cut,
    Duplicating,
    LostConfirms,
    RefusingAppends,
    Reordering,
)
from coffeeshop.testing.passing import Lane
from coffeeshop.transport import Message, Outcome, Transport
from coffeeshop.transport.memory import MemoryTransport
from tests.transport.heard import (
    CONFIRMED,
    PATIENCE,
    RETURNED,
    Bench,
    Consuming,
    Heard,
    Reading,
    numbered,
)

SEEDS = range(5)
UNKNOWN, NACKED = Outcome.UNKNOWN, Outcome.NACKED


@pytest.fixture
def memory() -> Iterator[MemoryTransport]:
    """What is under the wrapper."""
    made = MemoryTransport()
    yield made
    made.close()


def stored(memory: MemoryTransport, journal: str) -> list[bytes]:
    with memory.lock:
        held = memory.journals[journal]
        return [held.message(offset).body for offset in range(len(held.entries))]


def waiting(memory: MemoryTransport, queue: str) -> list[bytes]:
    with memory.lock:
        return [message.body for message in memory.queues[queue].waiting]


def published(bench: Bench, queue: str, *bodies: bytes) -> list[Outcome]:
    heard: Heard[Outcome] = Heard()
    for body in bodies:
        bench.transport.publish(queue, Message({}, body), heard)
    return heard.first(len(bodies))


@pytest.mark.parametrize("seed", SEEDS)
def test_lost_confirms_stores_everything_and_says_unknown_of_some(
    memory: MemoryTransport, seed: int
) -> None:
    faulty = LostConfirms(memory, Random(seed))
    bench = Bench(faulty)
    journal, queue = bench.journal(), bench.queue()
    outcomes = bench.outcomes(journal, *numbered(range(60)))
    outcomes += published(bench, queue, *numbered(range(60)))
    assert set(outcomes) == {CONFIRMED, UNKNOWN}
    assert faulty.injected == outcomes.count(UNKNOWN)
    assert stored(memory, journal) == numbered(range(60))
    assert waiting(memory, queue) == numbered(range(60))


@pytest.mark.parametrize("seed", SEEDS)
def test_refusing_appends_stores_what_it_confirms_and_nothing_else(
    memory: MemoryTransport, seed: int
) -> None:
    faulty = RefusingAppends(memory, Random(seed))
    bench = Bench(faulty)
    journal, queue = bench.journal(), bench.queue()
    bodies = numbered(range(60))
    appended = bench.outcomes(journal, *bodies)
    put = published(bench, queue, *bodies)
    assert set(appended) == set(put) == {CONFIRMED, NACKED}
    assert faulty.injected == (appended + put).count(NACKED)
    assert stored(memory, journal) == [
        b for b, o in zip(bodies, appended, strict=True) if o is CONFIRMED
    ]
    assert waiting(memory, queue) == [b for b, o in zip(bodies, put, strict=True) if o is CONFIRMED]
    assert memory.names() == sorted([journal, queue])


@pytest.mark.parametrize("fault", [LostConfirms, RefusingAppends])
def test_a_third_try_always_gets_through(
    memory: MemoryTransport, fault: Callable[..., Transport]
) -> None:
    bench = Bench(fault(memory, Random(0), share=1.0))
    journals = [bench.journal() for _ in range(3)]
    for journal in journals:
        tries = [bench.outcomes(journal, b"x")[0] for _ in range(MOST_IN_A_ROW + 1)]
        assert [outcome is CONFIRMED for outcome in tries] == [False, False, True]


@pytest.mark.parametrize("seed", SEEDS)
def test_duplicating_sends_some_messages_again_at_once_or_later_and_loses_none(
    memory: MemoryTransport, seed: int
) -> None:
    faulty = Duplicating(memory, Random(seed))
    bench = Bench(faulty)
    journal, queue = bench.journal(), bench.queue()
    bodies = numbered(range(60))
    assert bench.outcomes(journal, *bodies) == [CONFIRMED] * 60
    assert published(bench, queue, *numbered(range(100, 160))) == [CONFIRMED] * 60
    there, queued = stored(memory, journal), waiting(memory, queue)
    assert list(dict.fromkeys(there)) == bodies
    assert list(dict.fromkeys(queued)) == numbered(range(100, 160))
    assert len(there) + len(queued) == 120 + faulty.injected
    assert faulty.injected > 10
    late = [n for n, body in enumerate(there) if body in there[:n] and there[n - 1] != body]
    assert late, "every repeat came at once"


def test_a_late_repeat_for_a_deleted_journal_troubles_nobody(memory: MemoryTransport) -> None:
    bench = Bench(Duplicating(memory, Random(1), share=1.0))
    over, going_on = bench.journal(), bench.journal()
    bench.append(over, *numbered(range(8)))
    bench.transport.delete_journal(over)
    bench.append(going_on, *numbered(range(20)))
    assert bench.outcomes(over, b"x") == [RETURNED]
    assert memory.names() == [going_on]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("credit", [1, 4, 1000])
def test_reordering_delivers_everything_once_within_credit_and_out_of_order(
    memory: MemoryTransport, seed: int, credit: int
) -> None:
    faulty = Reordering(memory, Random(seed))
    bench = Bench(faulty)
    journal = bench.journal()
    bench.append(journal, *numbered(range(60)))
    reading = bench.read(journal, credit=credit)
    for given in range(credit, 60):
        reading.deliveries.first(given)
        bench.settle()
        assert len(reading.deliveries.all) == given
        reading.reader.credit(1)
    deliveries = reading.deliveries.first(60)
    offsets = [delivery.offset for delivery in deliveries]
    assert sorted(offsets) == list(range(60))
    assert offsets != sorted(offsets)
    assert [int(delivery.message.body) for delivery in deliveries] == offsets
    overtook = sum(any(later < o for later in offsets[n:]) for n, o in enumerate(offsets))
    assert 0 < faulty.injected <= overtook


def test_reordering_is_the_same_for_the_same_seed() -> None:
    def offsets(seed: int) -> list[int]:
        memory = MemoryTransport()
        bench = Bench(Reordering(memory, Random(seed)))
        journal = bench.journal()
        bench.append(journal, *numbered(range(40)))
        found = [delivery.offset for delivery in bench.read(journal).deliveries.first(40)]
        memory.close()
        return found

    assert offsets(3) == offsets(3) != offsets(4)


def test_reordering_holds_nothing_back_when_nothing_more_comes(memory: MemoryTransport) -> None:
    bench = Bench(Reordering(memory, Random(0)))
    journal = bench.journal()
    reading = bench.read(journal)
    for number in range(20):
        bench.append(journal, str(number).encode())
        reading.deliveries.first(number + 1)
    assert reading.bodies(20) == numbered(range(20))


def test_a_reordered_reading_that_is_closed_hears_nothing_more(memory: MemoryTransport) -> None:
    bench = Bench(Reordering(memory, Random(0)))
    journal = bench.journal()
    bench.append(journal, *numbered(range(20)))
    readings: list[Reading] = []
    reading = bench.read(journal, credit=0, then=lambda _: readings[0].reader.close())
    readings.append(reading)
    reading.reader.credit(20)
    reading.deliveries.first(1)
    bench.settle()
    assert len(reading.deliveries.all) == 1


def test_a_cut_stores_nothing_and_ends_everything_unknown_until_it_is_healed(
    memory: MemoryTransport,
) -> None:
    faulty = Cut(memory, Random(0), after=(10, 10))
    bench = Bench(faulty)
    journal, queue = bench.journal(), bench.queue()
    assert bench.outcomes(journal, *numbered(range(9))) == [CONFIRMED] * 9
    assert not faulty.down.is_set()
    assert bench.outcomes(journal, b"9") == [UNKNOWN]
    assert faulty.down.is_set()
    assert published(bench, queue, b"x", b"y") == [UNKNOWN, UNKNOWN]
    assert (stored(memory, journal), waiting(memory, queue)) == (numbered(range(9)), [])
    assert faulty.injected == 3
    faulty.heal()
    assert not faulty.down.is_set()
    assert bench.outcomes(journal, b"9") == [CONFIRMED]
    assert published(bench, queue, b"x") == [CONFIRMED]
    assert stored(memory, journal) == numbered(range(10))


def test_what_was_stored_just_before_a_cut_ends_unknown_too(memory: MemoryTransport) -> None:
    faulty = Cut(memory, Random(0), after=(3, 3))
    bench = Bench(faulty)
    journal, cut = bench.journal(), threading.Event()
    memory.append(journal, Message({}, b"gate"), lambda _: _wait(cut))  # no outcome until then
    heard: Heard[Outcome] = Heard()
    for body in numbered(range(3)):
        bench.transport.append(journal, Message({}, body), heard)
    cut.set()
    assert heard.first(3) == [UNKNOWN] * 3
    assert stored(memory, journal) == [b"gate", b"0", b"1"]
    assert faulty.injected == 3


def test_deliveries_wait_while_it_is_cut_and_come_in_order_when_it_is_healed(
    memory: MemoryTransport,
) -> None:
    faulty = Cut(memory, Random(0), after=(25, 25))
    bench = Bench(faulty)
    journal, queue = bench.journal(), bench.queue()
    bench.append(journal, *numbered(range(10)))
    bench.publish(queue, *numbered(range(10)))
    reading = bench.read(journal)
    reading.deliveries.first(4)
    assert faulty.down.wait(PATIENCE)
    consuming = bench.consume(queue)
    Bench(memory).settle()
    assert reading.bodies(4) == numbered(range(4))
    assert consuming.handed.all == []
    assert faulty.injected == 6 + 10
    faulty.heal()
    assert reading.bodies(10) == numbered(range(10))
    assert consuming.bodies(10) == numbered(range(10))


def test_what_is_closed_while_it_is_cut_hears_nothing_when_it_is_healed(
    memory: MemoryTransport,
) -> None:
    faulty = Cut(memory, Random(0), after=(1, 1))
    bench, under = Bench(faulty), Bench(memory)
    journal, queue = bench.journal(), bench.queue()
    under.append(journal, b"x")
    under.publish(queue, b"x")
    reading: Reading = bench.read(journal)
    consuming: Consuming = bench.consume(queue)
    under.settle()
    assert faulty.injected == 2
    reading.reader.close()
    consuming.consumer.close()
    faulty.heal()
    under.settle()
    assert (reading.deliveries.all, consuming.handed.all) == ([], [])
    assert under.consume(queue).bodies(1) == [b"x"]


def test_word_of_a_deleted_journal_waits_for_the_healing(memory: MemoryTransport) -> None:
    faulty = Cut(memory, Random(0), after=(1, 1))
    bench = Bench(faulty)
    journal = bench.journal()
    assert bench.outcomes(journal, b"x") == [UNKNOWN]
    reading = bench.read(journal)
    bench.transport.delete_journal(journal)
    Bench(memory).settle()
    assert reading.gone.all == []
    faulty.heal()
    assert reading.gone.first(1) == [None]


@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_cut_again_within_the_bounds_after_each_healing(
    memory: MemoryTransport, seed: int
) -> None:
    faulty = Cut(memory, Random(seed), after=(2, 6))
    bench = Bench(faulty)
    journal = bench.journal()
    lives = []
    for _ in range(20):
        life = 0
        while bench.outcomes(journal, b"x") == [CONFIRMED]:
            life += 1
        lives.append(life)
        faulty.heal()
    faulty.heal(for_good=True)
    assert bench.outcomes(journal, *numbered(range(50))) == [CONFIRMED] * 50
    assert set(lives) <= set(range(1, 6))
    assert len(set(lives)) > 1


def test_faults_go_around_each_other(memory: MemoryTransport) -> None:
    lost = LostConfirms(memory, Random(1))
    twice = Duplicating(lost, Random(2))
    jumping = Reordering(twice, Random(3))
    bench = Bench(jumping)
    journal = bench.journal()
    outcomes = bench.outcomes(journal, *numbered(range(50)))
    reading = bench.read(journal, credit=10_000)
    there = len(stored(memory, journal))
    assert set(reading.bodies(there)) == set(numbered(range(50)))
    assert UNKNOWN in outcomes
    assert all(fault.injected for fault in (lost, twice, jumping))


def test_a_lane_makes_calls_in_order_also_those_that_come_from_a_call() -> None:
    lane, made = Lane(), Heard[int]()

    def first() -> None:
        lane.put(lambda: made(2))
        made(1)

    lane.put(first)
    assert made.all == [1, 2]


def test_a_lane_goes_on_after_a_call_that_raised() -> None:
    lane, made = Lane(), Heard[int]()

    def fail() -> None:
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        lane.put(fail)
    lane.put(lambda: made(1))
    assert made.all == [1]


def test_a_held_lane_makes_its_calls_when_it_is_run_and_forgets_dropped_ones() -> None:
    held = True
    lane, made = Lane(lambda: held), Heard[int]()
    lane.put(lambda: made(1))
    lane.drop()
    lane.put(lambda: made(2))
    lane.run()
    assert made.all == []
    held = False
    lane.run()
    assert made.all == [2]


def _wait(event: threading.Event) -> None:
    assert event.wait(PATIENCE)
