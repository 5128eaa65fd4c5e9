"""What a simulation is told: the weather, the plot, and which safeguards are taken away."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Weather:
    """How bad it gets, and until when (seconds)."""

    faults: float = 0.0
    """The share of appends, acks and hand-overs that go wrong."""
    crashes: float = 0.0
    """The share of a task's steps at which it, or its node, dies."""
    until: float = 20.0
    vanish: float = 0.0
    """The share of appends to the session's journals that are confirmed and stored nowhere."""


CALM = Weather()


class Violation(AssertionError):
    """An invariant does not hold."""


@dataclass(frozen=True)
class Rules:
    """The safeguards of clients, gateways and clean-up; as they are in the product."""

    declare_first: bool = True
    clients_wait_for_confirms: bool = True
    resend_same_id: bool = True
    first_terminal_wins: bool = True
    mandatory: bool = True
    repair: bool = True
    """Where records vanish: what is missing is asked for."""


@dataclass(frozen=True)
class Plot:
    """What happens in a simulation besides chance."""

    weather: Weather = CALM
    nodes: int = 2
    intensity: int | None = None
    """Failures after which a node fails the session; None: as often as it takes."""
    cancel: bool = False
    clients_return: bool = True
    """Whether clients send everything again now and then, and long after the end."""
    claims: bool = False
    """Whether attempts claim their tasks, as they do on nodes of their own."""
    slow_clocks: bool = False
    """Whether processes measure time differently."""
    rules: Rules = Rules()

    @property
    def repairs(self) -> bool:
        """Whether anybody asks for what is missing."""
        return self.rules.repair and self.weather.vanish > 0
