"""`coffeeshop watch`: a session's events, redrawn on a terminal, a line each anywhere else."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.sse import Event
from coffeeshop.commands.remote import (
    COLOURS,
    print_bad_rows,
    raise_unless_completed,
)
from coffeeshop.names import ENDS, QUERIES
from coffeeshop.pipeline.repair import requested
from coffeeshop.terminal import console, hint, is_redrawn, shown

SHOWN_EVENTS = 5
"""Other events than results that the picture keeps, the newest of them."""


class Picture:
    """What is known of a session, as a terminal shows it. Fed by one thread, drawn by another."""

    def __init__(
        self,
        session: str,
        now: Callable[[], float] = time.monotonic,
        known: Mapping[str, Any] | None = None,
    ) -> None:
        """``known``: what the gateway tells of the session before its events."""
        self._session = session
        self._now = now
        known = {"ended_at": None} if known is None else known
        ended = known["ended_at"]
        # Events do not say when they were: of old ones the session's own times are all there is.
        self._is_over = ended is not None
        self._before = frozenset(known.get("results", ()))
        already = (ended or time.time()) - known.get("created_at", time.time())
        self._began = now() - (0.0 if self._is_over else max(0.0, already))
        self._seconds: float | None = max(0.0, already) if self._is_over else None
        self._state = "open"
        self._answered: dict[str, float | None] = {}
        self._others: tuple[str, ...] = ()

    def feed(self, event: Event) -> None:
        """Take an event."""
        seconds = self._now() - self._began
        if event.name == "result":
            query = str(event.data["query"])
            is_old = self._is_over or query in self._before
            self._answered[query] = None if is_old else seconds
        elif event.name in ENDS:
            self._state = event.name
            self._seconds = seconds if self._seconds is None else self._seconds
        else:
            self._others = (*self._others, words_of(event))[-SHOWN_EVENTS:]

    def __rich__(self) -> Group:
        """The picture as of now."""
        seconds = self._now() - self._began if self._seconds is None else self._seconds
        state = (shown(self._state), COLOURS.get(self._state, "yellow"))
        head = Text.assemble((self._session, "bold"), "  ", state, f"  {seconds:.1f} s")
        table = Table(box=None, show_header=False, pad_edge=False)
        for query in QUERIES:
            known = query in self._answered
            when = Text(self._when(query), "" if known else "dim")
            table.add_row(Text("✓" if known else "·", "green" if known else "dim"), query, when)
        return Group(head, table, *(Text(line) for line in self._others))

    def _when(self, query: str) -> str:
        if query not in self._answered:
            return "waiting" if self._state == "open" else "not answered"
        seconds = self._answered[query]
        return "answered" if seconds is None else f"{seconds:.1f} s"


def watch(client: GatewayClient, session: str, mode: str) -> None:
    """Follow a session to its end. ``mode``: table, json or ids. Raises what it ended in."""
    screen = console()
    if mode == "table" and is_redrawn(sys.stdout):
        last = _drawn(
            client.events(session), Picture(session, known=client.session(session)), screen
        )
    else:
        last = _told(client.events(session), _teller(mode, screen))
    if last.name == "failed" and mode == "table":
        print_bad_rows(client.session(session))
    raise_unless_completed(last.name, str(last.data.get("reason", "")))
    if mode == "ids":
        print(session)
    elif mode == "table":
        hint(f"coffeeshop results {session}")


def words_of(event: Event) -> str:
    """An event on one line."""
    if event.name == "waiting":
        return f"{event.name:<14} {event.data.get('reason', '')}"
    if event.name == "working":
        return f"{event.name:<14} a worker is there"
    if event.name == "missing":
        return shown(f"{event.name:<14} {requested(event.data)} asked for again")
    words = " ".join(f"{key}={value}" for key, value in event.data.items())
    return shown(f"{event.name:<14} {words}")


def _drawn(events: Iterator[Event], picture: Picture, screen: Console) -> Event:
    with Live(picture, console=screen, refresh_per_second=4):
        return _told(events, picture.feed)


def _told(events: Iterator[Event], tell: Callable[[Event], None]) -> Event:
    last: Event | None = None
    for last in events:
        tell(last)
    assert last is not None  # the client's events go on to an end, or it raises
    return last


def _teller(mode: str, screen: Console) -> Callable[[Event], None]:
    def as_json(event: Event) -> None:
        # Not every end has a place in the session's journal.
        place = event.offset if event.offset >= 0 else None
        print(json.dumps({"event": event.name, "id": place, **event.data}), flush=True)

    def as_line(event: Event) -> None:
        line = Text(words_of(event))
        line.stylize("bold", 0, len(event.name))
        screen.print(line, soft_wrap=True)

    def nothing(event: Event) -> None:
        pass

    return {"json": as_json, "ids": nothing}.get(mode, as_line)
