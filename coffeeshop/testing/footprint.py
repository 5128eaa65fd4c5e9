"""What a process holds, and how much more of it is no leak."""

from __future__ import annotations

import os
from pathlib import Path

LEAK_TOLERANCE = 4
"""Threads or files more than before that are no leak: connections and pools come and go."""


def figures(pid: int) -> dict[str, int]:
    """Resident memory (MiB), threads and open files of a process, from the system."""
    status = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return {
        "MiB": int(fields["VmRSS"].split()[0]) // 1024,
        "threads": int(fields["Threads"]),
        "files": len(os.listdir(f"/proc/{pid}/fd")),
    }


def leak_tolerance(what: str, before: int) -> int:
    """How much may come on top; ``what`` is as a report names it.

    Of memory it is a fifth: an allocator does not give everything back. Of the broker's it is a
    half: some minutes after its last restart it still fills caches of its own.
    """
    if not what.endswith("MiB"):
        return LEAK_TOLERANCE
    return before // (2 if what.startswith("broker") else 5)
