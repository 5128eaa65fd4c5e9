"""Whom the control connection blames when a broker breaks it, with a broker made of lists."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker, StreamLostError

from coffeeshop.errors import JournalBroken, Unreachable
from coffeeshop.transport.rabbitmq.commands import (
    attach,
    declare,
    delete,
    delete_if_idle,
    exists,
    mark_is_left,
    queue_arguments,
    then,
)
from coffeeshop.transport.rabbitmq.connection import broker_version
from coffeeshop.transport.rabbitmq.control import (
    ABSENT_PATIENCE,
    ISOLATION,
    PERIOD,
    UNANSWERED,
    Control,
)
from tests.unit.fake_loop import FakeLoop

ABSENT = ChannelClosedByBroker(404, "NOT_FOUND - home node of queue 'a' is down or inaccessible")
HERE = "PRECONDITION_FAILED - queue 'a' in vhost '/' does not have a replica on the local node"
NO_REPLICA = ChannelClosedByBroker(406, HERE)
OTHERWISE = ChannelClosedByBroker(406, "PRECONDITION_FAILED - inequivalent arg 'x-max-age'")
NAMELESS = ConnectionClosedByBroker(541, "INTERNAL_ERROR")


class FakeChannel:
    """Keeps the question it was asked."""

    def __init__(self, asked: dict[str, FakeChannel]) -> None:
        self.is_open = True
        self.callback: Any = None
        self._asked = asked
        self._on_closed: Callable[[Any, BaseException], None] = lambda *_: None

    def add_on_close_callback(self, call: Callable[[Any, BaseException], None]) -> None:
        self._on_closed = call

    def queue_declare(self, name: str, *, callback: Any, **_: Any) -> None:
        self.callback = callback
        self._asked[name] = self

    queue_delete = queue_declare

    def close(self, reason: BaseException) -> None:
        self.is_open = False
        self._on_closed(self, reason)


class Bench:
    """A control on a fake connection: what is asked, and what came of it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.loop = FakeLoop()
        self.asked: dict[str, FakeChannel] = {}
        self.ended: dict[str, Future[Any]] = {}
        self.link: Any = SimpleNamespace(
            connection=None,
            refusal=None,
            loss=None,
            abort=lambda reason: self.lose(reason),
            address="one",
            hosts=1,
        )
        self.blocked = False
        self.control = Control(
            self.loop,  # type: ignore[arg-type]
            self.link,
            lambda: self.now,
            lambda: self.blocked,
        )
        self.connect()

    def connect(self) -> None:
        opened: list[tuple[Callable[[Any], None], FakeChannel]] = []

        def channel(on_open_callback: Callable[[Any], None]) -> FakeChannel:
            made = FakeChannel(self.asked)
            opened.append((on_open_callback, made))
            return made

        self.asked.clear()
        self.link.connection = SimpleNamespace(is_open=True, channel=channel)
        self._opened = opened
        self.control.connection_up(self.link.connection)
        self._turn()

    def _turn(self) -> None:
        while self._opened:
            call, made = self._opened.pop(0)
            call(made)

    def ask(self, *names: str) -> None:
        for name in names:
            self.control.ask(delete(name), lambda done, n=name: self.ended.update({n: done}))
        self._turn()

    def answer(self, name: str) -> None:
        self.asked.pop(name).callback(None)
        self._turn()

    def refuse(self, name: str, reason: BaseException) -> None:
        self.asked.pop(name).close(reason)
        self._turn()

    def lose(self, reason: BaseException) -> None:
        self.link.connection, self.link.loss = None, reason
        self.control.connection_down()
        self.connect()

    def waited(self) -> list[float]:
        """What was to come after so many seconds comes now, beside the look for answers."""
        return [seconds for seconds in self.loop.run() if seconds != PERIOD]

    def broken(self, name: str) -> bool:
        return isinstance(self.ended[name].exception(0), JournalBroken)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_call_alone_on_a_connection_is_to_blame_for_its_end(bench: Bench) -> None:
    bench.ask("a")
    bench.lose(NAMELESS)
    assert bench.broken("a")
    assert not bench.asked


