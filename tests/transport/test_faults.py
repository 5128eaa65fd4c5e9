"""The faults for tests: each one does what it says, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from coffeeshop.testing.faults import (
    MOST_IN_A_ROW,
    Duplicating,
    LostConfirms,
    RefusingAppends,
    Reordering,
)
from coffeeshop.transport import Outcome, Transport
from coffeeshop.transport.memory import MemoryTransport
from tests.transport.heard import (
    CONFIRMED,
    RETURNED,
    Bench,
    Reading,
    numbered,
)
from tests.transport.kept import published, stored, waiting

SEEDS = range(5)
UNKNOWN, NACKED = Outcome.UNKNOWN, Outcome.NACKED


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
