"""The stacks of all threads on standard error, when a signal asks for them.

Not by ``faulthandler.register``: it walks the frames of threads that run meanwhile, and three of
about 25 processes ended over it here. The signal only wakes a thread, which holds the interpreter's
lock while it writes; it does not depend on the main thread, and no signal handler logs anything.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable


def _awake(number: int, frame: object) -> None:
    """The signal has woken the thread already."""


def show_stacks_on(number: signal.Signals, then: Callable[[], None]) -> None:
    """From now on that signal shows the stacks, and ``then`` is called, both in a thread of their
    own. For the main thread to call, once in a process: it takes the process's wake-up descriptor.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(number, _awake)

    def watch() -> None:
        while received := os.read(reading, 1):
            if received[0] == number:
                faulthandler.dump_traceback(sys.stderr, all_threads=True)
                then()

    threading.Thread(target=watch, name="stacks", daemon=True).start()
