"""Child processes that do not outlive their parent."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import IO

_GUARD = 'read _; kill -9 "$1"; [ -z "$2" ] || rm -rf "$2"'
"""Waits until the pipe from its parent breaks: the parent was killed and tidied up nothing."""


class Guard:
    """Kills a process when this one ends without `release`, even if this one is killed."""

    def __init__(self, pid: int, remove: str = "") -> None:
        """``remove``: a folder that is removed as well, or nothing."""
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "guard", str(pid), remove],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def release(self) -> None:
        """Let the process be; from any thread, and harmless when it was let be before.

        To be called when it ends: once it is waited for, its id may be another's.
        """
        self._shell.kill()
        self._shell.communicate()


class Guarded:
    """A child process that ends with this one at the latest, even if this one is killed."""

    def __init__(
        self,
        command: list[str],
        folder: Path,
        environment: dict[str, str],
        console: IO[bytes],
        remove: str,
    ) -> None:
        """``remove``: a folder that the guard removes as well, or nothing."""
        self.process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
        )
        self._guard = Guard(self.process.pid, remove)

    def end(self, how: signal.Signals, patience: float) -> None:
        """Signal the process, frozen or not, and wait for its end; kill it after ``patience``."""
        self._guard.release()
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(how)
        try:
            self.process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
