"""Workers that fail as they are told, and supervisors that do what they are told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from coffeeshop.actors.restarts import Intensity
from coffeeshop.actors.supervised import Parent, Ref, SupervisedActor, tell
from coffeeshop.actors.supervision import Supervisor
from coffeeshop.clock import Backoff
from coffeeshop.testing.clock import VirtualClock
from tests.unit.actors import Actors
from tests.unit.helpers import PATIENCE, drain

Events = SimpleQueue[tuple[Any, ...]]
DEADLY = [ValueError, MemoryError, SystemExit, KeyboardInterrupt]


class Worker(SupervisedActor):
    """Says what happens to it; raises the exceptions and waits for the events it is sent."""

    def __init__(self, parent: Parent | None, events: Events, broken: str = "") -> None:
        super().__init__(parent)
        self.name = parent.name if parent else "root"
        self.incarnation = parent.incarnation if parent else 0
        self.events = events
        self.broken = broken
        self._break("__init__")

    def started(self) -> None:
        self.events.put(("started", self.name, self.incarnation))
        self._break("started")

    def handle(self, message: Any) -> None:
        if isinstance(message, BaseException):
            self.culprit = getattr(message, "culprit", None)
            raise message
        if isinstance(message, threading.Event):
            assert message.wait(PATIENCE)
        else:
            self.events.put(("got", self.name, message))

    def stopped(self) -> None:
        self.events.put(("stopped", self.name, self.incarnation))
        self._break("stopped")

    def _break(self, where: str) -> None:
        if where == self.broken:
            raise ValueError(f"broken in {where}")


class Poison(ValueError):
    """An error that names what was worked on."""

    culprit = "batch 7"


class Keeper(Supervisor):
    """A supervisor that does what it is told, in its own thread."""

    def received(self, message: Any) -> None:
        message(self)


class Keepers:
    """Makes supervisors and asks them things from outside."""

    def __init__(self, clock: VirtualClock, actors: Actors) -> None:
        self.events: Events = SimpleQueue()
        self.failures: SimpleQueue[str] = SimpleQueue()
        self._clock = clock
        self._actors = actors

    def start(
        self,
        *workers: str,
        intensity: Intensity = Intensity(3, 30),  # noqa: B008 - a frozen value
        parent: Parent | None = None,
        broken: str = "",
    ) -> Ref:
        keeper: Ref = Keeper.start(parent, self._clock, intensity, Backoff(), self.failures.put)
        self._actors.append(keeper)
        for name in workers:
            self.do(keeper, lambda k, name=name: k.start_child(name, self.child(broken)))  # type: ignore[misc]
        return keeper

    def child(self, broken: str = "") -> Callable[[Parent], Ref]:
        return lambda parent: Worker.start(parent, self.events, broken)

    def do(self, keeper: Ref, call: Callable[[Keeper], object]) -> Any:
        """Run something in the supervisor's thread, and give its result."""
        result: SimpleQueue[Any] = SimpleQueue()
        keeper.tell(lambda k: result.put(call(k)))
        return result.get(timeout=PATIENCE)

    def ref(self, keeper: Ref, name: str) -> Ref:
        found = self.do(keeper, lambda k: k.child(name))
        assert found is not None
        return found

    def expect(self, *events: tuple[Any, ...]) -> None:
        assert drain(self.events, len(events)) == list(events)

    def fail(self, keeper: Ref, name: str, error: BaseException | None = None) -> None:
        """Let a child fail; returns when a restart is planned."""
        planned = self._clock.planned
        tell(self.ref(keeper, name), error or ValueError("no"))
        self._clock.wait_for(planned + 1, PATIENCE)
