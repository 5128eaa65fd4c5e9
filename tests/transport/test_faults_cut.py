"""A transport that is cut off its broker, and healed."""

from __future__ import annotations

import threading
from random import Random

import pytest

from coffeeshop.testing.faults import (
    Cut,
)
from coffeeshop.transport import Message, Outcome
from coffeeshop.transport.memory import MemoryTransport
from tests.transport.heard import (
    CONFIRMED,
    PATIENCE,
    Bench,
    Consuming,
    Heard,
    Reading,
    numbered,
)
from tests.transport.kept import published, stored, waiting
from tests.transport.test_faults import SEEDS, UNKNOWN


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


def _wait(event: threading.Event) -> None:
    assert event.wait(PATIENCE)