def test_a_connection_lost_for_another_reason_is_nobodys_fault(bench: Bench) -> None:
    bench.ask("a")
    bench.lose(StreamLostError("gone"))
    assert set(bench.asked) == {"a"}
    bench.answer("a")
    assert bench.ended["a"].exception(0) is None


def test_the_call_that_the_broker_names_is_to_blame_and_no_other(bench: Bench) -> None:
    bench.ask("a", "b", "c")
    bench.lose(ConnectionClosedByBroker(541, "INTERNAL_ERROR - Cannot delete queue 'b' in vhost"))
    assert bench.broken("b")
    assert set(bench.asked) == {"a", "c"}


def test_a_connection_that_owes_an_answer_for_too_long_is_dropped(bench: Bench) -> None:
    bench.ask("a")
    bench.now = UNANSWERED / 2
    bench.ask("b")
    bench.loop.run()
    first = bench.link.connection
    bench.now = UNANSWERED + 1
    bench.loop.run()
    assert bench.link.connection is not first
    assert set(bench.asked) == {"a", "b"}  # again, and no stream is to blame
    bench.answer("a")
    bench.answer("b")
    bench.now *= 3
    second = bench.link.connection
    bench.loop.run()
    assert bench.link.connection is second


def test_a_connection_that_an_alarm_blocks_owes_no_answer(bench: Bench) -> None:
    bench.ask("a")
    first = bench.link.connection
    bench.blocked = True
    bench.now = 10 * UNANSWERED
    bench.loop.run()
    bench.blocked = False
    bench.now += UNANSWERED / 2
    bench.loop.run()
    assert bench.link.connection is first
    bench.now += UNANSWERED
    bench.loop.run()
    assert bench.link.connection is not first


def test_of_several_suspects_each_is_asked_alone_and_then_the_others(bench: Bench) -> None:
    bench.ask("a", "b", "c")
    bench.lose(NAMELESS)
    bench.ask("later")
    assert set(bench.asked) == {"a"}
    bench.answer("a")
    assert set(bench.asked) == {"b"}
    bench.lose(NAMELESS)
    assert bench.broken("b")
    assert set(bench.asked) == {"c"}
    bench.answer("c")
    assert set(bench.asked) == {"later"}


def test_a_suspect_waits_for_those_that_are_under_way(bench: Bench) -> None:
    bench.ask("a", "b")
    bench.lose(NAMELESS)
    bench.answer("a")
    bench.lose(StreamLostError("gone"))
    bench.ask("c")
    assert set(bench.asked) == {"b"}


def test_a_suspect_without_an_answer_holds_up_the_others_for_a_moment_only(bench: Bench) -> None:
    bench.ask("a", "b", "c")
    bench.lose(NAMELESS)
    assert set(bench.asked) == {"a"}
    assert bench.waited() == [ISOLATION]
    bench._turn()
    assert set(bench.asked) == {"a"}  # b is isolated, and does not go beside another call
    bench.answer("a")
    assert set(bench.asked) == {"b"}


