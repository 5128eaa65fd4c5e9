"""Structured logs to standard error: events with fields, for people or as JSON lines.

The session that a line is about is in the field ``session``: given with the line, or bound to the
thread or request (`logs.about`) that works for one session.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from collections.abc import MutableMapping, Sequence
from typing import Any

from coffeeshop.observability import logs
from coffeeshop.terminal import has_colours, shown

LEVELS = {
    "quiet": logging.ERROR,
    "normal": logging.WARNING,
    "info": logging.INFO,
    "verbose": logging.DEBUG,
}
_JOURNAL = re.compile(r"(?:in|out)\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.|$)")
_Event = MutableMapping[str, Any]


def configure_logging(verbosity: str, *, as_json: bool = False, process: str = "") -> None:
    """Set up logging for the process. ``verbosity``: a key of `LEVELS`.

    JSON lines have a UTC ``timestamp`` (ISO 8601, microseconds) and say which ``process`` they are
    of, so that those of several processes can be put together again.
    """
    # pykka reports through the standard library what our supervisors report better.
    logging.getLogger("pykka").setLevel(logging.CRITICAL)
    level = LEVELS[verbosity]
    if level < logging.WARNING or as_json or "structlog" in sys.modules:
        _configure(level, as_json, process)
    else:  # seldom a line is written at all
        logs.defer(level, lambda: _configure(level, as_json, process))


def _configure(level: int, as_json: bool, process: str) -> None:
    import structlog

    form = _for_machines(process) if as_json else _for_people()
    structlog.configure(
        processors=[
            _session_of_journal,
            structlog.processors.add_log_level,
            *form,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def process_name(kinds: Sequence[str]) -> str:
    """What this process is called in logs and traces: its kinds, host and process id."""
    return f"{'+'.join(kinds)}-{socket.gethostname()}-{os.getpid()}"


def _for_people() -> list[Any]:
    import structlog

    return [
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False),
        _printable,
        structlog.dev.ConsoleRenderer(colors=has_colours(sys.stderr), pad_event_to=34),
    ]


def _for_machines(process: str) -> list[Any]:
    import structlog

    def named(logger: object, method: str, event: _Event) -> _Event:
        event.setdefault("process", process)
        return event

    return [
        *([named] if process else []),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]


def _printable(logger: object, method: str, event: _Event) -> _Event:
    """What others wrote must not steer the terminal that it is shown on."""
    return {
        key: shown(value) if isinstance(value, str) and key != "trace" else value
        for key, value in event.items()
    }


def _session_of_journal(logger: object, method: str, event: _Event) -> _Event:
    """A transport knows names of journals only; those of a session have its id in them."""
    if "session" not in event and (found := _JOURNAL.match(str(event.get("queue", "")))):
        event["session"] = found[1]
    return event
