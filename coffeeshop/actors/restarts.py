"""When and whom to restart: pure values, time and chance as arguments.

The words are those of Erlang/OTP's supervisors.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Strategy(Enum):
    """Who restarts when one child fails."""

    ONE_FOR_ONE = "one_for_one"
    """The failed child only."""
    ONE_FOR_ALL = "one_for_all"
    """Every child."""
    REST_FOR_ONE = "rest_for_one"
    """The failed child and those started after it."""


def affected(strategy: Strategy, children: Sequence[str], failed: str) -> list[str]:
    """The children to restart, in the order they were started."""
    if strategy is Strategy.ONE_FOR_ONE:
        return [failed]
    first = children.index(failed) if strategy is Strategy.REST_FOR_ONE else 0
    return list(children[first:])


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
