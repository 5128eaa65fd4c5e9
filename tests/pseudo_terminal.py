"""A command as a person at a terminal sees it."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path

LONGEST = 60.0
"""Seconds that a command may go on after it closed its terminal."""


def on_terminal(
    command: Sequence[str], directory: Path, environment: Mapping[str, str]
) -> tuple[int, str]:
    """Exit code of a command, and all that it wrote to its terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        with os.fdopen(theirs, "wb", buffering=0) as terminal:
            process = subprocess.Popen(
                command,
                cwd=directory,
                env={"TERM": "xterm-256color", "COLUMNS": "120", **environment},
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=terminal,
            )
        try:
            told = _all_of(screen)
            return process.wait(LONGEST), told.replace("\r\n", "\n")
        finally:
            process.kill()


def _all_of(screen: FileIO) -> str:
    found = b""
    with suppress(OSError):  # how Linux says that nobody holds the other end any more
        while piece := screen.read(65536):
            found += piece
    return found.decode()
