"""The contract of threads, closing and restarts, which every implementation passes unchanged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from coffeeshop.transport import Delivery, Message, Outcome
from tests.transport.conftest import Harness
from tests.transport.heard import (
    CONFIRMED,
    PATIENCE,
    Bench,
    Heard,
    Turns,
    numbered,
)


def test_pipelined_appends_of_several_threads_are_confirmed_and_each_keeps_its_order(
    bench: Bench,
) -> None:
    journal, threads, each = bench.journal(), 4, 500
    order: list[Heard[int]] = [Heard() for _ in range(threads)]
    outcomes: Heard[Outcome] = Heard()

    def caller(number: int) -> None:
        for count in range(each):

            def ended(outcome: Outcome, count: int = count) -> None:
                outcomes(outcome)
                order[number](count)

            bench.transport.append(journal, Message({"caller": number, "count": count}), ended)

    reading = bench.read(journal, credit=threads * each)
    _in_threads(*(partial(caller, number) for number in range(threads)))
    assert outcomes.first(threads * each) == [CONFIRMED] * threads * each
    deliveries = reading.deliveries.first(threads * each)
    assert [delivery.offset for delivery in deliveries] == list(range(threads * each))
    for number in range(threads):
        stored = [d.message.headers for d in deliveries if d.message.headers["caller"] == number]
        assert [headers["count"] for headers in stored] == list(range(each))
        assert order[number].first(each) == list(range(each))


def test_a_reader_that_keeps_itself_busy_does_not_keep_others_waiting(bench: Bench) -> None:
    busy, other = bench.journal(), bench.journal()
    enough, ready = threading.Event(), threading.Event()
    appended: Heard[Outcome] = Heard()

    def one_more(_: Delivery) -> None:
        assert ready.wait(PATIENCE)
        if not enough.is_set():
            bench.transport.append(busy, Message(), appended)
            reading.reader.credit(1)

    reading = bench.read(busy, credit=1, then=one_more)
    ready.set()
    bench.append(busy, *numbered(range(100)))
    reading.deliveries.first(200)
    bench.append(other, b"my turn")
    assert bench.read(other).bodies(1) == [b"my turn"]
    enough.set()


def test_an_append_from_a_callback_is_carried_out(bench: Bench) -> None:
    journal, echo = bench.journal(), bench.journal()
    ended: Heard[Outcome] = Heard()
    bench.read(journal, then=lambda delivery: bench.transport.append(echo, delivery.message, ended))
    bench.append(journal, *numbered(range(20)))
    assert bench.read(echo).bodies(20) == numbered(range(20))
    assert ended.first(20) == [CONFIRMED] * 20


def test_callbacks_come_in_turn_and_never_from_inside_a_call(
    harness: Harness, bench: Bench
) -> None:
    turns, transport = Turns(), bench.transport
    journal, queue = bench.journal(), bench.queue()
    missing = bench.journal(declared=False)
    readers, handed = [turns.callback(f"reader {n}") for n in range(3)], turns.callback("consumer")
    gone = turns.callback("gone")
    for reader in readers:
        turns.calling(lambda r=reader: transport.read(journal, 0, 500, r, lambda r=r: r(None)))
    turns.calling(lambda: transport.consume(queue, 500, handed, lambda: handed(None)))

    def caller(_: int) -> None:
        appends, publishes = turns.callback("outcomes"), turns.callback("publish outcomes")
        for _ in range(100):
            turns.calling(lambda: transport.append(journal, Message(), appends))
            turns.calling(lambda: transport.append(missing, Message(), appends))
            turns.calling(lambda: transport.publish(queue, Message(), publishes))

    _in_threads(*(partial(caller, number) for number in range(3)))
    turns.calling(lambda: transport.read(missing, 0, 1, gone, lambda: gone(None)))
    bench.read(journal).deliveries.first(300)
    turns.calling(lambda: transport.delete_journal(journal))
    turns.calling(lambda: transport.delete_queue(queue))
    bench.settle()
    leaving = harness.connect()
    turns.calling(lambda: leaving.append(missing, Message(), gone))
    turns.calling(leaving.close)
    assert turns.wrong == []


def test_closing_ends_every_open_append_in_exactly_one_outcome(harness: Harness) -> None:
    bench = Bench(harness.connect())
    try:
        journal, queue = bench.journal(), bench.queue()
        heard: Heard[int] = Heard()
        for number in range(400):
            say = partial(_say, heard, number)
            if number % 2:
                bench.transport.append(journal, Message({}, b"x" * 1000), say)
            else:
                bench.transport.publish(queue, Message({}, b"x" * 1000), say)
        bench.transport.close()
        assert sorted(heard.all) == list(range(400))
    finally:
        _clear(harness, bench)


def test_no_callback_comes_after_closing(harness: Harness) -> None:
    bench = Bench(harness.connect())
    try:
        journal, queue = bench.journal(), bench.queue()
        bench.append(journal, *numbered(range(2000)))
        bench.publish(queue, *numbered(range(100)))
        after, late = threading.Event(), Heard[object]()

        def note(value: object = None) -> None:
            if after.is_set():
                late(value)

        for _ in range(3):
            bench.transport.read(journal, 0, 5_000, note, note)
        bench.transport.consume(queue, 10, note, note)
        for _ in range(100):
            bench.transport.append(journal, Message(), note)
        bench.transport.close()
        after.set()
        bench.transport.append(journal, Message(), note)
        bench.transport.publish(queue, Message(), note)
        _clear(harness, bench)  # takes its time
        assert late.all == []
    finally:
        _clear(harness, bench)


def test_closing_twice_and_from_two_threads_is_harmless(harness: Harness) -> None:
    bench = Bench(harness.connect())
    try:
        bench.append(bench.journal(), b"x")
        _in_threads(bench.transport.close, bench.transport.close)
        bench.transport.close()
    finally:
        _clear(harness, bench)


def test_a_transport_may_be_closed_from_a_callback(harness: Harness) -> None:
    bench = Bench(harness.connect())
    try:
        journal, closed = bench.journal(), threading.Event()

        def close(_: object) -> None:
            bench.transport.close()
            closed.set()

        bench.transport.append(journal, Message(), close)
        assert closed.wait(PATIENCE)
        bench.transport.close()
    finally:
        _clear(harness, bench)


def test_two_transports_of_one_store_see_the_same_journal(harness: Harness, bench: Bench) -> None:
    if not harness.features.shared:
        pytest.skip("this store has one transport")
    other = Bench(harness.connect())
    try:
        journal = bench.journal()
        reading = other.read(journal)
        bench.append(journal, b"a")
        assert reading.bodies(1) == [b"a"]
        bench.transport.delete_journal(journal)
        reading.gone.first(1)
    finally:
        other.transport.close()


def test_confirmed_messages_and_readings_survive_a_restart(harness: Harness, bench: Bench) -> None:
    if not harness.features.durable:
        pytest.skip("this store ends with its process")
    journal, queue = bench.journal(), bench.queue()
    bench.append(journal, *numbered(range(10)))
    bench.publish(queue, b"waits")
    reading = bench.read(journal)
    reading.deliveries.first(10)
    harness.restart()
    bench.append(journal, b"after")
    assert reading.bodies(11) == [*numbered(range(10)), b"after"]
    assert bench.read(journal).bodies(11) == reading.bodies(11)
    assert bench.consume(queue).bodies(1) == [b"waits"]
    assert reading.gone.all == []


def _say(heard: Heard[int], number: int, _: Outcome) -> None:
    heard(number)


def _in_threads(*calls: Callable[[], None]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def _clear(harness: Harness, closed: Bench) -> None:
    """Delete the names of a closed bench over another transport."""
    closed.transport.close()
    fresh = harness.connect()
    try:
        Bench(fresh, closed._journals, closed._queues).clear()
    finally:
        fresh.close()


def test_deleting_a_journal_that_is_fed_does_not_stop_what_is_fed_beside_it(bench: Bench) -> None:
    """RabbitMQ before 3.12 has a channel wait for ever for a name that it deletes meanwhile."""
    transport, beside = bench.transport, bench.journal()
    for number in range(100):
        journal = bench.journal()
        outcomes: Heard[Outcome] = Heard()
        for _ in range(1000):
            transport.append(journal, Message(), outcomes)
        outcomes.first(1 + 4 * number)  # so that it is deleted earlier or later
        transport.delete_journal(journal)
        bench.append(beside, b"beside it")
        outcomes.first(1000)
