"""What a gateway does about sessions by itself, on a few threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from coffeeshop.errors import CoffeeshopError
from coffeeshop.observability.logs import get_logger

log = get_logger()
WORKERS = 4


class Errands:
    """Of one session one at a time. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._refuses = False
        self._pool = ThreadPoolExecutor(WORKERS, "sessions")

    def begin(self, session: str, work: Callable[[], None]) -> None:
        """Have it done unless something is being done about this session.

        What it raises is logged: whoever begins it looks again later, and begins it again.
        """
        with self._lock:
            if session in self._busy or self._refuses:
                return
            self._pool.submit(self._work, session, work)  # may find no thread to start
            self._busy.add(session)

    def refuse(self) -> None:
        """Begin nothing from now on."""
        with self._lock:
            self._refuses = True

    def close(self) -> None:
        """After `refuse`: wait for what is being done, drop what has not begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _work(self, session: str, work: Callable[[], None]) -> None:
        try:
            work()
        except CoffeeshopError as error:
            log.warning("session.unfinished", session=session, reason=str(error))
        except Exception as error:  # noqa: BLE001 - said aloud; the next look-around tries again
            log.error("session.unfinished", session=session, reason=repr(error))
        finally:
            with self._lock:
                self._busy.discard(session)
