"""A session's events as server-sent events. An event's id is its record's offset."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress

from fastapi.sse import format_sse_event

from coffeeshop.crashpoints import crash_point
from coffeeshop.gateway.changes import Changes
from coffeeshop.gateway.dependencies import without_workers
from coffeeshop.sessions.outcome import SessionOutcome
from coffeeshop.sessions.results import Event, Update

KEEPALIVE = 10.0
"""Seconds of silence after which a comment shows that the connection lives."""
RETRY_MS = 1000
_GONE = Update(None, (), is_last=True)


async def event_stream(
    outcome: SessionOutcome,
    after: int,
    *,
    changes: Changes,
    stopping: Callable[[], bool],
    final_event: Callable[[], Awaitable[Event]],
    waits_for: Callable[[], list[str]] = list,
) -> AsyncGenerator[bytes, None]:
    """The events of the records behind offset ``after``, until the terminal one.

    Ends early when ``stopping`` says so: the client goes on at another replica. When the journal
    is gone ``final_event`` says the event to end with. While ``waits_for`` names stages that no
    node runs, an event ``waiting`` says so, then one ``working`` that they are run; these have no
    id. Both are asked again after each of the ``changes``.
    """
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[Update | None] = asyncio.Queue()

    def put(update: Update) -> None:
        with suppress(RuntimeError):  # the loop was closed: the server has ended
            loop.call_soon_threadsafe(heard.put_nowait, update)

    subscription = outcome.subscribe(put, lambda: put(_GONE), after=after)
    try:
        with changes.subscribed(lambda: heard.put_nowait(None)):
            yield format_sse_event(retry=RETRY_MS)
            lacking: list[str] = []
            while not stopping():
                before, lacking = lacking, waits_for() if heard.empty() else lacking
                if lacking != before:
                    yield sse([_of_workers(lacking)], None)
                try:
                    update = await asyncio.wait_for(heard.get(), KEEPALIVE)
                except TimeoutError:
                    yield format_sse_event(comment="nothing new")
                    continue
                if update is None:
                    continue
                if update is _GONE:
                    yield sse([await final_event()], None)
                    return
                if update.events:
                    crash_point("gateway.event_told")
                    yield sse(update.events, update.offset)
                if update.is_last:
                    return
    finally:
        subscription.close()


async def only_event(final_event: Callable[[], Awaitable[Event]]) -> AsyncGenerator[bytes, None]:
    """The one event of a session of which no journal tells."""
    yield sse([await final_event()], None)


def _of_workers(lacking: list[str]) -> Event:
    if lacking:
        return "waiting", {"stages": lacking, "reason": without_workers(lacking)}
    return "working", {}


def sse(events: Sequence[Event], offset: int | None) -> bytes:
    """The events of one record as text."""
    # Only the last event of a record has its id: a client that resumes after it has seen them all.
    last = len(events) - 1
    return b"".join(
        format_sse_event(
            event=name,
            data_str=json.dumps(data, sort_keys=True),
            id=None if offset is None or number != last else str(offset),
        )
        for number, (name, data) in enumerate(events)
    )
