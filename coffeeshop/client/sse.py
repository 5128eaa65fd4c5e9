"""Server-sent events as a client reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """A server-sent event of a session. ``offset`` is what a resumed reading goes on after."""

    name: str
    data: dict[str, Any]
    offset: int


def parse_events(lines: Iterator[str]) -> Iterator[Event]:
    """Server-sent events from the lines of a response."""
    name, data, offset = "message", "", -1
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                name = value
            case "data":
                data += value
            case "id" if value.isdigit():
                offset = int(value)
            case "" if not line and data:
                yield Event(name, json.loads(data), offset)
                name, data, offset = "message", "", -1
