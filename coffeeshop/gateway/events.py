"""A session's out journal as server-sent events. An event's id is its record's offset."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from coffeeshop.errors import CoffeeshopError
from coffeeshop.gateway.results import Failed, ResultFold
from coffeeshop.messages import Record, SessionSpec, out_journal
from coffeeshop.transport import Delivery, Transport

CREDIT = 16
LOOK_UP = 1.0
"""Seconds after which a waiting stream looks whether it is to end."""
KEEPALIVE = 10.0
"""Seconds of silence after which a comment shows that the connection lives."""


class Narrator:
    """Records of an out journal in, events out; pure, so every replica tells the same story."""

    def __init__(self, spec: SessionSpec) -> None:
        self._fold = ResultFold(spec, keep=())
        self._told: set[str] = set()

    @property
    def ended(self) -> bool:
        """Whether the terminal event was told."""
        return self._fold.terminal is not None

    def tell(self, record: Record) -> list[tuple[str, dict[str, Any]]]:
        """The events, by name and data, that this record brings."""
        if self.ended:
            return []
        if record.kind == "note":
            return [(record.stream, json.loads(record.body))]
        try:
            terminal = self._fold.feed(record)
        except (CoffeeshopError, KeyError) as error:
            terminal = self._fold.terminal = Failed(f"the results make no sense: {error}")
        new = [query for query in self._fold.complete if query not in self._told]
        self._told.update(new)
        found: list[tuple[str, dict[str, Any]]] = [("result", {"query": query}) for query in new]
        if isinstance(terminal, Failed):
            found.append((terminal.state, {"reason": terminal.reason}))
        elif terminal is not None:
            found.append(("completed", {}))
        return found


async def event_stream(
    transport: Transport, spec: SessionSpec, after: int, stopping: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """The events of the records behind offset ``after``, until the terminal one.

    Ends early when ``stopping`` says so: the client goes on at another replica.
    """
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[Delivery | None] = asyncio.Queue()

    def put(delivery: Delivery | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(heard.put_nowait, delivery)

    narrator = Narrator(spec)
    reader = transport.read(out_journal(spec.id), 0, CREDIT, put, lambda: put(None))
    try:
        yield b"retry: 1000\n\n"
        silent = 0.0
        while not narrator.ended and not stopping():
            try:
                delivery = await asyncio.wait_for(heard.get(), LOOK_UP)
            except TimeoutError:
                silent += LOOK_UP
                if silent >= KEEPALIVE:
                    silent = 0.0
                    yield b": nothing new\n\n"
                continue
            if delivery is None:
                yield _event("expired", {}, None)
                return
            events = narrator.tell(Record.of(delivery.message))
            if delivery.offset > after and events:
                yield _events(events, delivery.offset)
            reader.credit(1)
    finally:
        reader.close()


def _events(events: list[tuple[str, dict[str, Any]]], offset: int) -> bytes:
    # Only the last event of a record has its id: whoever resumes after it has seen them all.
    last = len(events) - 1
    return b"".join(
        _event(name, data, offset if number == last else None)
        for number, (name, data) in enumerate(events)
    )


def _event(name: str, data: dict[str, Any], offset: int | None) -> bytes:
    number = "" if offset is None else f"id: {offset}\n"
    return f"event: {name}\n{number}data: {json.dumps(data, sort_keys=True)}\n\n".encode()
