"""When a broker is trusted with streams, with answers made up by the test."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from pika.exceptions import ChannelClosedByBroker

from coffeeshop.transport.rabbitmq.commands import Command
from coffeeshop.transport.rabbitmq.readiness import MARKS, SECONDS, STREAM, BrokerReadiness
from tests.unit.fake_loop import FakeLoop

MISSING = ChannelClosedByBroker(404, "NOT_FOUND - no queue 'ctl.settled' in vhost '/'")
ABSENT = ChannelClosedByBroker(
    404, "NOT_FOUND - home node of durable queue is down or inaccessible"
)


class Broker:
    """Answers by name; an exception refuses."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []

    def ask(self, command: Command, on_answer: Callable[[Future[Any]], None]) -> None:
        self.asked.append(command.name)
        answer: Future[Any] = Future()
        said = self.answers.get(command.name)
        if isinstance(said, Exception):
            answer.set_exception(said)
        else:
            answer.set_result(said)
        on_answer(answer)


@pytest.fixture
def broker() -> Broker:
    return Broker()


def settling(
    broker: Broker, loop: FakeLoop, open_publishing: Callable[[], None] | None = None
) -> list[str]:
    """Connect; a list that says "settled" when it is."""
    said: list[str] = []
    made = BrokerReadiness(loop, broker, {}, open_publishing)  # type: ignore[arg-type]
    made.when(lambda: said.append("settled"))
    made.connection_up()
    return said


def test_a_broker_with_the_mark_is_trusted_at_once(broker: Broker) -> None:
    broker.answers[MARKS[0]] = True
    assert settling(broker, FakeLoop()) == ["settled"]


@pytest.mark.parametrize("mark", [MISSING, False])
def test_a_broker_without_the_mark_gets_a_stream_and_some_seconds_and_then_the_mark(
    broker: Broker, mark: object
) -> None:
    loop = FakeLoop()
    broker.answers[MARKS[0]] = mark
    said = settling(broker, loop)
    assert (said, broker.asked) == ([], [MARKS[0], STREAM])
    del broker.answers[MARKS[0]]
    assert loop.run() == [SECONDS]
    assert (said, broker.asked[2:]) == (["settled"], [MARKS[0]])


def test_while_the_marks_node_is_down_another_queue_holds_it(broker: Broker) -> None:
    broker.answers = {MARKS[0]: ABSENT, MARKS[1]: True}
    assert settling(broker, FakeLoop()) == ["settled"]


def test_a_link_that_must_not_publish_waits_and_has_another_leave_the_mark(broker: Broker) -> None:
    loop, opened = FakeLoop(), []
    broker.answers[MARKS[0]] = MISSING
    said = settling(broker, loop, lambda: opened.append("publishing"))
    assert opened == ["publishing"]
    loop.run()
    assert (said, broker.asked) == (["settled"], [MARKS[0], STREAM])


def test_with_the_nodes_of_all_marks_down_it_goes_on_after_some_seconds(broker: Broker) -> None:
    loop = FakeLoop()
    broker.answers = dict.fromkeys(MARKS, ABSENT)
    said = settling(broker, loop)
    assert said == []
    loop.run()
    assert said == ["settled"]
