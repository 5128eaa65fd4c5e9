"""How often children are restarted: pure values, time as an argument.

The words are those of Erlang/OTP's supervisors; the strategy of all of them is one_for_one: only
the child that failed restarts, since children share nothing but journals.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class Intensity:
    """At most ``restarts`` within ``seconds``; one more and the supervisor gives up."""

    restarts: int
    seconds: float


SESSION_INTENSITY = Intensity(3, 30.0)
NODE_INTENSITY = Intensity(10, 60.0)


class Failures:
    """The failures of one supervisor's children within its window."""

    def __init__(self, intensity: Intensity) -> None:
        self._intensity = intensity
        self._times: deque[float] = deque()

    def add(self, now: float) -> bool:
        """Note a failure; False when it exceeds the intensity and the supervisor must give up."""
        while self._times and now - self._times[0] > self._intensity.seconds:
            self._times.popleft()
        self._times.append(now)
        return len(self._times) <= self._intensity.restarts

    def __len__(self) -> int:
        return len(self._times)
