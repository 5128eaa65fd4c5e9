"""What is asked of the broker: declaring, deleting, looking. `control` has it done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coffeeshop.transport.rabbitmq.connection import Channel, broker_version

REPLICAS = 3
"""Nodes that hold a queue, where there are as many."""
CONSUMER_TIMEOUT = 90_000_000
"""Milliseconds that a task may be under way: 25 hours, longer than a session may last."""
_MARK = {"x-queue-type": "classic", "x-max-length": 1}


@dataclass(frozen=True)
class Command:
    """One request. ``send`` makes it on a channel and calls its second argument with the answer."""

    send: Callable[[Channel, Callable[[Any], None]], None]
    name: str = ""
    """The queue or stream it is about, if it is about one."""
    about_queue: bool = False
    """Whether that is known to be a queue and no stream."""
    waits_for_absent: bool = True
    """Whether it is asked again while the broker does not have what it knows."""


def noop() -> Command:
    """Do nothing: it succeeds when a channel is open."""
    return Command(lambda _channel, done: done(None))


def server_properties() -> Command:
    """Answers what the broker says of itself."""
    return Command(lambda channel, done: done(dict(channel.connection.server_properties)))


def declare(name: str, arguments: dict[str, Any]) -> Command:
    """Declare a stream. Answers None."""
    return Command(
        lambda channel, done: channel.queue_declare(
            name, durable=True, arguments=arguments, callback=lambda _frame: done(None)
        ),
        name,
    )


def declare_queue(name: str) -> Command:
    """Declare a quorum queue with what this release of the broker knows. Answers None."""

    def send(channel: Channel, done: Callable[[Any], None]) -> None:
        arguments = queue_arguments(broker_version(channel))
        channel.queue_declare(
            name, durable=True, arguments=arguments, callback=lambda _frame: done(None)
        )

    return Command(send, name, about_queue=True)


def queue_arguments(version: tuple[int, int]) -> dict[str, Any]:
    """The arguments of a queue on that release of RabbitMQ.

    It has a majority of nodes behind what it confirms. A task may be handed out any number of
    times, and may be under way for as long as a session.
    """
    arguments: dict[str, Any] = {"x-queue-type": "quorum", "x-quorum-initial-group-size": REPLICAS}
    if version >= (4, 0):
        arguments["x-delivery-limit"] = -1  # before, there was none unless one asked for it
    if version >= (3, 12):
        arguments["x-consumer-timeout"] = CONSUMER_TIMEOUT  # before, in rabbitmq.conf only
    return arguments


def delete_if_idle(name: str) -> Command:
    """Delete a classic queue that has no consumer and no message; refused otherwise."""
    return Command(
        lambda channel, done: channel.queue_delete(
            name, if_unused=True, if_empty=True, callback=lambda _frame: done(None)
        ),
        name,
        about_queue=True,
    )


def attach(name: str) -> Command:
    """Begin to read a stream and stop at once. Answers None: there is more than a name."""

    def send(channel: Channel, done: Callable[[Any], None]) -> None:
        def leave(attached: Any) -> None:
            channel.basic_cancel(attached.method.consumer_tag, lambda _frame: done(None))

        channel.basic_qos(prefetch_count=1)  # the broker asks for one
        channel.basic_consume(name, _ignore, arguments={"x-stream-offset": "next"}, callback=leave)

    return Command(send, name)


def then(first: Command, second: Command) -> Command:
    """Both, about the same name; the answer is that of the second."""
    return Command(
        lambda channel, done: first.send(channel, lambda _answer: second.send(channel, done)),
        first.name,
    )


def _ignore(*_delivery: Any) -> None:
    """What is appended at this very moment is not for us; a stream keeps it."""


def exists(name: str) -> Command:
    """Answers None when a queue or stream is there; refused as missing otherwise."""
    return Command(
        lambda channel, done: channel.queue_declare(
            name, passive=True, callback=lambda _frame: done(None)
        ),
        name,
    )


def mark_is_left(name: str) -> Command:
    """Answers whether there is a message in a queue; refused as missing or absent otherwise."""
    return Command(
        lambda channel, done: channel.queue_declare(
            name, passive=True, callback=lambda frame: done(frame.method.message_count > 0)
        ),
        name,
        about_queue=True,
        waits_for_absent=False,
    )


def leave_mark(name: str) -> Command:
    """Put a message into a queue that does not survive a restart of the queue's node.

    The connection has published by that: see `transport` for what that means. Answers None.
    """

    def send(channel: Channel, done: Callable[[Any], None]) -> None:
        def publish(_frame: Any) -> None:
            channel.basic_publish("", name, b"")
            done(None)

        channel.queue_declare(name, durable=True, arguments=_MARK, callback=publish)

    return Command(send, name, about_queue=True, waits_for_absent=False)


def delete(name: str) -> Command:
    """Delete a queue or stream, if it exists. Answers None."""
    return Command(
        lambda channel, done: channel.queue_delete(name, callback=lambda _frame: done(None)), name
    )
