"""An actor whose every failure reaches its supervisor; see `coffeeshop.actors.supervision`."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from queue import Queue
from typing import Any

import pykka

from coffeeshop.actors.dispatcher import Dispatcher
from coffeeshop.actors.mailbox import Mailbox, Paused
from coffeeshop.observability.logs import about, get_logger

log = get_logger()
Ref = pykka.ActorRef[Any]


@dataclass(frozen=True)
class ChildFailed:
    """An actor to its supervisor: an exception ended me. ``culprit`` is what I was working on."""

    child: str
    incarnation: int
    reason: str
    culprit: str | None = None


@dataclass(frozen=True)
class Parent:
    """Who supervises an actor, and under which name and incarnation."""

    supervisor: Ref
    name: str
    incarnation: int
    ended: threading.Event = field(default_factory=threading.Event, compare=False)
    """Set when the actor did all it does, `SupervisedActor.stopped` included."""
    restarts: int = field(default=0, compare=False)
    dispatcher: Dispatcher | None = field(default=None, compare=False)
    """Runs the actor; None: a thread of its own does."""


def tell(ref: Ref, message: object) -> bool:
    """Tell an actor; False when it is no longer there."""
    try:
        ref.tell(message)
    except pykka.ActorDeadError:
        return False
    return True


def telling(ref: Ref, message: object) -> Callable[[], None]:
    """A call that tells it; of no effect on an actor that is no longer there."""

    def call() -> None:
        tell(ref, message)

    return call


def wait_ended(ref: Ref, ended: threading.Event, timeout: float) -> bool:
    """Wait that many seconds until an actor that was asked to stop has set ``ended``."""
    inbox = ref.actor_inbox
    if isinstance(inbox, Mailbox):
        return inbox.run_until(ended, timeout)
    return ended.wait(timeout)


class SupervisedActor(pykka.ThreadingActor):
    """An actor whose every failure reaches its supervisor.

    Subclasses write `started`, `handle` and `stopped`; no two of them run at once. With a
    dispatcher they run in any of its threads, else all of them in a thread of the actor's own.
    """

    use_daemon_thread = True

    def __init__(
        self,
        parent: Parent | None,
        on_root_failure: Callable[[str], None] | None = None,
        dispatcher: Dispatcher | None = None,
    ) -> None:
        """``dispatcher``: runs it, if there is no parent that says so."""
        if parent is not None:
            dispatcher = parent.dispatcher
        self._mailbox = None if dispatcher is None else Mailbox(dispatcher, self._turn)
        self._variables = Context()  # of this actor, whichever thread it runs in
        self._begun = False
        super().__init__()
        self.parent = parent
        self.culprit: str | None = None
        self.context: dict[str, str | int] = {}  # what every line logged in its thread says
        self._on_root_failure = on_root_failure
        self._failed = False

    def started(self) -> None:
        """After the start, before the first message."""

    def handle(self, message: Any) -> None:
        """One message. Whatever it raises ends this incarnation."""
        raise NotImplementedError

    def stopped(self) -> None:
        """At the end, also after a failure: let go of what is held outside."""

    def _create_actor_inbox(self) -> Any:  # type: ignore[override]  # pykka's needs no actor
        return Queue() if self._mailbox is None else self._mailbox

    def _start_actor_loop(self) -> None:
        """pykka's hook: run the actor from now on."""
        if self._mailbox is None:
            super()._start_actor_loop()
        else:
            self._mailbox.start()

    def _turn(self) -> bool:
        """Handle some messages; false when the actor has ended."""
        return self._variables.run(self._handle_some)

    def _handle_some(self) -> bool:
        # pykka's own loop, left when the mailbox pauses it and entered again at the next turn.
        if not self._begun:
            self._begun = True
            self._actor_loop_setup()
        try:
            self._actor_loop_running()
        except Paused:
            return True
        assert self._mailbox is not None
        self._mailbox.lift_limit()
        self._actor_loop_teardown()
        return False

    def on_start(self) -> None:
        """pykka's hook; see `started`."""
        about(**self.context)
        self._guarded(self.started)

    def on_receive(self, message: Any) -> None:
        """pykka's hook; see `handle`."""
        if not self._failed:
            self._guarded(self.handle, message)

    def on_stop(self) -> None:
        """pykka's hook; see `stopped`."""
        try:
            self._guarded(self.stopped)
        finally:
            if self.parent is not None:
                self.parent.ended.set()

    def tell_parent(self, message: object) -> None:
        """Say something to the supervisor."""
        if self.parent is not None:
            tell(self.parent.supervisor, message)

    def _guarded(self, call: Callable[..., None], *args: Any) -> None:
        try:
            call(*args)
        except BaseException as error:  # noqa: BLE001 - the one place that must see everything
            if self._failed:
                return
            self._failed = True
            try:
                log_failure(self.parent.name if self.parent else type(self).__name__, error)
                self._report(reason_of(error))
            finally:
                if self.actor_ref.is_alive():  # not when it was `stopped` that failed
                    self.stop()

    def _report(self, reason: str) -> None:
        if self.parent is not None:
            self.tell_parent(
                ChildFailed(self.parent.name, self.parent.incarnation, reason, self.culprit)
            )
        elif self._on_root_failure is not None:
            self._on_root_failure(reason)


def reason_of(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001 - an error that cannot say what it is
        return type(error).__name__


def log_failure(actor: str, error: BaseException, field: str = "actor") -> None:
    # Never a failure: who has no memory or no space left to log must be heard all the same.
    with suppress(BaseException):
        trace = "".join(traceback.format_exception(error, limit=-4))
        told = {"actor": actor, field: actor, "reason": reason_of(error), "trace": trace}
        log.warning("actor.failed", **told)
