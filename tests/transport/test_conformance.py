"""The contract of journals, which every implementation passes unchanged."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from coffeeshop.transport import Delivery, Message, Outcome
from tests.transport.heard import (
    CONFIRMED,
    PATIENCE,
    RETURNED,
    Bench,
    Heard,
    Reading,
    numbered,
)

LARGEST_BODY = 4 << 20


def test_a_reader_gets_what_was_appended_in_order_with_offsets_from_0(bench: Bench) -> None:
    journal = bench.journal()
    bench.append(journal, *numbered(range(50)))
    reading = bench.read(journal)
    assert reading.bodies(50) == numbered(range(50))
    assert [delivery.offset for delivery in reading.deliveries.all] == list(range(50))


def test_declaring_a_journal_again_keeps_what_it_holds(bench: Bench) -> None:
    journal = bench.journal()
    bench.append(journal, b"kept")
    bench.transport.declare_journal(journal)
    bench.append(journal, b"more")
    assert bench.read(journal).bodies(2) == [b"kept", b"more"]


def test_a_journal_with_a_bound_holds_what_is_well_within_it(bench: Bench) -> None:
    journal = bench.journal(max_bytes=64 << 20)
    bench.transport.declare_journal(journal, 64 << 20)
    bench.append(journal, *numbered(range(10)))
    assert bench.read(journal).bodies(10) == numbered(range(10))


@pytest.mark.parametrize("offset", [1, 57, 99])
def test_reading_begins_at_the_offset(bench: Bench, offset: int) -> None:
    journal = bench.journal()
    for start in range(0, 100, 20):  # in several goes: a store may keep them in chunks
        bench.append(journal, *numbered(range(start, start + 20)))
    reading = bench.read(journal, offset)
    assert reading.bodies(100 - offset) == numbered(range(offset, 100))
    assert reading.deliveries.all[0].offset == offset


def test_reading_at_the_end_waits_for_the_next_append(bench: Bench) -> None:
    journal = bench.journal()
    bench.append(journal, b"old")
    reading = bench.read(journal, offset=1)
    bench.settle()
    assert reading.deliveries.all == []
    bench.append(journal, b"new")
    assert reading.deliveries.first(1) == [Delivery(1, Message({}, b"new"))]


def test_a_reader_of_an_empty_journal_gets_what_comes_later(bench: Bench) -> None:
    journal = bench.journal()
    reading = bench.read(journal)
    for number in range(3):
        bench.append(journal, str(number).encode())
        reading.deliveries.first(number + 1)
    assert reading.bodies(3) == numbered(range(3))


def test_credit_is_never_exceeded_and_more_of_it_resumes(bench: Bench) -> None:
    journal = bench.journal()
    bench.append(journal, *numbered(range(40)))
    reading = bench.read(journal, credit=3)
    given = 3
    for more in (1, 2, 15):
        reading.deliveries.first(given)
        bench.settle()
        assert len(reading.deliveries.all) == given
        reading.reader.credit(more)
        given += more
    assert reading.bodies(given) == numbered(range(given))


def test_a_reader_without_credit_is_delivered_nothing_until_it_gets_some(bench: Bench) -> None:
    journal = bench.journal()
    bench.append(journal, b"a", b"b")
    reading = bench.read(journal, credit=0)
    bench.settle()
    assert reading.deliveries.all == []
    reading.reader.credit(1)
    assert reading.bodies(1) == [b"a"]


def test_credit_given_from_a_delivery_keeps_a_reader_going(bench: Bench) -> None:
    journal = bench.journal()
    bench.append(journal, *numbered(range(200)))
    ready = threading.Event()

    def next_one(_: Delivery) -> None:
        assert ready.wait(PATIENCE)
        reading.reader.credit(1)

    reading = bench.read(journal, credit=1, then=next_one)
    ready.set()
    assert reading.bodies(200) == numbered(range(200))


def test_readers_are_independent_of_each_other(bench: Bench) -> None:
    journal = bench.journal()
    bench.append(journal, *numbered(range(10)))
    slow, late, fast = (
        bench.read(journal, credit=1),
        bench.read(journal, offset=8),
        bench.read(journal),
    )
    assert fast.bodies(10) == numbered(range(10))
    assert late.bodies(2) == numbered(range(8, 10))
    bench.settle()
    assert slow.bodies(1) == [b"0"]
    fast.reader.close()
    slow.reader.credit(100)
    assert slow.bodies(10) == numbered(range(10))


def test_a_second_reader_replays_everything_from_0(bench: Bench) -> None:
    journal = bench.journal()
    bench.append(journal, *numbered(range(30)))
    first = bench.read(journal)
    first.deliveries.first(30)
    first.reader.close()
    second = bench.read(journal)
    assert second.deliveries.first(30) == first.deliveries.all


def test_reading_a_missing_journal_says_that_it_is_gone(bench: Bench) -> None:
    reading = bench.read(bench.journal(declared=False))
    assert reading.gone.first(1) == [None]
    bench.settle()
    assert (reading.gone.all, reading.deliveries.all) == ([None], [])


def test_every_reader_is_told_once_and_last_when_its_journal_is_deleted(bench: Bench) -> None:
    journal = bench.journal()
    bench.append(journal, b"only")
    order: Heard[str] = Heard()
    done = bench.read(journal, then=lambda _: order("delivery"))
    done.deliveries.first(1)
    other = bench.read(journal, credit=0)
    bench.transport.delete_journal(journal)
    done.gone.first(1)
    other.gone.first(1)
    bench.settle()
    assert (done.gone.all, other.gone.all) == ([None], [None])
    assert (order.all, other.deliveries.all) == (["delivery"], [])


def test_a_closed_reader_may_be_closed_again_and_given_credit_after_its_journal_is_gone(
    bench: Bench,
) -> None:
    journal = bench.journal()
    bench.append(journal, b"a", b"b")
    reading = bench.read(journal, credit=1)
    reading.deliveries.first(1)
    reading.reader.close()
    bench.transport.delete_journal(journal)
    reading.reader.credit(1)
    reading.reader.close()
    bench.settle()
    assert reading.bodies(1) == [b"a"]


def test_deleting_what_does_not_exist_is_harmless(bench: Bench) -> None:
    journal = bench.journal()
    bench.transport.delete_journal(bench.journal(declared=False))
    bench.transport.delete_journal(journal)
    bench.transport.delete_journal(journal)
    bench.append(bench.journal(), b"still works")


def test_a_journal_declared_after_its_deletion_is_empty(bench: Bench) -> None:
    journal = bench.journal()
    bench.append(journal, b"old")
    bench.transport.delete_journal(journal)
    bench.transport.declare_journal(journal)
    bench.append(journal, b"new")
    reading = bench.read(journal)
    assert reading.deliveries.first(1) == [Delivery(0, Message({}, b"new"))]


def test_an_append_to_a_journal_that_is_not_there_is_returned(bench: Bench) -> None:
    missing, deleted, there = bench.journal(declared=False), bench.journal(), bench.journal()
    bench.append(deleted, b"x")
    bench.transport.delete_journal(deleted)
    assert bench.outcomes(missing, b"x") == [RETURNED]
    assert bench.outcomes(deleted, b"x") == [RETURNED]
    assert bench.outcomes(there, b"x") == [CONFIRMED]


def test_appends_between_returned_ones_are_confirmed_each_as_its_own(bench: Bench) -> None:
    there, missing = bench.journal(), bench.journal(declared=False)
    heard: Heard[tuple[str, Outcome]] = Heard()
    for name in [there, missing] * 50:
        bench.transport.append(name, Message(), lambda outcome, name=name: heard((name, outcome)))
    assert Counter(heard.first(100)) == {(there, CONFIRMED): 50, (missing, RETURNED): 50}


HEADERS = {
    "text": "word",
    "empty": "",
    "unicode": "Café Ñandú 咖啡 ☕",
    "zero": 0,
    "negative": -1,
    "byte": 255,
    "word": 65_536,
    "long": 2**31,
    "longer": 2**40 + 1,
    "lowest": -(2**62),
}


def test_headers_of_text_and_whole_numbers_arrive_as_they_were(bench: Bench) -> None:
    journal = bench.journal()
    heard: Heard[Outcome] = Heard()
    bench.transport.append(journal, Message(HEADERS, b"body"), heard)
    (delivery,) = bench.read(journal).deliveries.first(1)
    assert dict(delivery.message.headers) == HEADERS
    assert {name: type(value) for name, value in delivery.message.headers.items()} == {
        name: type(value) for name, value in HEADERS.items()
    }


def test_a_senders_later_change_of_its_headers_changes_no_stored_message(bench: Bench) -> None:
    journal, headers = bench.journal(), {"number": 1}
    heard: Heard[Outcome] = Heard()
    bench.transport.append(journal, Message(headers), heard)
    heard.first(1)
    headers["number"] = 2
    assert bench.read(journal).deliveries.first(1)[0].message.headers == {"number": 1}


def test_bodies_from_empty_to_the_largest_arrive_whole(bench: Bench) -> None:
    journal = bench.journal()
    pattern = bytes(range(256)) * (LARGEST_BODY // 256)
    bodies = [b"", pattern, b"\0", b"", pattern[:131_072], pattern[::-1]]
    bench.append(journal, *bodies)
    assert bench.read(journal, credit=2).bodies(2) == bodies[:2]
    assert bench.read(journal).bodies(6) == bodies


def test_a_reader_closed_in_a_delivery_hears_nothing_more(bench: Bench) -> None:
    journal = bench.journal()
    bench.append(journal, *numbered(range(5)))
    readings: list[Reading] = []
    reading = bench.read(journal, credit=0, then=lambda _: readings[0].reader.close())
    readings.append(reading)
    reading.reader.credit(100)
    reading.deliveries.first(1)
    bench.append(journal, b"later")
    bench.settle()
    assert reading.bodies(1) == [b"0"]


def test_a_closed_reader_is_delivered_nothing_that_is_appended_later(bench: Bench) -> None:
    journal = bench.journal()
    bench.append(journal, b"before")
    closed, other = bench.read(journal), bench.read(journal)
    closed.deliveries.first(1)
    closed.reader.close()
    closed.reader.close()
    bench.append(journal, b"after")
    other.deliveries.first(2)
    bench.settle()
    assert closed.bodies(1) == [b"before"]


def test_a_journal_and_a_queue_exist_from_their_declaration_to_their_deletion(bench: Bench) -> None:
    journal, queue = bench.journal(), bench.queue()
    assert bench.transport.exists(journal)
    assert bench.transport.exists(queue)
    bench.transport.delete_journal(journal)
    bench.transport.delete_queue(queue)
    assert not bench.transport.exists(journal)
    assert not bench.transport.exists(queue)
