"""When readers and consumers attach anew, on connections made of nothing."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from pika.exceptions import ChannelClosedByBroker

from coffeeshop.transport.rabbitmq import absence, subscription
from coffeeshop.transport.rabbitmq.consumer import RabbitConsumer
from coffeeshop.transport.rabbitmq.isolation import Isolation
from coffeeshop.transport.rabbitmq.reader import RabbitReader
from coffeeshop.transport.rabbitmq.reconnecting import ConnectionPool
from coffeeshop.transport.rabbitmq.renewal import MOST, Renewal
from coffeeshop.transport.rabbitmq.subscription import OFFSET, SLOW
from coffeeshop.transport.rabbitmq.url import Address
from tests.unit.fake_loop import FakeLoop

QUIET = 20.0
NO_COPY = ChannelClosedByBroker(
    406, "PRECONDITION_FAILED - queue 'j' in vhost '/' does not have a replica on the local node"
)


class FakeChannel:
    """Keeps what it is asked; opens and answers when told."""

    def __init__(self, on_open: Callable[[Any], None]) -> None:
        self.is_open = self.is_closing = self.is_closed = False
        self.asked: dict[str, Any] = {}
        self._on_open = on_open
        self._on_closed: Callable[[Any, BaseException], None] = lambda *_: None

    def add_on_close_callback(self, call: Callable[[Any, BaseException], None]) -> None:
        self._on_closed = call

    def add_on_cancel_callback(self, call: Callable[[Any], None]) -> None:
        self.cancel = call

    def basic_qos(self, *, prefetch_count: int) -> None:
        self.asked["prefetch"] = prefetch_count

    def basic_consume(
        self, _queue: str, on_message: Any, *, arguments: dict[str, Any], callback: Any
    ) -> str:
        self.asked["offset"] = arguments.get(OFFSET)
        self._on_message, self._answered = on_message, callback
        return "name"

    def basic_ack(self, *_: Any, **__: Any) -> None:
        pass

    def basic_cancel(self, _name: str) -> None:
        pass

    def open(self, *, answers: bool = True) -> None:
        self.is_open = True
        self._on_open(self)
        if answers:
            self._answered(None)

    def deliver(self, tag: int) -> None:
        properties = SimpleNamespace(headers={OFFSET: tag - 1})
        self._on_message(self, SimpleNamespace(delivery_tag=tag), properties, b"")

    def close(self) -> None:
        self.is_closed, self.is_open = True, False

    def refuse(self, reason: BaseException) -> None:
        self.close()
        self._on_closed(self, reason)


class FakeLink:
    """A connection that is open."""

    hosts = 3

    def __init__(self, channels: list[FakeChannel], address: Address) -> None:
        self.connection = SimpleNamespace(is_open=True, channel=self._channel, most_channels=9)
        self.listeners: set[Any] = set()
        self.loss = None
        self.address = address
        self._channels = channels

    def open(self) -> None:
        pass

    def is_apart(self, other: FakeLink) -> bool:
        return other.address != self.address

    def begin_elsewhere(self, address: Address) -> None:
        hosts = Address.parse("amqp://one,two").each()
        self.address = next(each for each in hosts if each != address)

    def _channel(self, on_open_callback: Callable[[Any], None]) -> FakeChannel:
        self._channels.append(FakeChannel(on_open_callback))
        return self._channels[-1]


class Posting(FakeLoop):
    """Makes calls at once."""

    def post(self, call: Callable[[], None]) -> bool:
        call()
        return True


class Bench:
    """Subscriptions, the channels that they opened, and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        clock = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr(subscription, "time", clock)
        self.loop: Any = Posting()
        self.channels: list[FakeChannel] = []
        self.address = Address.parse("amqp://one,two").each()[0]
        self.pool = ConnectionPool(lambda _: FakeLink(self.channels, self.address))  # type: ignore[arg-type,return-value]
        self.isolation = Isolation(lambda: FakeLink(self.channels, self.address))  # type: ignore[arg-type,return-value]

    def reader(self, credit: int) -> RabbitReader:
        made = RabbitReader(
            self.loop,
            self.pool,
            self.isolation,
            "j",
            0,
            credit,
            on_delivery=lambda _: None,
            on_gone=lambda: None,
        )
        made.start()
        return made

    def consumer(self) -> tuple[RabbitConsumer, list[int]]:
        tags: list[int] = []
        made = RabbitConsumer(
            self.loop,
            self.pool,
            self.isolation,
            "q",
            8,
            lambda handed: tags.append(handed.tag),
            lambda: None,
        )
        made.start()
        return made, tags


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_a_reader_with_credit_is_due_so_long_after_its_last_delivery(bench: Bench) -> None:
    reader = bench.reader(credit=2)
    bench.channels[0].open()
    assert reader.due_since(QUIET) == bench.now + QUIET
    bench.now += 5
    bench.channels[0].deliver(1)
    assert reader.due_since(QUIET) == bench.now + QUIET


