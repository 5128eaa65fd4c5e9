"""The allocators of the C library and of the columnar library, told to give memory back."""

from __future__ import annotations

import ctypes
from contextlib import suppress

LARGE = 4 << 20
"""Bytes: what is larger comes from the system and goes back to it. Batches' columns are."""
DECAY = 100
"""Milliseconds."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8


def tune_malloc() -> None:
    """Keep little of what was freed. For our own processes, before they start threads.

    glibc keeps an arena for each thread, and takes ever larger pieces for small ones once some were
    freed: with many threads and large arrays that is most of a process. Another C library is left
    as it is.
    """
    _let_columns_go()
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    for parameter, value in (
        (_ARENA_MAX, 1),
        (_MMAP_THRESHOLD, LARGE),
        (_TRIM_THRESHOLD, LARGE),
    ):
        mallopt(parameter, value)


def _let_columns_go() -> None:
    """Columns that were freed go back to the system within a tenth of a second, not after one."""
    import pyarrow as pa  # slow to import, and everything here uses it soon

    with suppress(NotImplementedError):  # built without that allocator
        pa.jemalloc_set_decay_ms(DECAY)
