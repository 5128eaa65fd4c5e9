"""At-least-once sending: what the broker did not confirm is sent again, under the same id.

Every record and every assignment of the system goes out through an `Outbox`. Its receivers drop
repeats by the record's id, so the outbox needs no memory of what arrived.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, replace

from coffeeshop.clock import Backoff, Clock
from coffeeshop.errors import BrokerRefuses, CoffeeshopError, JournalGone
from coffeeshop.transport.base import REFUSED, Message, OnOutcome, Outcome, Transport, refusal

RESEND = Backoff(first=0.02, most=2.0)
"""Most repeats succeed at once: a connection was lost, and there is another."""
_Send = Callable[[str, Message, OnOutcome], None]


@dataclass(frozen=True)
class _Letter:
    """One message under way. ``patience``: seconds for which a refusal is not final."""

    send: _Send
    name: str
    message: Message
    on_end: OnOutcome
    patience: float | None = None
    attempt: int = 1
    nacked_since: float | None = None


class Outbox:
    """Sends each message until its outcome is final. Thread-safe; never blocks.

    A final outcome is any but ``NACKED`` and ``UNKNOWN``. It comes once per message, from a thread
    of the transport, or not at all after `close`. Messages of one caller keep their order unless
    one of them is sent again.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        backoff: Backoff = RESEND,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """``clock`` makes the repeats; ``chance`` gives numbers in [0, 1)."""
        self.transport = transport
        self.clock = clock
        self._backoff = backoff
        self._chance = chance
        self._is_open = True

    def close(self) -> None:
        """Send nothing again, and report nothing more."""
        self._is_open = False

    def append(self, journal: str, message: Message, on_end: OnOutcome) -> None:
        """Append to a journal; ``on_end`` hears the final outcome and must not block."""
        self._post(_Letter(self.transport.append, journal, message, on_end))

    def append_to_all(self, journals: Sequence[str], message: Message) -> Future[None]:
        """Append to several journals. The future is done when all of them confirmed the message.

        It raises `JournalGone` when one of them does not exist, `BrokerRefuses` when the broker
        will never take the message.
        """
        stored = _Stored(len(journals))
        for journal in journals:
            self.append(journal, message, stored.part(journal, message))
        return stored.future

    def publish(self, queue: str, message: Message, patience: float) -> Future[None]:
        """Put a message into a queue. The future is done when the broker confirmed it.

        It raises `JournalGone` when there is no such queue, `BrokerRefuses` when the broker will
        never take the message, or does nothing but refuse it for ``patience`` seconds.
        """
        stored = _Stored(1)
        ended = stored.part(queue, message)
        self._post(_Letter(self.transport.publish, queue, message, ended, patience))
        return stored.future

    def _post(self, letter: _Letter) -> None:
        letter.send(letter.name, letter.message, lambda outcome: self._ended(letter, outcome))

    def _ended(self, letter: _Letter, outcome: Outcome) -> None:
        if not self._is_open:
            return
        since = None  # a broker that was away meanwhile has not refused all that time
        if outcome is Outcome.NACKED:
            since = self.clock.now() if letter.nacked_since is None else letter.nacked_since
            if letter.patience is not None and self.clock.now() - since > letter.patience:
                letter.on_end(outcome)
                return
        elif outcome is not Outcome.UNKNOWN:
            letter.on_end(outcome)
            return
        again = replace(letter, attempt=letter.attempt + 1, nacked_since=since)
        delay = self._backoff.delay(letter.attempt, self._chance)
        self.clock.call_later(delay, lambda: self._post_again(again))

    def _post_again(self, letter: _Letter) -> None:
        if self._is_open:
            self._post(letter)


class _Stored:
    """A future that is done when so many parts are confirmed."""

    def __init__(self, parts: int) -> None:
        self.future: Future[None] = Future()
        self._lock = threading.Lock()
        self._left = parts
        if parts == 0:
            self.future.set_result(None)

    def part(self, name: str, message: Message) -> OnOutcome:
        """What hears the outcome of one part."""

        def ended(outcome: Outcome) -> None:
            with suppress(InvalidStateError):  # another part failed, or the caller has cancelled it
                if outcome is not Outcome.CONFIRMED:
                    self.future.set_exception(error_of(outcome, name, message))
                elif self._is_last():
                    self.future.set_result(None)

        return ended

    def _is_last(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left == 0


def error_of(outcome: Outcome, name: str, message: Message) -> CoffeeshopError:
    """The exception that a final outcome stands for, other than ``CONFIRMED``."""
    if outcome in REFUSED:
        return BrokerRefuses(refusal(outcome, name, message))
    if outcome is Outcome.NACKED:
        return BrokerRefuses(
            f"the broker refuses every message for {name}: a policy limits the queue "
            "(max-length with reject-publish; rabbitmqctl list_policies shows it), "
            "or most of the queue's nodes are away"
        )
    return JournalGone(f"{name} does not exist")
