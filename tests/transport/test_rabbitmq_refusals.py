"""What a broker refuses for as long as nobody changes something there: said once, in its words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest

from coffeeshop.errors import BrokerRefuses
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.transport import Message, Outcome, refusal
from coffeeshop.transport.rabbitmq.transport import RabbitTransport
from tests.transport.heard import PATIENCE, Bench, Heard

SMALL, LARGE = 1_000, 60_000


def refused(url: str) -> str:
    transport = RabbitTransport(url)
    try:
        with pytest.raises(BrokerRefuses) as found:
            transport.wait_connected(PATIENCE)
        return str(found.value)
    finally:
        transport.close()


def test_a_virtual_host_that_is_not_there_is_named(broker: PrivateBroker) -> None:
    said = refused(f"{broker.url}nope")
    assert "has no virtual host 'nope': make it with `rabbitmqctl add_vhost nope`" in said
    assert "password" not in said


def test_a_virtual_host_that_the_user_may_not_enter_is_named(broker: PrivateBroker) -> None:
    broker.rabbitmqctl("add_vhost", "closed")
    try:
        said = refused(f"{broker.url}closed")
    finally:
        broker.rabbitmqctl("delete_vhost", "closed")
    assert "does not let the user 'guest' into the virtual host 'closed'" in said
    assert "set_permissions --vhost closed guest" in said


def test_a_wrong_password_is_a_wrong_password(broker: PrivateBroker) -> None:
    assert "refuses the user or password" in refused(broker.url.replace("guest:guest", "guest:no"))


@pytest.fixture
def limited(broker: PrivateBroker) -> Iterator[str]:
    """The URL of a user who may declare and read, and write to no exchange."""
    name = f"limited-{uuid4().hex[:8]}"
    broker.rabbitmqctl("add_user", name, "word")
    broker.rabbitmqctl("set_permissions", name, "^(ctl|test)", "^ctl", "^(ctl|test)")
    yield broker.url.replace("guest:guest", f"{name}:word")
    broker.rabbitmqctl("delete_user", name)


def test_what_a_user_may_not_do_is_refused_at_once_and_not_tried_again(limited: str) -> None:
    transport = RabbitTransport(limited)
    heard: Heard[Outcome] = Heard()
    try:
        with pytest.raises(BrokerRefuses, match=r"(?s)other.*set_permissions gives the permission"):
            transport.declare_journal("other")
        transport.declare_journal("test.limited")
        for _ in range(3):
            transport.append("test.limited", Message(), heard)
        assert heard.first(3) == [Outcome.FORBIDDEN] * 3
        transport.delete_journal("test.limited")
    finally:
        transport.close()
    said = refusal(Outcome.FORBIDDEN, "test.limited", Message())
    assert "write to the exchange amq.default" in said


def told(heard: Heard[tuple[int, Outcome]], size: int, outcome: Outcome) -> None:
    heard((size, outcome))


@pytest.fixture
def narrow(broker: PrivateBroker) -> Iterator[PrivateBroker]:
    """A broker that takes small messages only."""
    setting = "application:set_env(rabbit, max_message_size, {})."
    before = broker.rabbitmqctl("eval", "application:get_env(rabbit, max_message_size).")
    broker.rabbitmqctl("eval", setting.format(SMALL * 10))
    yield broker
    found = re.search(r"\d+", before)
    broker.rabbitmqctl("eval", setting.format(found[0] if found else 134217728))


def test_a_message_that_is_too_large_is_refused_and_no_other_is(narrow: PrivateBroker) -> None:
    made = Bench(RabbitTransport(narrow.url))
    try:
        journal = made.journal()
        heard: Heard[tuple[int, Outcome]] = Heard()
        sizes = [SMALL, LARGE, SMALL, LARGE, SMALL]
        for size in sizes:
            message = Message({}, b"x" * size)
            made.transport.append(
                journal, message, lambda outcome, size=size: heard((size, outcome))
            )  # type: ignore[misc]
        ended = heard.first(len(sizes))
        assert {outcome for size, outcome in ended if size == LARGE} == {Outcome.TOO_LARGE}
        assert {o for size, o in ended if size == SMALL} <= {Outcome.CONFIRMED, Outcome.UNKNOWN}
        made.append(journal, b"x" * SMALL)  # the channel is there again
    finally:
        made.transport.close()
    said = refusal(Outcome.TOO_LARGE, journal, Message({}, b"x" * LARGE))
    assert "60,000 bytes" in said
    assert "max_message_size" in said
