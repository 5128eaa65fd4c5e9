"""The journal of a task's attempts: claims appended and read back, records announced."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from coffeeshop.actors.monitor import Turnstile
from coffeeshop.clock import Clock
from coffeeshop.errors import CodecError
from coffeeshop.observability.logs import get_logger
from coffeeshop.pipeline.messages import Record, TaskId, out_journal
from coffeeshop.pipeline.poison import Claim, RetryDecision, decide
from coffeeshop.transport import Delivery, JournalSubscription, Outcome, Transport
from coffeeshop.transport.outbox import Outbox, error_of

log = get_logger()


@dataclass(frozen=True)
class RetryDecided:
    """To the task: the claim is stored, and this is how to go on."""

    decision: RetryDecision


@dataclass(frozen=True)
class RecordAnnounced:
    """To the task: it is stored what the task is about to take, and it is its turn."""

    turn: object


@dataclass(frozen=True)
class JournalGone:
    """To the task: a journal does not exist, so the session is over."""

    journal: str


class AttemptJournal:
    """Used by its task's thread; ``tell`` may be called from any, and must not block."""

    def __init__(
        self,
        task: TaskId,
        transport: Transport,
        clock: Clock,
        turnstile: Turnstile,
        tell: Callable[[object], None],
        say_again: float = math.inf,
    ) -> None:
        """``say_again``: seconds after which a claim that is not read back is made once more."""
        self._claim = Claim(task.producer, uuid.uuid4().hex)
        self._journal = out_journal(task.session)
        self._transport = transport
        self._outbox = Outbox(transport, clock)
        self._clock = clock
        self._turnstile = turnstile
        self._tell = tell
        self._claims: list[Claim] = []
        self._say_again = say_again
        self._is_decided = False
        self._reading: JournalSubscription | None = None
        self._open_turns: dict[object, None] = {}  # in their order

    def begin(self) -> None:
        """Claim the task; `RetryDecided` follows once the claim is stored and all were read."""
        self._claim_again()
        gone = JournalGone(self._journal)
        self._reading = JournalSubscription(
            self._transport, self._journal, self._on_record, lambda: self._tell(gone)
        )

    def _claim_again(self) -> None:
        """Until it is read back: what a broker confirmed may be nowhere."""
        if self._is_decided:
            return
        self._append(self._claim, lambda: None)
        if self._say_again < math.inf:
            self._clock.call_later(self._say_again, self._claim_again)

    def announce(self, record: str) -> None:
        """Wait for a turn and name the record: `RecordAnnounced` follows when that is stored."""
        claim = Claim(self._claim.task, self._claim.attempt, record)
        turn = object()
        self._open_turns[turn] = None
        announced = RecordAnnounced(turn)
        self._turnstile.ask(turn, lambda: self._append(claim, lambda: self._tell(announced)))

    def committed(self, turn: object) -> None:
        """The record is behind the task; the turn ends when that is stored."""

        def stored() -> None:
            self._open_turns.pop(turn, None)
            self._turnstile.give_back(turn)

        self._append(self._claim, stored)

    def stop_reading(self) -> None:
        """Nothing more is wanted of the claims."""
        self._is_decided = True
        if self._reading is not None:
            self._reading.close()

    def close(self) -> None:
        """The attempt is over, whatever it was at."""
        open_turns = tuple(self._open_turns)
        if open_turns:  # this process lives: no record that it named killed it
            self._append(self._claim, lambda: None)
        for turn in open_turns:
            self._turnstile.give_back(turn)
        self.stop_reading()

    def _append(self, claim: Claim, then: Callable[[], None]) -> None:
        def ended(outcome: Outcome) -> None:
            if outcome is Outcome.CONFIRMED:
                then()
            elif outcome is Outcome.RETURNED:
                self._tell(JournalGone(self._journal))
            else:
                refused = error_of(outcome, self._journal, message)
                self._tell(RetryDecided(RetryDecision(give_up=str(refused))))

        message = claim.record().message()
        self._outbox.append(self._journal, message, ended)

    def _on_record(self, delivery: Delivery) -> bool:
        headers = delivery.message.headers
        if headers.get("kind") == "done" and headers.get("producer") == self._claim.task:
            self._claims.clear()  # those that came to their end died over nothing
        if headers.get("kind") != "claim":
            return True
        try:
            claim = Claim.of(Record.of(delivery.message))
        except CodecError as error:
            log.warning(
                "task.claim_unreadable",
                queue=self._journal,
                offset=delivery.offset,
                reason=str(error),
            )
            return True
        self._claims.append(claim)
        if claim != self._claim:
            return True
        self._is_decided = True
        self._tell(RetryDecided(decide(self._claims, self._claim)))
        return False
