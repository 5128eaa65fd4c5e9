"""Supervision on pykka, which has none.

What pykka 4.5 does by itself, and what is done here instead:

* a failing ``tell`` ends the actor and drops its inbox without a word; ``SystemExit`` in one actor
  stops all of them: `SupervisedActor` catches everything and tells its supervisor `ChildFailed`;
* a failing ``on_start`` calls no hook: it is caught in the same way;
* a failing constructor raises in the supervisor's thread: it counts as the child's failure;
* a supervisor that raises dies as quietly as any actor: `Supervisor` is itself supervised, and a
  root without a supervisor calls ``on_root_failure``;
* asking an actor to stop while it ends by itself may never be answered: a supervisor waits for
  `Parent.ended`, which every supervised actor sets, and not for the answer.

A restart is a new attempt with a new incarnation number; word from an older one is dropped.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from coffeeshop.actors.dispatcher import Dispatcher
from coffeeshop.actors.restarts import Failures, Intensity
from coffeeshop.actors.supervised import (
    ChildFailed,
    Parent,
    Ref,
    SupervisedActor,
    log_failure,
    reason_of,
    tell,
    telling,
    wait_ended,
)
from coffeeshop.clock import Backoff, Clock
from coffeeshop.observability.logs import get_logger

log = get_logger()
STOP_TIMEOUT = 30.0
"""Seconds a supervisor waits for a child to end."""


@dataclass(frozen=True)
class _RestartDue:
    child: str
    incarnation: int


StartChild = Callable[[Parent], Ref]


@dataclass
class _Child:
    start: StartChild
    ref: Ref | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    incarnation: int = 0
    failures: int = 0
    culprits: dict[str, int] = field(default_factory=dict)


class GaveUp(Exception):
    """A supervisor's children failed more often than its intensity allows."""


class Supervisor(SupervisedActor):
    """An actor with children, of which only the one that failed restarts.

    Subclasses write `received` in place of `handle`.
    """

    child_field = "actor"  # what a child's name is, in lines about it

    def __init__(
        self,
        parent: Parent | None,
        clock: Clock,
        intensity: Intensity,
        backoff: Backoff | None = None,
        on_root_failure: Callable[[str], None] | None = None,
        dispatcher: Dispatcher | None = None,
        own_thread: bool = True,
    ) -> None:
        """``dispatcher`` runs the children and theirs; a parent says so to its children. Without
        ``own_thread`` it runs a root, too."""
        super().__init__(parent, on_root_failure, None if own_thread else dispatcher)
        self._dispatcher = dispatcher if parent is None else parent.dispatcher
        self.clock = clock
        self._failures = Failures(intensity)
        self._backoff = backoff or Backoff()
        self._children: dict[str, _Child] = {}
        self._incarnations = count(1)

    def received(self, message: Any) -> None:
        """A message that is not about supervision."""
        raise NotImplementedError

    def gave_up(self, failure: ChildFailed) -> None:
        """The intensity is exceeded. Escalates by failing, unless a subclass knows better."""
        raise GaveUp(f"{failure.child} failed too often; last reason: {failure.reason}")

    def restarting(self, name: str) -> None:
        """A child is about to be restarted, after its delay."""

    def poisoned(self, failure: ChildFailed) -> None:
        """The same culprit failed two incarnations of a child."""
        self.gave_up(failure)

    def handle(self, message: Any) -> None:
        """Word about children, or `received`."""
        match message:
            case ChildFailed():
                self._child_failed(message)
            case _RestartDue(name, incarnation):
                child = self._children.get(name)
                if child is not None and child.incarnation == incarnation and child.ref is None:
                    self._start(name, child)
            case _:
                self.received(message)

    def stopped(self) -> None:
        """Stop the children, the last started first."""
        for name in reversed(list(self._children)):
            self.stop_child(name)

    def start_child(self, name: str, start: StartChild) -> None:
        """Start a child under a name that no living child has."""
        if name in self._children:
            raise ValueError(f"there is a child {name}")
        child = self._children[name] = _Child(start)
        self._start(name, child)

    def stop_child(self, name: str) -> None:
        """Stop a child and forget it; what it still says is dropped."""
        child = self._children.pop(name, None)
        if child is not None:
            self._end(name, child)

    def forget_child(self, name: str) -> None:
        """Forget a child that ends by itself."""
        self._children.pop(name, None)

    def child(self, name: str) -> Ref | None:
        """The child's present incarnation, if it runs."""
        child = self._children.get(name)
        return child.ref if child is not None else None

    @property
    def children(self) -> list[str]:
        """The children's names in starting order."""
        return list(self._children)

    def _start(self, name: str, child: _Child) -> None:
        # Never the same number twice, not even for a name that was forgotten and came again.
        child.incarnation = next(self._incarnations)
        parent = Parent(
            self.actor_ref,
            name,
            child.incarnation,
            restarts=child.failures,
            dispatcher=self._dispatcher,
        )
        child.ended = parent.ended
        try:
            child.ref = child.start(parent)
        except BaseException as error:  # noqa: BLE001 - the child's failure, not this actor's
            log_failure(name, error, self.child_field)
            tell(self.actor_ref, ChildFailed(name, child.incarnation, reason_of(error)))

    def _end(self, name: str, child: _Child) -> None:
        ref, child.ref = child.ref, None
        if ref is not None:
            ref.stop(block=False)
            if not wait_ended(ref, child.ended, STOP_TIMEOUT):
                log.error("actor.does_not_stop", actor=name, seconds=STOP_TIMEOUT)

    def _child_failed(self, failure: ChildFailed) -> None:
        child = self._children.get(failure.child)
        if child is None or child.incarnation != failure.incarnation:
            return
        child.ref = None  # it ends by itself
        child.failures += 1
        if failure.culprit is not None:
            child.culprits[failure.culprit] = child.culprits.get(failure.culprit, 0) + 1
            if child.culprits[failure.culprit] >= 2:
                self.poisoned(failure)
                return
        if not self._failures.add(self.clock.now()):
            self.gave_up(failure)
            return
        delay = self._backoff.delay(child.failures, random.random)
        name = failure.child
        said = {"actor": name, self.child_field: name, "failures": child.failures}
        log.info("actor.restart", **said, delay=round(delay, 3))
        self.restarting(name)
        due = _RestartDue(name, child.incarnation)
        self.clock.call_later(delay, telling(self.actor_ref, due))
