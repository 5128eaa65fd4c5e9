"""Journals and queues: the contract, and one module per implementation."""

from coffeeshop.errors import UsageError
from coffeeshop.transport.base import (
    REFUSED,
    BrokerNode,
    Consumer,
    Delivery,
    HasBrokerNodes,
    Message,
    Outcome,
    QueueDelivery,
    Reader,
    Transport,
    dropped_before,
    loss,
    refusal,
)
from coffeeshop.transport.subscription import JournalSubscription

__all__ = [
    "REFUSED",
    "BrokerNode",
    "Consumer",
    "Delivery",
    "HasBrokerNodes",
    "JournalSubscription",
    "Message",
    "Outcome",
    "QueueDelivery",
    "Reader",
    "Transport",
    "connect",
    "dropped_before",
    "loss",
    "redacted",
    "refusal",
]


def redacted(url: str) -> str:
    """A transport's URL as logs may show it: without password and options."""
    if url.startswith("memory:"):
        return url
    from coffeeshop.transport.rabbitmq.url import Address

    return Address.parse(url).redacted


def connect(url: str, *, name: str = "coffeeshop") -> Transport:
    """The transport of a URL: ``memory:``, or ``amqp://`` and ``amqps://`` for RabbitMQ.

    Connecting goes on behind the scenes; a broker that is not there yet is no error here. ``name``
    is what the broker's operators see. Raises `UsageError` for other URLs.
    """
    # Imported here so that neither mode pays for the other.
    if url.startswith("memory:"):
        from coffeeshop.transport.memory import MemoryTransport

        return MemoryTransport()
    if url.startswith(("amqp://", "amqps://")):
        from coffeeshop.transport.rabbitmq.transport import RabbitTransport

        return RabbitTransport(url, name=name)
    raise UsageError("a broker URL begins with memory:, amqp:// or amqps://")
