"""What only the RabbitMQ transport does: many readers, odd messages, calls from callbacks."""

from __future__ import annotations

import pytest

from coffeeshop.errors import UsageError
from coffeeshop.transport import Message, Outcome
from coffeeshop.transport.rabbitmq.transport import SMALLEST_SEGMENT
from tests.transport.fragile import FEW_CHANNELS, LARGEST, Events, transport_of
from tests.transport.heard import CONFIRMED, Bench, Heard


def test_hundreds_of_readers_share_a_few_connections(rabbit: Bench) -> None:
    journals = [rabbit.journal() for _ in range(30)]
    readings = [(name, rabbit.read(name)) for name in journals for _ in range(10)]
    for name in journals:
        rabbit.append(name, name.encode())
    for name, reading in readings:
        assert reading.bodies(1) == [name.encode()]
    counts = transport_of(rabbit).counts()
    assert counts.readers == 300
    assert 300 <= counts.channels < 330
    assert 300 // FEW_CHANNELS + 2 <= counts.connections < 20
    for _, reading in readings:
        reading.reader.close()


def test_offsets_without_a_message_are_told_from_messages_that_are_not_there_yet(
    rabbit: Bench,
) -> None:
    """A stream takes an offset for each of its segments; these have 4 MiB."""
    journal = rabbit.journal(max_bytes=SMALLEST_SEGMENT * 4)
    size = LARGEST // 2
    messages = 3 * SMALLEST_SEGMENT // size
    for _ in range(messages):
        rabbit.append(journal, bytes(size))
    deliveries = rabbit.read(journal).deliveries.first(messages)
    assert [d.offset for d in deliveries] != list(range(messages))  # there are such offsets
    covered = [n for d in deliveries for n in range(d.since or 0, d.offset + 1)]
    assert covered == list(range(deliveries[-1].offset + 1))


def test_a_blocking_call_from_a_callback_is_refused(rabbit: Bench) -> None:
    heard: Heard[str] = Heard()

    def ended(_: Outcome) -> None:
        try:
            rabbit.transport.declare_queue("test.from.callback")
        except RuntimeError as error:
            heard(str(error))

    rabbit.transport.append(rabbit.journal(), Message(), ended)
    assert "callback" in heard.first(1)[0]


def test_a_callback_that_raises_is_reported_and_harms_nobody_else(
    rabbit: Bench, events: Events
) -> None:
    journal = rabbit.journal()

    def fail(_: Outcome) -> None:
        raise ZeroDivisionError

    rabbit.transport.append(journal, Message(), fail)
    events.wait("transport.call_failed")
    rabbit.append(journal, b"next")


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("j" * 256, {}),
        ("", {}),
        ("j", {"": "x"}),
        ("j", {"k" * 256: "x"}),
        ("j", {"k": 2**63}),
        ("j", {"k": "x" * 70_000}),
    ],
)
def test_a_message_that_cannot_be_encoded_is_refused_at_once(
    rabbit: Bench, name: str, headers: dict[str, str | int]
) -> None:
    with pytest.raises(ValueError, match=r"must|fit"):
        rabbit.transport.append(name, Message(headers), lambda outcome: None)


def test_a_header_of_another_type_is_refused_at_once(rabbit: Bench) -> None:
    message = Message({"k": 1.5})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="neither"):
        rabbit.transport.append("j", message, lambda outcome: None)


def test_reading_far_beyond_the_end_waits_there(rabbit: Bench) -> None:
    journal = rabbit.journal()
    rabbit.append(journal, b"a")
    beyond = rabbit.read(journal, offset=1_000_000)
    rabbit.settle()
    assert (beyond.deliveries.all, beyond.gone.all) == ([], [])
    assert rabbit.read(journal).bodies(1) == [b"a"]


def test_a_journal_declared_with_another_bound_serves_all_the_same(rabbit: Bench) -> None:
    journal = rabbit.journal(max_bytes=100_000_000)
    rabbit.append(journal, b"a")
    rabbit.transport.declare_journal(journal)
    assert rabbit.read(journal).bodies(1) == [b"a"]


def test_a_message_too_large_for_the_broker_is_told_as_such_and_the_next_one_is_stored(
    rabbit: Bench, events: Events
) -> None:
    journal = rabbit.journal()
    assert rabbit.outcomes(journal, b"x" * (LARGEST + 1)) == [Outcome.TOO_LARGE]
    rabbit.append(journal, b"y" * LARGEST)
    assert rabbit.read(journal).bodies(1) == [b"y" * LARGEST]
    events.wait("transport.publishing_refused")


def test_a_queue_of_a_journals_name_is_refused(rabbit: Bench) -> None:
    journal = rabbit.journal()
    with pytest.raises(UsageError, match="x-queue-type"):
        rabbit.transport.declare_queue(journal)


def test_small_messages_on_many_pages_of_the_socket_arrive_whole(rabbit: Bench) -> None:
    journal = rabbit.journal()
    bodies = [bytes([number % 256]) * (number % 700) for number in range(5000)]
    heard: Heard[Outcome] = Heard()
    for number, body in enumerate(bodies):
        rabbit.transport.append(journal, Message({"number": number}, body), heard)
    assert set(heard.first(5000)) == {CONFIRMED}
    assert rabbit.read(journal, credit=5000).bodies(5000) == bodies
