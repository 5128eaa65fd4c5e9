"""A reader's shell, and the processes that stay after it typed them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

STEP_TIMEOUT = 90.0
READY_TIMEOUT = 60.0
END_TIMEOUT = 30.0
_KEEP = """
set -eo pipefail
trap 'declare -p | grep -Ev "^declare -[A-Za-z]*[rA]" >"$STATE"; pwd >"$STATE.folder"' EXIT
"""
"""What is read-only, and bash's own tables, cannot be set again."""


class Shell:
    """Commands one by one, with the variables and the folder that the ones before left."""

    def __init__(self, folder: Path, state: Path, environment: Mapping[str, str]) -> None:
        """``state``: a file to keep the variables in."""
        self._state = state
        self._environment = {**environment, "STATE": str(state)}
        state.write_text("")
        state.with_name(state.name + ".folder").write_text(f"{folder}\n")

    def run(self, command: str) -> tuple[int, str, str]:
        """Exit code (of any part of a pipe), output and errors."""
        process = self.start(f"{_KEEP}{command}", subprocess.PIPE)
        try:
            output, errors = process.communicate(timeout=STEP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, errors = process.communicate()
            errors += f"\nended after {STEP_TIMEOUT:g} s"
        return process.returncode, output, errors

    def start(
        self, command: str, output: int, more: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """A process group of its own; its id is that of the command if that begins with exec."""
        before = '. "$STATE" 2>/dev/null\ncd "$(cat "$STATE.folder")"\n'
        return subprocess.Popen(
            ["bash", "-c", before + command],
            env={**self._environment, **(more or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


class Staying:
    """A process that runs until it is ended, with ``code`` if all is well.

    ``log``: a file for what it says.
    """

    def __init__(self, process: subprocess.Popen[str], log: Path, code: int = 0) -> None:
        self.pid = process.pid
        self.code = code
        self._process = process
        self._log = log
        self._said: list[str] = []
        self._changed = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first line that has it; raises TimeoutError with what was said instead."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._found(pattern), READY_TIMEOUT)
            found = self._found(pattern)
            if found is None:
                raise TimeoutError("".join(self._said[-20:]))
            return found

    def find(self, pattern: str) -> re.Match[str] | None:
        """The first line so far that has it."""
        with self._changed:
            return self._found(pattern)

    def end(self) -> int:
        """SIGTERM, then wait; its exit code."""
        self._process.terminate()
        try:
            self._process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._thread.join()
        return self._process.wait()

    def _found(self, pattern: str) -> re.Match[str] | None:
        return next(filter(None, (re.search(pattern, line) for line in self._said)), None)

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines, self._log.open("a") as log:
            for line in lines:
                log.write(line)
                log.flush()
                self._take([line], over=False)
        self._take([], over=True)

    def _take(self, lines: list[str], *, over: bool) -> None:
        with self._changed:
            self._said += lines
            self._over = over
            self._changed.notify_all()


def commands(block: str) -> Iterator[tuple[int, str]]:
    """Each command of a block, and how many lines are before it; comments are left out."""
    waiting: list[str] = []
    for number, line in enumerate(block.splitlines()):
        if not waiting and (not line.strip() or line.lstrip().startswith("#")):
            continue
        waiting.append(line)
        text = "\n".join(waiting)
        if not line.endswith("\\") and _is_whole(text):
            yield number - len(waiting) + 1, without_comment(text)
            waiting = []
    if waiting:
        raise SyntaxError(f"no whole command: {waiting[0]}")


def without_comment(command: str) -> str:
    """One line without the comment at its end."""
    return command if "\n" in command else re.sub(r"\s+# .*$", "", command).strip()


def _is_whole(text: str) -> bool:
    return (
        subprocess.run(["bash", "-n", "-c", text], capture_output=True, check=False).returncode == 0
    )
