"""How the publisher judges what a broker answers, with a broker made of lists."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from pika.exceptions import ChannelClosedByBroker

from coffeeshop.transport import Message, Outcome
from coffeeshop.transport.rabbitmq.publisher import MOST_KNOWN, Publisher
from coffeeshop.transport.rabbitmq.readiness import MARKS
from coffeeshop.transport.rabbitmq.watch import OVERTAKEN
from tests.unit.fake_loop import FakeLoop

CONFIRMED, RETURNED = Outcome.CONFIRMED, Outcome.RETURNED
NACKED, UNKNOWN = Outcome.NACKED, Outcome.UNKNOWN


class FakeConnection:
    """A connection to a broker with some queues, whose answers a test may keep back."""

    def __init__(self) -> None:
        self.is_open = True
        self.queues: dict[str, tuple[int, str] | None] = {"q": None, MARKS[0]: None}
        """What looking for a queue is refused with, or None."""
        self.sent: list[tuple[str, bytes]] = []
        self.answers: list[Callable[[], None]] = []
        self.patient = False
        self.publishing: FakeChannel | None = None

    def channel(self, on_open_callback: Callable[[Any], None]) -> FakeChannel:
        channel = FakeChannel(self)
        self.answer(lambda: on_open_callback(channel))
        return channel

    def answer(self, call: Callable[[], None]) -> None:
        self.answers.append(call)

    def turn(self) -> None:
        """Give the answers, unless they are to be kept back."""
        while self.answers and not self.patient:
            self.answers.pop(0)()

    def abort(self, reason: Exception) -> None:
        self.is_open = False

    def corked(self) -> nullcontext[None]:
        return nullcontext()

    def add_on_connection_blocked_callback(self, call: object) -> None: ...

    def add_on_connection_unblocked_callback(self, call: object) -> None: ...


class FakeChannel:
    """Confirms nothing of its own accord."""

    def __init__(self, connection: FakeConnection) -> None:
        self.connection = connection
        self.is_open = True
        self._closed: list[Callable[[Any, BaseException], None]] = []
        self.on_return: Callable[..., None] = lambda *_: None
        self.on_confirm: Callable[[Any], None] = lambda _: None

    def add_on_close_callback(self, call: Callable[[Any, BaseException], None]) -> None:
        self._closed.append(call)

    def add_on_return_callback(self, call: Callable[..., None]) -> None:
        self.on_return = call

    def confirm_delivery(self, on_confirm: Callable[[Any], None], callback: Any) -> None:
        self.on_confirm = on_confirm
        self.connection.publishing = self
        self.connection.answer(lambda: callback(None))

    def basic_publish(
        self, *, exchange: str, routing_key: str, body: bytes, properties: Any, mandatory: bool
    ) -> None:
        assert mandatory
        self.connection.sent.append((routing_key, body))

    def queue_declare(self, name: str, *, callback: Any, **kwargs: Any) -> None:
        refusal = self.connection.queues.get(name, (404, f"NOT_FOUND - no queue '{name}'"))
        if refusal is None:
            found = SimpleNamespace(method=SimpleNamespace(message_count=1))
            self.connection.answer(lambda: callback(found))
        else:
            self.connection.answer(lambda: self.refuse(*refusal))

    def refuse(self, code: int, text: str) -> None:
        """The broker closes the channel."""
        self.is_open = False
        for call in self._closed:
            call(self, ChannelClosedByBroker(code, text))


class Sender:
    """A publisher on a fake link, and what its messages ended in."""

    def __init__(self) -> None:
        self.loop = FakeLoop()
        self.link: Any = SimpleNamespace(
            name="fake",
            connection=None,
            loss=None,
            refusal=None,
            listeners=set(),
            open=lambda: None,
            denied=lambda queue, if_gone: if_gone(),
        )
        self.publisher = Publisher(self.loop, self.link, {}, 30.0, window_bytes=100)  # type: ignore[arg-type]
        self.ended: list[tuple[bytes, Outcome]] = []

    def connect(self) -> FakeConnection:
        connection = FakeConnection()
        self.link.connection = connection
        self.publisher.connection_up(connection)
        connection.turn()
        return connection

    def disconnect(self) -> None:
        self.link.connection.is_open = False
        self.link.connection = None
        self.publisher.connection_down()

    def send(self, *bodies: bytes, queue: str = "q", most: int = 100) -> None:
        for body in bodies:
            ended = partial(self._end, body)
            self.publisher.send(queue, Message({}, body), ended, most)
        self._turn()

    def confirm(self, tag: int, *, multiple: bool = False, name: str = "Basic.Ack") -> None:
        method = SimpleNamespace(delivery_tag=tag, multiple=multiple, NAME=name)
        self.link.connection.publishing.on_confirm(SimpleNamespace(method=method))
        self._turn()

    def give_back(self, tag: int) -> None:
        """The broker returns a message, then confirms it, as it does."""
        returned = SimpleNamespace(message_id=str(tag))
        self.link.connection.publishing.on_return(None, None, returned, b"")
        self.confirm(tag)

    def _end(self, body: bytes, outcome: Outcome) -> None:
        self.ended.append((body, outcome))

    def _turn(self) -> None:
        if self.link.connection is not None:
            self.link.connection.turn()


@pytest.fixture
def sender() -> Sender:
    return Sender()


def test_one_confirmation_may_settle_many_and_a_nack_says_so(sender: Sender) -> None:
    sender.connect()
    sender.send(b"1", b"2", b"3", b"4")
    sender.confirm(2, multiple=True)
    sender.confirm(4, name="Basic.Nack")
    sender.confirm(3)
    sender.confirm(3)
    assert sender.ended == [
        (b"1", CONFIRMED),
        (b"2", CONFIRMED),
        (b"4", NACKED),
        (b"3", CONFIRMED),
    ]
    assert sender.publisher.open == 0


def test_no_more_than_a_window_of_bytes_is_on_its_way(sender: Sender) -> None:
    connection = sender.connect()
    sender.send(b"a" * 60, b"b" * 60, b"c" * 60)
    assert len(connection.sent) == 2
    sender.confirm(1)
    assert len(connection.sent) == 3
    sender.confirm(3, multiple=True)
    sender.send(b"d" * 500, b"e")
    assert [body[:1] for _, body in connection.sent] == [b"a", b"b", b"c", b"d"]
    assert sender.publisher.open == 2


def test_a_name_with_as_many_unconfirmed_as_it_may_have_stops_no_other(sender: Sender) -> None:
    connection = sender.connect()
    connection.queues["other"] = None
    sender.send(b"1", b"2", b"3", b"4", most=2)
    sender.send(b"a", queue="other")
    sender.send(b"5", most=2)
    assert [body for _, body in connection.sent] == [b"1", b"2", b"a"]
    assert sender.publisher.open == 6
    sender.confirm(2)  # only what is confirmed in order makes room
    assert len(connection.sent) == 3
    sender.confirm(1)
    assert [body for _, body in connection.sent[3:]] == [b"3", b"4"]
    sender.confirm(5, multiple=True)
    sender.confirm(6)
    assert [body for _, body in connection.sent[5:]] == [b"5"]
    assert [body for body, _ in sender.ended] == [b"1", b"2", b"a", b"3", b"4", b"5"]
    assert sender.publisher.open == 0


def test_what_waits_for_room_also_waits_for_the_window(sender: Sender) -> None:
    connection = sender.connect()
    connection.queues["other"] = None
    sender.send(b"1" * 10, b"2" * 90, b"3" * 10, most=1)
    sender.send(b"a" * 90, queue="other")
    sender.confirm(1)
    assert [body[:1] for _, body in connection.sent] == [b"1", b"a", b"2"]
    sender.confirm(3)
    assert [body[:1] for _, body in connection.sent[3:]] == [b"3"]


def test_what_waits_for_room_goes_first_over_the_next_connection(sender: Sender) -> None:
    sender.connect()
    sender.send(b"1", b"2", b"3", most=1)
    sender.disconnect()
    assert sender.ended == [(b"1", UNKNOWN)]
    sender.send(b"4")
    assert [body for _, body in sender.connect().sent] == [b"2"]
    sender.confirm(1)
    sender.confirm(2)
    assert [body for body, _ in sender.ended[1:]] == [b"2", b"3"]


def test_what_waits_for_room_keeps_its_order_while_a_returned_message_is_asked_about(
    sender: Sender,
) -> None:
    connection = sender.connect()
    sender.send(b"1", b"2", b"3", most=1)
    connection.patient = True
    sender.give_back(1)
    sender.send(b"4", most=1)
    assert sender.publisher.open == 4
    connection.patient = False
    connection.turn()
    assert sender.ended == [(b"1", UNKNOWN)]
    for tag in (2, 3, 4):
        sender.confirm(tag)
    assert [body for body, _ in sender.ended[1:]] == [b"2", b"3", b"4"]


def test_what_waits_for_room_is_unknown_when_the_publisher_closes(sender: Sender) -> None:
    sender.connect()
    sender.send(b"1", b"2", most=1)
    sender.publisher.close()
    assert sender.ended == [(b"1", UNKNOWN), (b"2", UNKNOWN)]


def test_what_was_sent_is_unknown_and_what_waits_goes_over_the_next_connection(
    sender: Sender,
) -> None:
    sender.connect()
    sender.send(b"a" * 100, b"b", b"c")
    sender.disconnect()
    assert sender.ended == [(b"a" * 100, UNKNOWN)]
    sender.send(b"d")
    connection = sender.connect()
    assert [body for _, body in connection.sent] == [b"b", b"c", b"d"]


def test_messages_held_for_an_answer_keep_their_order_over_a_reconnect(sender: Sender) -> None:
    connection = sender.connect()
    connection.patient = True
    sender.send(b"a", b"b")
    assert sender.publisher.open == 2
    sender.disconnect()
    sender.send(b"c")
    assert [body for _, body in sender.connect().sent] == [b"a", b"b", b"c"]
    connection.patient = False
    connection.turn()
    assert sender.ended == []


def test_a_missing_queue_returns_what_waits_for_it_and_is_asked_for_again(sender: Sender) -> None:
    connection = sender.connect()
    sender.send(b"a", b"b", queue="new")
    assert sender.ended == [(b"a", RETURNED), (b"b", RETURNED)]
    connection.queues["new"] = None
    sender.send(b"c", queue="new")
    assert connection.sent == [("new", b"c")]


def test_a_queue_that_is_absent_for_a_moment_is_waited_for(sender: Sender) -> None:
    connection = sender.connect()
    connection.queues["q"] = (
        404,
        "NOT_FOUND - home node of durable queue 'q' is down or inaccessible",
    )
    sender.send(b"a")
    assert (sender.ended, connection.sent) == ([], [])
    connection.queues["q"] = None
    sender.loop.run()
    connection.turn()
    assert connection.sent == [("q", b"a")]


def test_a_refusal_for_another_reason_is_no_statement_about_the_queue(sender: Sender) -> None:
    connection = sender.connect()
    connection.queues["q"] = (405, "RESOURCE_LOCKED")
    sender.send(b"a")
    assert sender.ended == [(b"a", UNKNOWN)]


def test_a_message_that_may_not_be_sent_is_not_sent_again(sender: Sender) -> None:
    connection = sender.connect()
    connection.queues["q"] = (403, "ACCESS_REFUSED")
    sender.send(b"a")
    assert sender.ended == [(b"a", Outcome.FORBIDDEN)]


def test_a_returned_message_is_believed_when_the_queue_is_missing(sender: Sender) -> None:
    connection = sender.connect()
    sender.send(b"a", b"b")
    del connection.queues["q"]
    sender.give_back(1)
    sender.give_back(2)
    assert sender.ended == [(b"a", RETURNED), (b"b", RETURNED)]


def test_a_returned_message_is_not_believed_when_the_queue_is_there(sender: Sender) -> None:
    connection = sender.connect()
    sender.send(b"a")
    connection.patient = True
    sender.give_back(1)
    sender.send(b"b")  # held back: the order of what follows is not to be disturbed
    assert (sender.ended, sender.publisher.open, len(connection.sent)) == ([], 2, 1)
    connection.patient = False
    connection.turn()
    assert sender.ended == [(b"a", UNKNOWN)]
    assert connection.sent[1:] == [("q", b"b")]


def test_a_returned_message_whose_queue_nobody_can_ask_for_is_unknown(sender: Sender) -> None:
    connection = sender.connect()
    sender.send(b"a")
    connection.patient = True
    sender.give_back(1)
    sender.disconnect()
    assert sender.ended == [(b"a", UNKNOWN)]


def test_a_return_of_a_message_nobody_sent_is_ignored(sender: Sender) -> None:
    sender.connect()
    sender.give_back(7)
    assert sender.ended == []


def test_a_refused_message_costs_its_channel_and_nothing_else(sender: Sender) -> None:
    connection = sender.connect()
    sender.send(b"a")
    assert connection.publishing is not None
    connection.publishing.refuse(406, "PRECONDITION_FAILED - message size is larger than allowed")
    connection.turn()
    assert sender.ended == [(b"a", UNKNOWN)]
    sender.send(b"b")
    sender.confirm(1)
    assert sender.ended[1:] == [(b"b", CONFIRMED)]


def test_closing_ends_everything_once_and_later_messages_too(sender: Sender) -> None:
    connection = sender.connect()
    connection.patient = True
    sender.send(b"held")
    sender.publisher.close()
    sender.send(b"late")
    connection.patient = False
    connection.turn()
    assert sender.ended == [(b"held", UNKNOWN), (b"late", UNKNOWN)]


def test_only_so_many_queues_are_remembered(sender: Sender) -> None:
    connection = sender.connect()
    for number in range(MOST_KNOWN + 1):
        connection.queues[f"q{number}"] = None
        sender.send(b"", queue=f"q{number}")
        sender.confirm(number + 1)
    assert len(sender.publisher._known) == MOST_KNOWN
    sender.send(b"again", queue="q0")
    assert connection.sent[-1] == ("q0", b"again")


def test_a_message_is_confirmed_only_when_all_earlier_ones_to_its_journal_are(
    sender: Sender,
) -> None:
    sender.connect().queues["other"] = None
    sender.send(b"1", b"2", b"3")
    sender.send(b"4", queue="other")
    sender.confirm(2)
    sender.confirm(3)
    sender.confirm(4)
    assert sender.ended == [(b"4", CONFIRMED)]
    assert sender.publisher.open == 3
    sender.confirm(1)
    assert sender.ended[1:] == [(b"1", CONFIRMED), (b"2", CONFIRMED), (b"3", CONFIRMED)]
    assert sender.publisher.open == 0


def test_what_is_confirmed_after_one_that_never_is_is_unknown_when_the_connection_goes(
    sender: Sender,
) -> None:
    """A channel whose stream lost its leader confirms what it stores nowhere."""
    sender.connect()
    sender.send(b"1", b"2", b"3", b"4")
    sender.confirm(1)
    sender.confirm(4)
    sender.confirm(3)
    sender.disconnect()
    assert sender.ended == [
        (b"1", CONFIRMED),
        (b"2", UNKNOWN),
        (b"3", UNKNOWN),
        (b"4", UNKNOWN),
    ]
    assert sender.publisher.open == 0


def test_a_nacked_and_a_returned_message_hold_up_no_later_ones(sender: Sender) -> None:
    sender.connect()
    sender.send(b"1", b"2", b"3", b"4")
    sender.confirm(2)
    sender.confirm(4)
    sender.confirm(1, name="Basic.Nack")
    assert sender.ended == [(b"1", NACKED), (b"2", CONFIRMED)]
    sender.give_back(3)
    assert sender.ended[2:] == [(b"4", CONFIRMED), (b"3", UNKNOWN)]


def test_a_connection_is_dropped_over_a_confirmation_that_later_ones_overtook(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = SimpleNamespace(now=0.0)
    monkeypatch.setattr(time, "monotonic", lambda: times.now)
    connection = sender.connect()
    times.now += 20  # the connection is not young any more, and has time to confirm
    sender.send(b"1", b"2")
    sender.confirm(2)
    times.now += OVERTAKEN - 0.5
    sender.loop.run()
    assert connection.is_open
    times.now += 1
    sender.loop.run()
    assert not connection.is_open
