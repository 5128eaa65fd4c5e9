"""What is asked of the broker: declaring, deleting, looking. `rabbitmq_control` has it done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coffeeshop.transport.rabbitmq_wire import Channel


@dataclass(frozen=True)
class Act:
    """One request. ``send`` makes it on a channel and calls its second argument with the answer."""

    send: Callable[[Channel, Callable[[Any], None]], None]
    name: str = ""
    """The queue or stream it is about, if it is about one."""


def look() -> Act:
    """Do nothing: it succeeds when a channel is open."""
    return Act(lambda _channel, done: done(None))


def declare(name: str, arguments: dict[str, Any]) -> Act:
    """Declare a durable queue or stream. Answers None."""
    return Act(
        lambda channel, done: channel.queue_declare(
            name, durable=True, arguments=arguments, callback=lambda _frame: done(None)
        ),
        name,
    )


def attach(name: str) -> Act:
    """Begin to read a stream and stop at once. Answers None: there is more than a name."""

    def send(channel: Channel, done: Callable[[Any], None]) -> None:
        def leave(attached: Any) -> None:
            channel.basic_cancel(attached.method.consumer_tag, lambda _frame: done(None))

        channel.basic_qos(prefetch_count=1)  # the broker asks for one
        channel.basic_consume(name, _ignore, arguments={"x-stream-offset": "next"}, callback=leave)

    return Act(send, name)


def then(first: Act, second: Act) -> Act:
    """Both, about the same name; the answer is that of the second."""
    return Act(
        lambda channel, done: first.send(channel, lambda _answer: second.send(channel, done)),
        first.name,
    )


def _ignore(*_delivery: Any) -> None:
    """What is appended at this very moment is not for us; a stream keeps it."""


def exists(name: str) -> Act:
    """Answers None when a queue or stream is there; refused as missing otherwise."""
    return Act(
        lambda channel, done: channel.queue_declare(
            name, passive=True, callback=lambda _frame: done(None)
        ),
        name,
    )


def declare_exchange(name: str) -> Act:
    """Declare an exchange that does not survive a restart of the broker. Answers None."""
    return Act(
        lambda channel, done: channel.exchange_declare(
            name, "fanout", durable=False, callback=lambda _frame: done(None)
        )
    )


def exchange_exists(name: str) -> Act:
    """Answers None when an exchange is there; refused as missing otherwise."""
    return Act(
        lambda channel, done: channel.exchange_declare(
            name, passive=True, callback=lambda _frame: done(None)
        )
    )


def delete(name: str) -> Act:
    """Delete a queue or stream, if it exists. Answers None."""
    return Act(
        lambda channel, done: channel.queue_delete(name, callback=lambda _frame: done(None)), name
    )
