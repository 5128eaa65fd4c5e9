"""Structured logs to standard error: events with fields, for people or as JSON lines."""

from __future__ import annotations

import logging
import sys

import structlog

LEVELS = {
    "quiet": logging.ERROR,
    "normal": logging.WARNING,
    "info": logging.INFO,
    "verbose": logging.DEBUG,
}


def configure_logging(verbosity: str, *, as_json: bool = False) -> None:
    """Set up logging for the process. ``verbosity``: a key of `LEVELS`."""
    # pykka reports through the standard library what our supervisors report better.
    logging.getLogger("pykka").setLevel(logging.CRITICAL)
    colours = sys.stderr.isatty()
    renderer = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=34)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[verbosity]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
