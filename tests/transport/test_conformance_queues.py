"""The contract of queues, which every implementation passes unchanged."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from coffeeshop.transport import Message, Outcome, QueueDelivery
from tests.transport.conftest import Harness
from tests.transport.heard import CONFIRMED, PATIENCE, RETURNED, Bench, Consuming, Heard, numbered


def test_a_consumer_gets_what_was_published_in_order(bench: Bench) -> None:
    queue = bench.queue()
    bench.publish(queue, *numbered(range(20)))
    consuming = bench.consume(queue)
    assert consuming.bodies(20) == numbered(range(20))
    assert len({handed.tag for handed in consuming.handed.all}) == 20


def test_a_waiting_consumer_gets_what_is_published_later_with_its_headers(bench: Bench) -> None:
    queue = bench.queue()
    consuming = bench.consume(queue)
    heard: Heard[Outcome] = Heard()
    bench.transport.publish(queue, Message({"text": "é", "number": -7}, b"body"), heard)
    (handed,) = consuming.handed.first(1)
    assert (dict(handed.message.headers), handed.message.body) == (
        {"text": "é", "number": -7},
        b"body",
    )
    assert heard.first(1) == [CONFIRMED]


def test_declaring_a_queue_again_keeps_what_waits_in_it(bench: Bench) -> None:
    queue = bench.queue()
    bench.publish(queue, b"waits")
    bench.transport.declare_queue(queue)
    assert bench.consume(queue).bodies(1) == [b"waits"]


def test_publishing_to_a_queue_that_is_not_there_is_returned(bench: Bench) -> None:
    heard: Heard[Outcome] = Heard()
    deleted = bench.queue()
    bench.transport.delete_queue(deleted)
    for name in (bench.queue(declared=False), deleted):
        bench.transport.publish(name, Message(), heard)
    assert heard.first(2) == [RETURNED, RETURNED]


def test_no_more_than_prefetch_are_ever_unsettled(bench: Bench) -> None:
    queue = bench.queue()
    bench.publish(queue, *numbered(range(10)))
    consuming = bench.consume(queue, prefetch=3)
    for handed in (3, 4, 5):
        consuming.handed.first(handed)
        bench.settle()
        assert len(consuming.handed.all) == handed
        consuming.consumer.ack(consuming.handed.all[handed - 3].tag)
    assert consuming.bodies(6) == numbered(range(6))


def test_an_acked_message_is_gone_for_everybody(bench: Bench) -> None:
    queue = bench.queue()
    bench.publish(queue, b"done", b"open")
    first = bench.consume(queue)
    done, _ = first.handed.first(2)
    first.consumer.ack(done.tag)
    bench.settle()
    first.consumer.close()
    second = bench.consume(queue)
    second.handed.first(1)
    bench.settle()
    assert second.bodies(1) == [b"open"]


def test_a_requeued_message_reaches_the_consumer_that_acks_it(bench: Bench) -> None:
    queue, refusals = bench.queue(), Heard[int]()
    ready = threading.Event()

    def refuse(handed: QueueDelivery) -> None:
        assert ready.wait(PATIENCE)
        refuser.consumer.requeue(handed.tag)
        refusals(handed.tag)

    refuser = bench.consume(queue, then=refuse)
    ready.set()
    bench.publish(queue, b"again")
    refusals.first(2)  # with nobody else there, it comes again to the one that refused it
    taker = bench.consume(queue)
    (taken,) = taker.handed.first(1)
    taker.consumer.ack(taken.tag)
    bench.settle()
    assert taker.bodies(1) == [b"again"]
    assert len(set(refusals.all)) == len(refusals.all)


def test_unsettled_messages_return_when_their_consumer_closes(bench: Bench) -> None:
    queue = bench.queue()
    bench.publish(queue, *numbered(range(5)))
    first = bench.consume(queue, prefetch=3)
    first.handed.first(3)
    first.consumer.close()
    first.consumer.close()
    second = bench.consume(queue)
    assert sorted(second.bodies(5)) == numbered(range(5))
    bench.settle()
    assert len(first.handed.all) == 3


def test_a_consumer_that_stops_taking_settles_what_it_has_and_leaves_the_rest_to_others(
    bench: Bench,
) -> None:
    queue = bench.queue()
    bench.publish(queue, b"a", b"b")
    leaving = bench.consume(queue)
    first, _ = leaving.handed.first(2)
    leaving.consumer.stop_taking()
    leaving.consumer.stop_taking()
    bench.settle()
    bench.publish(queue, b"c", b"d")
    staying = bench.consume(queue)
    staying.handed.first(2)
    leaving.consumer.ack(first.tag)
    bench.settle()
    assert (leaving.bodies(2), staying.bodies(2)) == ([b"a", b"b"], [b"c", b"d"])
    leaving.consumer.close()
    assert staying.bodies(3)[2] == b"b"


def test_consumers_share_what_waits(bench: Bench) -> None:
    queue = bench.queue()
    first, second = bench.consume(queue, prefetch=1), bench.consume(queue, prefetch=1)
    bench.publish(queue, b"a", b"b", b"c")
    bodies = first.bodies(1) + second.bodies(1)
    bench.settle()
    assert sorted(bodies) == [b"a", b"b"]
    assert (len(first.handed.all), len(second.handed.all)) == (1, 1)
    first.ack_all()
    assert first.bodies(2)[1] == b"c"


def test_every_message_is_handed_to_one_of_several_consumers_that_ack(bench: Bench) -> None:
    queue, bodies = bench.queue(), Heard[bytes]()
    ready = threading.Event()
    consumers: dict[int, Consuming] = {}

    def ack(number: int, handed: QueueDelivery) -> None:
        assert ready.wait(PATIENCE)
        consumers[number].consumer.ack(handed.tag)
        bodies(handed.message.body)

    for number in range(3):
        consumers[number] = bench.consume(queue, 2, lambda handed, n=number: ack(n, handed))
    ready.set()
    bench.publish(queue, *numbered(range(300)))
    bodies.first(300)
    bench.settle()
    assert Counter(bodies.all) == Counter(numbered(range(300)))


def test_a_tag_of_a_closed_consumer_settles_nothing(bench: Bench) -> None:
    queue = bench.queue()
    bench.publish(queue, b"open")
    first = bench.consume(queue)
    (stale,) = first.handed.first(1)
    first.consumer.close()
    second = bench.consume(queue)
    second.handed.first(1)
    first.consumer.ack(stale.tag)
    first.consumer.requeue(stale.tag)
    bench.settle()
    second.consumer.close()
    assert bench.consume(queue).bodies(1) == [b"open"]


def test_an_unknown_tag_and_a_second_ack_are_harmless(bench: Bench) -> None:
    queue = bench.queue()
    bench.publish(queue, b"a", b"b", b"c")
    consuming = bench.consume(queue, prefetch=2)
    first, _ = consuming.handed.first(2)
    consuming.consumer.ack(first.tag + 1_000_000)
    consuming.consumer.requeue(first.tag + 1_000_000)
    for _ in range(3):
        consuming.consumer.ack(first.tag)
    consuming.consumer.requeue(first.tag)
    assert consuming.bodies(3) == [b"a", b"b", b"c"]
    bench.settle()
    assert len(consuming.handed.all) == 3
    assert consuming.gone.all == []


def test_a_missing_queue_is_gone_for_its_consumer(bench: Bench) -> None:
    consuming = bench.consume(bench.queue(declared=False))
    assert consuming.gone.first(1) == [None]
    bench.settle()
    assert (consuming.gone.all, consuming.handed.all) == ([None], [])


def test_every_consumer_is_told_once_when_its_queue_is_deleted(bench: Bench) -> None:
    queue = bench.queue()
    bench.publish(queue, b"a")
    holding = bench.consume(queue, prefetch=1)
    holding.handed.first(1)
    consumers = [holding, bench.consume(queue, prefetch=1)]
    bench.transport.delete_queue(queue)
    bench.transport.delete_queue(queue)
    for consuming in consumers:
        consuming.gone.first(1)
        consuming.ack_all()
        for handed in consuming.handed.all:
            consuming.consumer.requeue(handed.tag)
        consuming.consumer.close()
    bench.settle()
    assert [consuming.gone.all for consuming in consumers] == [[None], [None]]


def test_a_message_requeued_after_its_queue_was_deleted_is_gone(bench: Bench) -> None:
    queue = bench.queue()
    bench.publish(queue, b"lost")
    consuming = bench.consume(queue)
    (handed,) = consuming.handed.first(1)
    bench.transport.delete_queue(queue)
    consuming.gone.first(1)
    consuming.consumer.requeue(handed.tag)
    bench.transport.declare_queue(queue)
    bench.publish(queue, b"new")
    assert bench.consume(queue).bodies(1) == [b"new"]


def test_a_deleted_queue_takes_along_what_waits_in_it(bench: Bench) -> None:
    queue = bench.queue()
    bench.publish(queue, b"old")
    bench.transport.delete_queue(queue)
    bench.transport.declare_queue(queue)
    bench.publish(queue, b"new")
    assert bench.consume(queue).bodies(1) == [b"new"]


def test_what_a_closed_transport_held_returns_to_the_queue(harness: Harness, bench: Bench) -> None:
    if not harness.features.shared:
        pytest.skip("this store has one transport")
    queue, other = bench.queue(), Bench(harness.connect())
    try:
        bench.publish(queue, b"held")
        other.consume(queue).handed.first(1)
    finally:
        other.transport.close()
    assert bench.consume(queue).bodies(1) == [b"held"]
