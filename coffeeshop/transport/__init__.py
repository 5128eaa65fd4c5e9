"""Journals and queues: the contract, and one module per implementation."""

from coffeeshop.transport.base import (
    Consumer,
    Delivery,
    Handed,
    Message,
    Outcome,
    Reader,
    Transport,
)

__all__ = ["Consumer", "Delivery", "Handed", "Message", "Outcome", "Reader", "Transport"]
