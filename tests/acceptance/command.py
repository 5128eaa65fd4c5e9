"""The command as a user runs it: in a process, in a directory, with an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SOURCE = str(Path(__file__).parents[2])
WIDE = {"COLUMNS": "200"}
"""So that no line of a message is broken."""
TRANSACTIONS = 3_000
"""In the data folder of the fixture `data`."""
Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


def environment(**more: str) -> dict[str, str]:
    """This process's, without what it sets for the command, and with ``more``."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("COFFEESHOP_")}
    # Whoever runs the tests may be logged in somewhere.
    return {**clean, "PYTHONPATH": SOURCE, "XDG_CONFIG_HOME": "/nonexistent", **more}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "coffeeshop", *arguments]


def runner(directory: Path, **always: str) -> Run:
    """Runs the command there, with ``always`` and what a call adds in its environment."""

    def call(*arguments: str, **more: str) -> Done:
        return subprocess.run(
            command(*arguments),
            cwd=directory,
            env=environment(**{**always, **more}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return call


def files_of(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def texts_of(directory: Path) -> dict[str, str]:
    return {name: content.decode() for name, content in files_of(directory).items()}


def ok(done: Done) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def found(done: Done) -> Any:
    return json.loads(ok(done))
