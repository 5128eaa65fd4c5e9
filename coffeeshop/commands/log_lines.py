"""Log lines of several processes read, chosen and put in the order of time; pure.

A line is JSON as `telemetry` writes it, perhaps behind the prefix that ``docker compose logs`` puts
there (``worker-1  | ``). Anything else (a trace, what another program says) belongs to the time of
the line before it.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from coffeeshop.errors import UsageError
from coffeeshop.terminal import shown

LEVELS = ("debug", "info", "warning", "error")
BEGINNING = dt.datetime.min.replace(tzinfo=dt.UTC)
_PREFIX = re.compile(r"^([A-Za-z0-9][\w.-]*) *\| ?")
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-][\d:]+) ")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_AGO = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SHOWN = ("timestamp", "level", "event", "process")


@dataclass(frozen=True)
class Line:
    """``fields`` is None for a line that is no JSON object; ``text`` is the line as it came."""

    text: str
    source: str
    """The file, or what a prefix names; empty when no option says."""
    at: dt.datetime = BEGINNING
    fields: dict[str, Any] | None = None

    @property
    def process(self) -> str:
        """What said it."""
        return str((self.fields or {}).get("process") or self.source)


@dataclass(frozen=True)
class Choice:
    """Which lines are wanted; every condition that is given holds."""

    session: str = ""
    """The beginning of a session's id."""
    level: str = "debug"
    """The lowest."""
    event: str = ""
    """The beginning of an event's name."""
    process: str = ""
    """A part of the process's name."""
    since: dt.datetime = field(default=BEGINNING)

    def takes(self, line: Line) -> bool:
        """Whether the line is wanted."""
        if line.at < self.since or self.process not in line.process:
            return False
        if line.fields is None:
            return not (self.session or self.event) and self.level == LEVELS[0]
        said = line.fields
        return (
            str(said.get("session", "")).startswith(self.session)
            and str(said.get("event", "")).startswith(self.event)
            and _rank(said.get("level")) >= LEVELS.index(self.level)
        )


def _rank(level: object) -> int:
    # One that is not known, ``critical`` perhaps, is not to be missed.
    return LEVELS.index(str(level)) if level in LEVELS else len(LEVELS)


class Parser:
    """The lines of one source, in its order."""

    def __init__(self, source: str = "") -> None:
        self._source = source
        self._last: dict[str, dt.datetime] = {}

    def parse(self, text: str) -> Line:
        """The next line."""
        text = _COLOURS.sub("", text.rstrip("\r\n"))
        found = _PREFIX.match(text)
        source = found[1] if found else self._source
        rest = _STAMP.sub("", text[found.end() :] if found else text)
        fields = _object(rest)
        at = _moment(fields.get("timestamp")) if fields is not None else None
        at = at or self._last.get(source, BEGINNING)
        self._last[source] = at
        return Line(rest, source, at, fields)


def _object(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _moment(text: object) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found.astimezone(dt.UTC)


def merged(lines: Iterable[Line]) -> list[Line]:
    """By time; lines of one time stay in the order in which they came."""
    return sorted(lines, key=lambda line: line.at)


def chosen(lines: Iterable[str], parser: Parser, choice: Choice) -> Iterator[Line]:
    """The wanted ones of a source's lines, as they come."""
    for text in lines:
        line = parser.parse(text)
        if choice.takes(line):
            yield line


def moment_of(text: str, now: dt.datetime) -> dt.datetime:
    """``90s``, ``10m``, ``2h``, ``1d`` ago, or a moment in ISO 8601 (local unless it says).

    Raises `UsageError` for anything else.
    """
    found = _AGO.fullmatch(text)
    moment = _ago(float(found[1]) * _SECONDS[found[2]], now) if found else _moment(text)
    if moment is None:
        raise UsageError(f"not a time: {text!r}; use 10m, 2h or 2026-01-31T12:00")
    return moment


def _ago(seconds: float, now: dt.datetime) -> dt.datetime | None:
    try:
        return now - dt.timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return None


def as_json(line: Line) -> str:
    """A line as JSON, with its process; the text of one that was none is its ``event``."""
    fields = {"event": line.text} if line.fields is None else line.fields
    return json.dumps({**fields, **({"process": line.process} if line.process else {})})


def as_text(line: Line) -> str:
    """A line for people: local time, level, process, event, fields. Without control characters."""
    fields = line.fields
    if fields is None:
        return shown(f"{line.source + ': ' if line.source else ''}{line.text}")
    time = line.at.astimezone().strftime("%H:%M:%S.%f")[:-3] if line.at > BEGINNING else "-" * 12
    told = " ".join(f"{key}={_value(fields[key])}" for key in sorted(fields.keys() - set(_SHOWN)))
    level, event = str(fields.get("level", "")), str(fields.get("event", ""))
    words = (time, f"{level:8}", line.process, f"{event:34}", told)
    return shown(" ".join(words).rstrip())


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
