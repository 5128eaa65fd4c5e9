"""Loggers that cost nothing until a line is written.

A line is an event with fields. structlog writes it, and takes longer to import than a small
analysis needs: a process that logs from warnings on imports it with its first warning.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextvars import ContextVar

_about: ContextVar[dict[str, object] | None] = ContextVar("about", default=None)
_deferred: tuple[int, Callable[[], None]] | None = None


def defer(level: int, configure: Callable[[], None]) -> None:
    """Call ``configure`` before the first line of that level or above; lines below are dropped."""
    global _deferred
    _deferred = level, configure


def is_configured() -> bool:
    """Whether the program said how lines are written."""
    if _deferred is not None:
        return True
    structlog = sys.modules.get("structlog")
    return structlog is not None and structlog.is_configured()


def about(**fields: object) -> None:
    """Add these fields to every further line of this thread, or of this request."""
    _about.set({**(_about.get() or {}), **fields})


class Logger:
    """Thread-safe; frozen."""

    def __init__(self, fields: dict[str, object]) -> None:
        self._fields = fields

    def bind(self, **fields: object) -> Logger:
        """A logger that adds these fields to every line."""
        return Logger({**self._fields, **fields})

    def debug(self, event: str, **fields: object) -> None:
        self._write("debug", logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        self._write("info", logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._write("warning", logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._write("error", logging.ERROR, event, fields)

    def exception(self, event: str, **fields: object) -> None:
        """An error, with the exception that is being handled."""
        self._write("exception", logging.ERROR, event, fields)

    def _write(self, method: str, level: int, event: str, fields: dict[str, object]) -> None:
        global _deferred
        deferred = _deferred
        if deferred is not None:
            if level < deferred[0]:
                return
            deferred[1]()
            _deferred = None
        import structlog

        every = {**(_about.get() or {}), **self._fields}
        getattr(structlog.get_logger(**every), method)(event, **fields)


def get_logger() -> Logger:
    """A logger without fields."""
    return Logger({})
