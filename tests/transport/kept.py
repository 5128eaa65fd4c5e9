"""What a transport in memory holds, seen past any wrapper around it."""

from __future__ import annotations

from coffeeshop.transport import Message, Outcome
from coffeeshop.transport.memory import MemoryTransport
from tests.transport.heard import Bench, Heard


def stored(memory: MemoryTransport, journal: str) -> list[bytes]:
    with memory.lock:
        held = memory.journals[journal]
        return [held.message(offset).body for offset in range(len(held.entries))]


def waiting(memory: MemoryTransport, queue: str) -> list[bytes]:
    with memory.lock:
        return [message.body for message in memory.queues.waiting(queue)]


def published(bench: Bench, queue: str, *bodies: bytes) -> list[Outcome]:
    heard: Heard[Outcome] = Heard()
    for body in bodies:
        bench.transport.publish(queue, Message({}, body), heard)
    return heard.first(len(bodies))
