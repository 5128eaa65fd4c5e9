"""Keepers: what carries each session from its opening to the end of its clean-up.

A keeper is a value, not a thread: a thousand idle sessions take no thread each. It is supervised as
an actor would be: what it raises ends it and no other, and it begins anew, with backoff, from the
log. One that fails more often than `SESSION_INTENSITY` allows fails its session. A broker that does
not answer is no failure: the keeper waits, and tries again. What a keeper does is
`sessions.lifecycle`; two keepers of one session are harmless.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from coffeeshop.actors.restarts import SESSION_INTENSITY, Failures
from coffeeshop.actors.rounds import Context, RoundsActor
from coffeeshop.actors.supervised import Parent, Ref, reason_of, tell
from coffeeshop.clock import Backoff
from coffeeshop.crashpoints import crash_point
from coffeeshop.errors import BrokerRefuses, CoffeeshopError
from coffeeshop.observability.logs import get_logger
from coffeeshop.sessions.events import End
from coffeeshop.sessions.lifecycle import (
    Action,
    Decision,
    KeeperState,
    Known,
    Session,
    View,
    decide,
    has_no_end_to_write,
    is_refusal,
)
from coffeeshop.sessions.outcome import Subscription
from coffeeshop.sessions.steps import makes_journals

log = get_logger()
ACTIONS_IN_A_ROW = 10
RETRIES = Backoff(0.2, 10.0)


@dataclass(frozen=True)
class Keep:
    """To keepers: this session is ours. ``headers``: those of its tasks' assignments."""

    session: str
    headers: Mapping[str, str | int]


@dataclass(frozen=True)
class Look:
    """To keepers: something happened to the session."""

    session: str


@dataclass(frozen=True)
class SessionOver:
    """To the supervisor: the session needs no keeper any more."""

    session: str


@dataclass
class _Keeper:
    """One session's keeper. Belongs to its actor's thread."""

    headers: Mapping[str, str | int]
    state: KeeperState
    subscription: Subscription | None = None
    """To what the session's tasks ask for."""
    failures: Failures = field(default_factory=lambda: Failures(SESSION_INTENSITY))
    attempts: int = 0
    not_before: float = float("-inf")

    def failed(self, error: Exception, now: float) -> None:
        """Try again after a while; begin anew after a bug, and give up after too many."""
        if not isinstance(error, CoffeeshopError):
            self.state = self.state.anew()
            if not self.failures.add(now):
                reason = f"its keeper failed too often; last reason: {reason_of(error)}"
                self.state = replace(self.state, failure=End("failed", reason))
        self.attempts += 1
        self.not_before = now + RETRIES.delay(self.attempts, random.random)


class Keepers(RoundsActor):
    """The keepers of a share of the live sessions, each supervised by itself."""

    def __init__(self, parent: Parent, context: Context) -> None:
        super().__init__(parent, context)
        self._kept: dict[str, _Keeper] = {}

    def handle(self, message: Any) -> None:
        """A session to keep, or to look at."""
        match message:
            case Keep(session, headers):
                state = KeeperState(since=self.sessions.clock.now())
                self._kept.setdefault(session, _Keeper(headers, state))
                self._attend(session)
            case Look(session):
                self._attend(session)
            case _:
                super().handle(message)

    def come_round(self) -> None:
        """Attend to every session."""
        for session in list(self._kept):
            self._attend(session)

    def _attend(self, name: str) -> None:
        """Do all that is due."""
        keeper, now = self._kept.get(name), self.sessions.clock.now()
        if keeper is None or now < keeper.not_before:
            return
        with self.attempt(name, "attend") as attempt:
            for _ in range(ACTIONS_IN_A_ROW):
                decision = self._decide(name, keeper)
                view, transition = decision.view, decision.transition
                if decision.over:
                    self._let_go(name)
                if view is None or transition is None:
                    return
                attempt.step = transition.action.name.lower()
                self._act(transition.action, view, keeper)
                keeper.attempts = 0
        if attempt.error is not None:
            keeper.failed(attempt.error, now)

    def _decide(self, name: str, keeper: _Keeper) -> Decision:
        sessions = self.sessions
        session = sessions.log.latest(name)
        known = Known(
            session,
            session is None and sessions.log.expired_owner(name) is not None,
            sessions.end_of(name),
            keeper.state.watching and session is not None and sessions.misses(session),
        )
        decision = decide(known, keeper.state, sessions.log.moment(), sessions.timeouts)
        keeper.state = decision.keeper
        return decision

    def _let_go(self, name: str) -> None:
        keeper = self._kept.pop(name)
        if keeper.subscription is not None:
            keeper.subscription.close()
        self.tell_parent(SessionOver(name))

    def _act(self, action: Action, view: View, keeper: _Keeper) -> None:
        say = log.info if action in (Action.ABORT, Action.GIVE_UP_CLIENT) else log.debug
        reason = "" if view.overdue is None else view.overdue.reason
        name = action.name.lower()
        say("keeper.acts", session=view.session.spec.id, action=name, reason=reason)
        keeper.state = keeper.state.before(action)
        try:
            if action is Action.WATCH:
                self._watch(view.session, keeper)
            elif action is Action.REPAIR:
                self.sessions.repairs.act(view.session)
            else:
                self.sessions.act(action, view, keeper.headers)
        except CoffeeshopError as error:
            if is_refusal(action, error):
                keeper.state = replace(keeper.state, failure=self._refusal(action, error))
            elif has_no_end_to_write(action, error):
                keeper.state = replace(keeper.state, end=view.overdue)
            else:
                raise
        keeper.state = keeper.state.after(action, view.now.process)

    def _watch(self, session: Session, keeper: _Keeper) -> None:
        me, name = self.actor_ref, session.spec.id
        outcome = self.sessions.outcomes.of(session.spec)
        outcome.on_end(lambda _: _end_read(me, name))
        if keeper.subscription is None:
            hear = partial(self.sessions.updated, name)
            keeper.subscription = outcome.subscribe(hear)

    def _refusal(self, action: Action, error: CoffeeshopError) -> End:
        if isinstance(error, BrokerRefuses):
            name, reason = "BrokerRefuses", str(error)
        elif not makes_journals(self.sessions.outbox.transport):
            name, reason = "BrokerFull", "the broker makes no streams"
        else:
            name = "SessionFailed"
            reason = f"the session could not be opened; open another: {error}"
        return End("failed", reason, refused=name if action is Action.DECLARE else "")


def _end_read(keepers: Ref, session: str) -> None:
    crash_point("keeper.end_read")
    tell(keepers, Look(session))