def test_what_the_broker_does_not_have_is_asked_again_ever_more_slowly(bench: Bench) -> None:
    bench.ask("a")
    waits = []
    for _ in range(6):
        bench.refuse("a", ABSENT)
        waits += bench.waited()
        bench._turn()
    wholes = [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert all(whole / 2 <= delay <= whole for delay, whole in zip(waits, wholes, strict=True))
    bench.answer("a")
    assert bench.ended["a"].exception(0) is None


@pytest.mark.parametrize("words", [ABSENT, NO_REPLICA])
def test_what_the_broker_does_not_have_for_long_is_broken(
    bench: Bench, words: BaseException
) -> None:
    bench.ask("a")
    bench.refuse("a", words)
    bench.loop.run()
    bench._turn()
    bench.now = ABSENT_PATIENCE + 1
    bench.refuse("a", words)
    assert bench.broken("a")


def test_what_a_node_has_no_copy_of_is_asked_of_each_before_it_is_broken(bench: Bench) -> None:
    bench.link.hosts = 2
    bench.ask("a")
    for node in ("one", "two"):
        bench.link.address = node
        bench.refuse("a", NO_REPLICA)
        bench.loop.run()
        bench._turn()
        bench.now += ABSENT_PATIENCE / 2 + 1
        assert "a" not in bench.ended
        bench.refuse("a", NO_REPLICA)
        bench.loop.run()
        bench._turn()
    assert bench.broken("a")


def test_a_queue_whose_node_is_down_for_long_is_unreachable_and_no_broken_journal(
    bench: Bench,
) -> None:
    bench.control.ask(delete_if_idle("a"), lambda done: bench.ended.update({"a": done}))
    bench._turn()
    bench.refuse("a", ABSENT)
    bench.loop.run()
    bench._turn()
    bench.now = ABSENT_PATIENCE + 1
    bench.refuse("a", ABSENT)
    said = bench.ended["a"].exception(0)
    assert isinstance(said, Unreachable)
    assert "node that has the queue a is down" in str(said)


def test_that_a_marks_node_is_down_is_an_answer(bench: Bench) -> None:
    bench.control.ask(mark_is_left("a"), lambda done: bench.ended.update({"a": done}))
    bench._turn()
    bench.refuse("a", ABSENT)
    assert bench.ended["a"].exception(0) is ABSENT


@pytest.mark.parametrize(
    ("version", "limits"),
    [
        ((3, 10), {}),
        ((3, 12), {"x-consumer-timeout": 90_000_000}),
        ((4, 1), {"x-consumer-timeout": 90_000_000, "x-delivery-limit": -1}),
    ],
)
def test_a_queue_gets_the_arguments_that_its_broker_knows(
    version: tuple[int, int], limits: dict[str, int]
) -> None:
    quorum = {"x-queue-type": "quorum", "x-quorum-initial-group-size": 3}
    assert queue_arguments(version) == {**quorum, **limits}


@pytest.mark.parametrize(
    ("said", "version"), [("3.10.8", (3, 10)), ("4.3.0-rc.1", (4, 3)), ("", (0, 0))]
)
def test_the_release_of_a_broker_is_read_from_its_greeting(
    said: str, version: tuple[int, int]
) -> None:
    connection = SimpleNamespace(server_properties={"version": said})
    assert broker_version(SimpleNamespace(connection=connection)) == version


def test_another_refusal_is_an_answer(bench: Bench) -> None:
    bench.ask("a")
    bench.refuse("a", OTHERWISE)
    assert bench.ended["a"].exception(0) is OTHERWISE


def test_a_broker_that_has_restarted_gets_all_the_time_again(bench: Bench) -> None:
    bench.ask("a")
    bench.refuse("a", ABSENT)
    bench.loop.run()
    bench._turn()
    bench.lose(StreamLostError("gone"))
    bench.now = ABSENT_PATIENCE + 1
    bench.refuse("a", ABSENT)
    assert bench.ended == {}


def test_the_question_whether_something_exists_has_its_name_too() -> None:
    assert exists("a").name == delete("a").name == "a"


class Recorded:
    """A channel that answers nothing by itself."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.callbacks: list[Callable[[Any], None]] = []

    def basic_qos(self, prefetch_count: int) -> None:
        self.calls.append(("qos", prefetch_count))

    def basic_consume(self, name: str, _on: Any, arguments: Any, callback: Any) -> None:
        self.calls.append((name, arguments))
        self.callbacks.append(callback)

    def basic_cancel(self, tag: str, callback: Any) -> None:
        self.calls.append(("cancel", tag))
        self.callbacks.append(callback)

    def queue_declare(self, name: str, *, callback: Any, **_: Any) -> None:
        self.calls.append(("declare", name))
        self.callbacks.append(callback)


def test_a_declared_stream_is_read_and_left_before_it_is_believed() -> None:
    channel = Recorded()
    answers: list[Any] = []
    command = then(declare("a", {}), attach("a"))
    assert command.name == "a"
    command.send(channel, answers.append)  # type: ignore[arg-type]
    assert channel.calls == [("declare", "a")]
    channel.callbacks.pop()(None)
    assert channel.calls[1:] == [("qos", 1), ("a", {"x-stream-offset": "next"})]
    channel.callbacks.pop()(SimpleNamespace(method=SimpleNamespace(consumer_tag="t")))
    assert channel.calls[3:] == [("cancel", "t")]
    assert answers == []
    channel.callbacks.pop()(None)
    assert answers == [None]
