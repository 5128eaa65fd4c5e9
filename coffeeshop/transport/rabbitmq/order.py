"""Confirmations in the order of the appends. Pure: no I/O, no threads.

When the node that leads a stream is killed, a channel on another node that has appends in flight
may have everything later on it confirmed and stored nowhere, until its connection goes (measured
on RabbitMQ 3.10.8, reported upstream as rabbitmq-server issue 9457). Those in flight are never
confirmed then. So an append counts as confirmed only when all earlier ones to the same journal on
the same channel are; whatever waits for an earlier one when the channel goes is sent again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(eq=False)
class Sent(Generic[T]):
    """A message on its way, and what the broker said of it."""

    journal: str
    post: T
    number: int
    confirmed: bool = False
    dropped: bool = False
    """It ended otherwise, and nothing waits for it any more."""


@dataclass(eq=False)
class _Journal(Generic[T]):
    sent: deque[Sent[T]] = field(default_factory=deque)
    early: int = 0
    """How many of them are confirmed and wait for an earlier one."""
    overtaken_since: float | None = None


class ConfirmOrder(Generic[T]):
    """What was sent on one channel, and which of it may be called confirmed."""

    def __init__(self) -> None:
        self._journals: dict[str, _Journal[T]] = {}
        self._numbers = count()

    def __len__(self) -> int:
        """How many have no outcome yet; from any thread, roughly."""
        return sum(len(journal.sent) for journal in tuple(self._journals.values()))

    def open(self, journal: str) -> int:
        """How many of one journal have no outcome yet."""
        return len(self._journals[journal].sent) if journal in self._journals else 0

    def send(self, journal: str, post: T) -> Sent[T]:
        """A message goes out."""
        sent = Sent(journal, post, next(self._numbers))
        self._journals.setdefault(journal, _Journal()).sent.append(sent)
        return sent

    def confirm(self, sent: Sent[T], now: float) -> list[T]:
        """The broker confirmed a message: those that are confirmed by that, in order."""
        sent.confirmed = True
        self._journals[sent.journal].early += 1
        return self._advance(sent.journal, now)

    def drop(self, sent: Sent[T], now: float) -> list[T]:
        """A message ended otherwise: those that are confirmed by that, in order."""
        sent.dropped = True
        return self._advance(sent.journal, now)

    def forget(self) -> list[T]:
        """The channel is gone: everything that has no outcome, in the order of sending."""
        left = [s for journal in self._journals.values() for s in journal.sent if not s.dropped]
        self._journals.clear()
        return [sent.post for sent in sorted(left, key=lambda sent: sent.number)]

    def overtaken_since(self) -> float | None:
        """Since when a confirmation is due that later ones of the same journal overtook."""
        since = (journal.overtaken_since for journal in self._journals.values())
        return min((when for when in since if when is not None), default=None)

    def _advance(self, name: str, now: float) -> list[T]:
        journal = self._journals[name]
        waiting, done = journal.sent, []
        while waiting and (waiting[0].confirmed or waiting[0].dropped):
            sent = waiting.popleft()
            if sent.confirmed:
                journal.early -= 1
                done.append(sent.post)
        if not waiting:
            del self._journals[name]
        elif not journal.early:
            journal.overtaken_since = None
        elif done or journal.overtaken_since is None:
            journal.overtaken_since = now
        return done
