"""Structured logs to standard error: events with fields, for people or as JSON lines.

Whatever a line is about, its session is in the field ``session``: said by whoever logs, or bound to
the thread or request (`about`) that works for one session.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from collections.abc import MutableMapping, Sequence
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars, merge_contextvars

from coffeeshop.terminal import has_colours

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
    form = _for_machines(process) if as_json else _for_people()
    structlog.configure(
        processors=[
            merge_contextvars,
            _session_of_journal,
            structlog.processors.add_log_level,
            *form,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[verbosity]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def about(**fields: str | int) -> None:
    """Add these fields to every further line of this thread, or of this request."""
    bind_contextvars(**fields)


def process_name(kinds: Sequence[str]) -> str:
    """What this process is called in logs and traces: its kinds, host and process id."""
    return f"{'+'.join(kinds)}-{socket.gethostname()}-{os.getpid()}"


def _for_people() -> list[Any]:
    return [
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False),
        structlog.dev.ConsoleRenderer(colors=has_colours(sys.stderr), pad_event_to=34),
    ]


def _for_machines(process: str) -> list[Any]:
    def named(logger: object, method: str, event: _Event) -> _Event:
        event.setdefault("process", process)
        return event

    return [
        *([named] if process else []),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]


def _session_of_journal(logger: object, method: str, event: _Event) -> _Event:
    """A transport knows names of journals only; those of a session have its id in them."""
    if "session" not in event and (found := _JOURNAL.match(str(event.get("queue", "")))):
        event["session"] = found[1]
    return event
