"""The loop that looks at what is due of every session, and how it is doing.

What one step raises is logged and counted; the others are taken all the same, and the next turn
takes it again. So no failure ends the aborts, releases and expiries of a replica, and none of them
is silent: see `Reconciler.trouble`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress

from coffeeshop.observability.logs import get_logger

log = get_logger()
Step = tuple[str, str, Callable[[], None]]
"""Its name, the session it is about (empty if none), and what to do."""
STEPS = ("restate", "listen", "make_room", "look_at", "mend", "steps")
"""The names; ``steps`` is the failure to say which steps there are."""
LOGGED = 30.0
"""Seconds between two lines of the log about one step and session that fails again and again."""
PATIENCE = 30.0
"""Seconds in which a turn must come to its end, and without the failure of a step that concerns
all sessions. One session that cannot be looked at is no reason to turn clients away."""


class Reconciler:
    """A thread that takes all steps every ``period`` seconds. Thread-safe."""

    def __init__(
        self,
        steps: Callable[[], Iterable[Step]],
        period: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``steps`` are those of one turn; it may raise between two of them, which ends the
        turn."""
        self.failures: Counter[str] = Counter()
        """How often a step of each name failed."""
        self._steps = steps
        self._period = period
        self._now = now
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sessions", daemon=True)
        self._good = now()
        self._last = ""
        self._logged: dict[tuple[str, str], float] = {}

    def start(self) -> None:
        """Begin."""
        self._good = self._now()
        self._thread.start()

    def stop(self) -> None:
        """Take no more turns; waits for the one under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def age(self) -> float:
        """Seconds since a turn ended well."""
        return max(0.0, self._now() - self._good)

    def trouble(self) -> str:
        """Why sessions are not looked after; empty while they are."""
        if self._stop.is_set() or self.age <= PATIENCE:
            return ""
        why = f": {self._last}" if self._last else ""
        return f"sessions have not been looked after for {self.age:.0f} s{why}"

    def _run(self) -> None:
        while not self._stop.wait(self._period):
            if self._turn():
                self._good, self._last = self._now(), ""

    def _turn(self) -> bool:
        """Whether nothing failed that concerns all sessions."""
        good = True
        try:
            for name, session, work in self._steps():
                if not self._take(name, session, work) and not session:
                    good = False
        except Exception as error:  # noqa: BLE001 - counted and shown; the next turn tries again
            self._failed("steps", "", error)
            good = False
        return good

    def _take(self, name: str, session: str, work: Callable[[], None]) -> bool:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - as above; the other steps are to be taken
            self._failed(name, session, error)
            return False
        return True

    def _failed(self, name: str, session: str, error: Exception) -> None:
        self.failures[name] += 1
        if not session:
            self._last = f"{name}: {error!r}"
        now = self._now()
        if now - self._logged.get((name, session), float("-inf")) < LOGGED:
            return
        if len(self._logged) > 1000:
            self._logged.clear()
        self._logged[name, session] = now
        with suppress(Exception):  # a log that cannot be written must not be the end of this
            log.error("sessions.step_failed", step=name, session=session, reason=repr(error))
