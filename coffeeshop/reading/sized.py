"""Raw files of a known size whose bytes are somewhere else."""

from __future__ import annotations

import io
from collections.abc import Sized


class SizedFile(io.RawIOBase):
    """Knows its size and where the next read begins; a subclass reads."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Read from elsewhere on."""
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}
        self._at = bases[whence] + offset
        return self._at

    def _wanted(self, buffer: Sized) -> int:
        """How many bytes of a buffer there are left to fill; 0 or less at the end."""
        return min(len(buffer), self._size - self._at)
