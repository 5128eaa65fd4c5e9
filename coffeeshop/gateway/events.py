"""A session's out journal as server-sent events. An event's id is its record's offset."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any

from coffeeshop.crashpoints import crash_point
from coffeeshop.errors import CodecError, CoffeeshopError
from coffeeshop.gateway.answers import probe
from coffeeshop.gateway.state import without_workers
from coffeeshop.pipeline.messages import Record, SessionSpec, out_journal
from coffeeshop.sessions.results import PROBE, Failed, ResultFold, Terminal
from coffeeshop.transport import Delivery, Message, Transport, dropped_before, loss

CREDIT = 16
LOOK_UP = 0.5
"""Seconds after which a waiting stream looks whether it is to end."""
PROBE_AFTER = 2.0
"""Seconds without any record of a session that has ended: see `probe`."""
KEEPALIVE = 10.0
"""Seconds of silence after which a comment shows that the connection lives."""

Event = tuple[str, dict[str, Any]]
"""Name and data."""


class Narrator:
    """Messages of an out journal in, events out; pure, so every replica tells the same story."""

    def __init__(self, spec: SessionSpec) -> None:
        self._fold = ResultFold(spec, keep=())
        self._told: set[str] = set()

    @property
    def ended(self) -> bool:
        """Whether the terminal event was told."""
        return self._fold.terminal is not None

    def tell(self, message: Message) -> list[Event]:
        """The events that this message brings."""
        if self.ended:
            return []
        try:
            record = Record.of(message)
            if record.kind == "note":
                return _note(record) if record.stream != PROBE else []
            terminal = self._fold.feed(record)
        except (CoffeeshopError, KeyError) as error:
            terminal = self._fold.terminal = Failed(f"the results cannot be read: {error}")
            return _end(terminal)
        new = [query for query in self._fold.complete if query not in self._told]
        self._told.update(new)
        dated = {} if record.at is None else {"at": record.at}
        return [("result", {"query": query, **dated}) for query in new] + _end(terminal)


def _note(record: Record) -> list[Event]:
    try:
        data = json.loads(record.body)
    except ValueError as error:
        raise CodecError(f"not a note: {error}") from error
    return [(record.stream, data)]


def _end(terminal: Terminal | None) -> list[Event]:
    if terminal is None:
        return []
    if isinstance(terminal, Failed):
        return [(terminal.state, {"reason": terminal.reason})]
    return [("completed", {})]


async def event_stream(
    transport: Transport,
    spec: SessionSpec,
    after: int,
    stopping: Callable[[], bool],
    last_word: Callable[[], Awaitable[Event]],
    has_ended: Callable[[], bool] = lambda: False,
    waits_for: Callable[[], list[str]] = list,
) -> AsyncGenerator[bytes, None]:
    """The events of the records behind offset ``after``, until the terminal one.

    A journal that lost records ends in ``failed``, with that reason.

    Ends early when ``stopping`` says so: the client goes on at another replica. When the journal
    is gone ``last_word`` says the event to end with. While ``waits_for`` names stages that no node
    runs, an event ``waiting`` says so, then one ``working`` that they are run; these have no id.
    """
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[tuple[bytes, bool] | None] = asyncio.Queue()
    narrator = Narrator(spec)
    silent_from_the_start = True

    def put(told: tuple[bytes, bool] | None) -> None:
        with suppress(RuntimeError):  # the loop was closed, so nobody listens
            loop.call_soon_threadsafe(heard.put_nowait, told)

    def deliver(delivery: Delivery) -> None:
        nonlocal silent_from_the_start
        silent_from_the_start = False
        if dropped := dropped_before(delivery):
            words = {"reason": loss(out_journal(spec.id), dropped)}
            put((sse([("failed", words)], None), True))
            return
        # Here, in the transport's thread, so that no result waits in memory for a slow client.
        events = narrator.tell(delivery.message)
        put((sse(events, delivery.offset) if delivery.offset > after else b"", narrator.ended))

    reader = transport.read(out_journal(spec.id), 0, CREDIT, deliver, lambda: put(None))
    try:
        yield b"retry: 1000\n\n"
        ended = False
        silent = 0.0
        lacking: list[str] = []
        while not ended and not stopping():
            try:
                told = await asyncio.wait_for(heard.get(), LOOK_UP)
            except TimeoutError:
                silent += LOOK_UP
                if silent_from_the_start and silent == PROBE_AFTER and has_ended():
                    probe(transport, spec)
                before, lacking = lacking, waits_for()
                if lacking != before:
                    silent = 0.0
                    yield sse([_of_workers(lacking)], None)
                elif silent >= KEEPALIVE:
                    silent = 0.0
                    yield b": nothing new\n\n"
                continue
            if told is None:
                yield sse([await last_word()], None)
                return
            text, ended = told
            if text:
                silent = 0.0
                crash_point("gateway.event_told")
                yield text
            reader.credit(1)
    finally:
        reader.close()


async def only_event(last_word: Callable[[], Awaitable[Event]]) -> AsyncGenerator[bytes, None]:
    """The one event of a session of which no journal tells."""
    yield sse([await last_word()], None)


def _of_workers(lacking: list[str]) -> Event:
    if lacking:
        return "waiting", {"stages": lacking, "reason": without_workers(lacking)}
    return "working", {}


def sse(events: list[Event], offset: int | None) -> bytes:
    """The events of one record as text."""
    # Only the last event of a record has its id: whoever resumes after it has seen them all.
    last = len(events) - 1
    return b"".join(
        _event(name, data, offset if number == last else None)
        for number, (name, data) in enumerate(events)
    )


def _event(name: str, data: dict[str, Any], offset: int | None) -> bytes:
    number = "" if offset is None else f"id: {offset}\n"
    return f"event: {name}\n{number}data: {json.dumps(data, sort_keys=True)}\n\n".encode()
