"""Actors that look after sessions by coming round: each looks at all that is its own, again and
again, and says so. One that stays away is noticed (`keeper_supervisor.HostedKeepers.trouble`).

`keeper.Keepers` has the sessions that have a keeper, `ReleasedSessions` all others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from coffeeshop.actors.supervised import Parent, SupervisedActor, log_failure, reason_of, telling
from coffeeshop.errors import CoffeeshopError
from coffeeshop.observability.logs import get_logger
from coffeeshop.sessions.lifecycle import (
    LONGEST_OPENING,
    KeeperState,
    Phase,
    Session,
    next_transition,
)
from coffeeshop.sessions.retention import Retention
from coffeeshop.sessions.sessions import Sessions
from coffeeshop.sessions.steps import deleted

log = get_logger()
ADOPTED_AFTER = 30.0
"""Seconds that something is due of a session until it is assigned to a keeper again."""
ORPHANS_PERIOD = 60.0


@dataclass(frozen=True)
class Context:
    """What all actors that look after sessions share. ``period``: seconds between two looks."""

    sessions: Sessions
    retention: Retention
    period: float


@dataclass(frozen=True)
class CameRound:
    """To the supervisor: an actor looked at all that it looks after."""

    name: str


@dataclass(frozen=True)
class StepFailed:
    """To the supervisor, to be counted."""

    step: str
    reason: str
    session: str = ""


class Tick:
    """Look at everything."""


@dataclass
class Attempt:
    """What is being tried, by its name in metrics, and the error that it came to."""

    step: str
    error: Exception | None = None


class RoundsActor(SupervisedActor):
    """An actor that comes round every `Context.period` seconds."""

    def __init__(self, parent: Parent, context: Context) -> None:
        super().__init__(parent)
        self.shared = context
        self.sessions = context.sessions

    def started(self) -> None:
        """Come round for the first time."""
        self.handle(Tick())

    def handle(self, message: Any) -> None:
        """`Tick`, or what a subclass knows."""
        if isinstance(message, Tick):
            self.come_round()
            assert self.parent is not None
            self.tell_parent(CameRound(self.parent.name))
            self.sessions.clock.call_later(self.shared.period, telling(self.actor_ref, Tick()))

    def come_round(self) -> None:
        """Look at everything."""
        raise NotImplementedError

    @contextmanager
    def attempt(self, session: str, step: str) -> Iterator[Attempt]:
        """One session that cannot be looked after does not hide the others: it is tried again.

        A broker that does not answer is no failure; anything but `CoffeeshopError` is counted.
        """
        attempt = Attempt(step)
        try:
            yield attempt
        except CoffeeshopError as error:
            attempt.error = error
            log.warning(
                "session.unfinished", session=session, action=attempt.step, reason=str(error)
            )
        except Exception as error:  # noqa: BLE001 - the session's failure, not this actor's
            attempt.error = error
            log_failure(attempt.step, error, "step")
            self.tell_parent(StepFailed(attempt.step, reason_of(error), session))


class LogTicker(RoundsActor):
    """Writes what is written now and then; see `SessionLog.tick`."""

    def come_round(self) -> None:
        """Tick."""
        self.sessions.log.tick()


class ReleasedSessions(RoundsActor):
    """Expires results, cleans up after deletions, and finds sessions without a keeper."""

    def __init__(self, parent: Parent, context: Context) -> None:
        super().__init__(parent, context)
        self._due_since: dict[str, float] = {}
        self._orphans_at = float("-inf")

    def come_round(self) -> None:
        """Look at all sessions, then at what deleted ones may have left."""
        now, known = self.sessions.log.moment(), self.sessions.log.all()
        due_since, self._due_since = self._due_since, {}
        for session in known:
            name = session.spec.id
            end = self.sessions.end_of(name)
            view = self.sessions.view(session, KeeperState(watching=True, end=end))
            row = next_transition(view)
            if row is None:
                continue
            if session.phase is Phase.RELEASED:
                with self.attempt(name, row.action.name.lower()):
                    self.sessions.act(row.action, view)
            else:
                self._due_since[name] = self._adopt(
                    session, due_since.get(name, now.process), now.process
                )
        for session in self.shared.retention.crowded_out(known, now.wall):
            log.info("session.makes_room", session=session.spec.id)
            with self.attempt(session.spec.id, "retention"):
                self.sessions.expire(session)
        if now.process >= self._orphans_at and self._clean_up_orphans():
            self._orphans_at = self.sessions.log.moment().process + ORPHANS_PERIOD

    def _adopt(self, session: Session, since: float, now: float) -> float:
        """Assign a session to a keeper of which something has been due for long.

        Its queue was deleted, or it was opened by a release that had no keepers. Returns since
        when it is due, or was assigned.
        """
        if now - since <= ADOPTED_AFTER:
            return since
        log.warning("session.adopted", session=session.spec.id, phase=session.phase.value)
        with self.attempt(session.spec.id, "adopt"):
            self.sessions.assign_keeper(session.spec.id)
        return now

    def _clean_up_orphans(self) -> bool:
        """Delete what could not be deleted, and what was made too late. Twice is harmless.

        Whether there was something to try."""
        orphans = self.sessions.log.possible_orphans(LONGEST_OPENING)
        broken = self.sessions.log.broken()
        for session in orphans:
            with self.attempt(session.spec.id, "orphans"):
                self.sessions.expire(session, settled=True)
        for journal, session_id in broken.items():
            if deleted(self.sessions.outbox.transport, journal):
                log.info("journal.orphan_deleted", session=session_id, journal=journal)
                self.sessions.log.append_and_read_back(
                    "orphan_deleted", session_id, journal=journal
                )
        return bool(orphans or broken)
