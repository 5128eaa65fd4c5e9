"""A journal's messages in this process: bodies in memory, or moved to an unlinked file."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field

from coffeeshop.transport.base import Headers, Message


@dataclass
class Entry:
    """A stored message: its body is in memory, or at ``place`` in the journal's file."""

    headers: Headers
    size: int
    body: bytes | None
    place: int = 0


@dataclass
class StoredJournal:
    """Messages in order. Not thread-safe: its transport has a lock."""

    entries: list[Entry] = field(default_factory=list)
    file: int | None = None
    spilled: int = 0
    """Bytes in the file."""

    def spill(self, entry: Entry) -> None:
        """Move the body of one of the entries to the file."""
        if self.file is None:
            self.file, path = tempfile.mkstemp(prefix="coffeeshop-journal-")
            os.unlink(path)
        body = entry.body or b""
        entry.place = self.spilled
        written = 0
        while written < entry.size:
            written += os.pwrite(self.file, memoryview(body)[written:], self.spilled + written)
        self.spilled += entry.size
        entry.body = None

    def message(self, offset: int) -> Message:
        """The message at an offset, wherever its body is."""
        entry = self.entries[offset]
        body = entry.body
        if body is None:
            assert self.file is not None
            body = os.pread(self.file, entry.size, entry.place)
        return Message(entry.headers, body)

    def resident(self) -> int:
        """Bytes of bodies in memory."""
        return sum(entry.size for entry in self.entries if entry.body is not None)

    def close(self) -> None:
        """Give the file back."""
        if self.file is not None:
            os.close(self.file)
            self.file = None