def test_a_reader_without_credit_is_not_due_and_waits_from_when_it_has_some(bench: Bench) -> None:
    reader = bench.reader(credit=1)
    bench.channels[0].open()
    bench.channels[0].deliver(1)
    assert reader.due_since(QUIET) is None
    bench.now += 100
    reader.credit(1)
    assert reader.due_since(QUIET) == bench.now + QUIET


def test_a_renewed_reader_goes_on_where_it_was_on_another_channel(bench: Bench) -> None:
    reader = bench.reader(credit=8)
    first = bench.channels[0]
    first.open()
    first.deliver(1)
    first.deliver(2)
    reader.renew()
    assert first.is_closed
    _, second = bench.channels
    second.open()
    assert second.asked == {"prefetch": 8, "offset": 2}
    first.cancel(None)  # late words of a channel that is left
    assert not second.is_closed


def test_who_is_not_answered_is_due_later(bench: Bench) -> None:
    reader = bench.reader(credit=1)
    assert reader.due_since(QUIET) == bench.now + SLOW * QUIET
    bench.channels[0].open(answers=False)
    assert reader.due_since(QUIET) == bench.now + SLOW * QUIET


def test_who_is_not_answered_alone_lets_the_others_attach(bench: Bench) -> None:
    first, second = bench.reader(credit=1), bench.reader(credit=1)
    for each in (first, second):
        each.connection_down()
        bench.isolation.enter(each)
    assert bench.isolation.holds(first)
    first.renew()
    assert bench.isolation.holds(second)


def test_a_consumer_is_due_when_it_holds_nothing_and_takes_more(bench: Bench) -> None:
    consumer, tags = bench.consumer()
    bench.channels[0].open()
    assert consumer.due_since(QUIET) == bench.now + QUIET
    bench.channels[0].deliver(1)
    assert consumer.due_since(QUIET) is None
    bench.now += 100
    consumer.ack(tags[0])
    assert consumer.due_since(QUIET) == bench.now + QUIET
    consumer.stop_taking()
    assert consumer.due_since(QUIET) is None


def test_who_is_closed_or_waits_for_a_connection_is_not_due(bench: Bench) -> None:
    closed, lost = bench.reader(credit=1), bench.reader(credit=1)
    for channel in bench.channels:
        channel.open()
    closed.close()
    lost.connection_down()
    assert [each.due_since(QUIET) for each in (closed, lost)] == [None, None]


def test_a_stream_of_which_its_node_has_no_copy_is_read_at_another(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absence.Absence, "__init__", with_clock(lambda: bench.now))
    reader = bench.reader(credit=1)
    bench.channels[-1].open(answers=False)
    bench.channels[-1].refuse(NO_COPY)
    assert len(bench.pool.links) == 1
    bench.loop.run()  # it tries again there
    bench.now += absence.ELSEWHERE + 1
    bench.channels[-1].open(answers=False)
    bench.channels[-1].refuse(NO_COPY)
    there, elsewhere = bench.pool.links
    assert (there.listeners, elsewhere.listeners) == (set(), {reader})
    assert there.address != elsewhere.address


def with_clock(now: Callable[[], float]) -> Callable[..., None]:
    init = absence.Absence.__init__
    return lambda self, name: init(self, name, now)


class Waiting:
    """Something that is due at a moment."""

    def __init__(self, since: float | None, renewed: list[float]) -> None:
        self._since = since
        self._renewed = renewed

    def due_since(self, quiet: float) -> float | None:
        assert quiet == QUIET
        return self._since

    def renew(self) -> None:
        assert self._since is not None
        self._renewed.append(self._since)


def test_those_that_are_quiet_for_longest_come_first_and_not_all_at_once() -> None:
    loop = FakeLoop()
    renewed: list[float] = []
    moments = [*range(2 * MOST, 0, -1), None]
    waiting = [Waiting(since, renewed) for since in moments]
    Renewal(loop, lambda: waiting, QUIET, lambda: MOST + 5).start()  # type: ignore[arg-type]
    loop.run()
    assert renewed == list(range(1, MOST + 1))
    loop.run()
    assert len(renewed) == 2 * MOST


def test_what_is_not_due_is_left_alone() -> None:
    loop = FakeLoop()
    renewed: list[float] = []
    waiting = [Waiting(10.5, renewed)]
    Renewal(loop, lambda: waiting, QUIET, lambda: 10.0).start()  # type: ignore[arg-type]
    loop.run()
    assert renewed == []
