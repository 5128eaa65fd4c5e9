"""Ordinary wrappers around any transport, each with one fault; chance is an argument.

::

    LocalSystem(transport=LostConfirms(MemoryTransport(), random.Random(7)))

They may be put around each other. What a wrapper does not spoil it passes on, so `transport.base`
is the contract here too, but for the fault. ``injected`` counts what was spoiled.
"""

from __future__ import annotations

import random
import threading
from collections import Counter, deque
from collections.abc import Callable

from coffeeshop.testing.cut import Cut
from coffeeshop.testing.forwarding import Forwarding, Send, refuse
from coffeeshop.testing.reordering import Reordering
from coffeeshop.transport.base import Message, OnOutcome, Outcome, Transport

__all__ = [
    "FAULTS",
    "Cut",
    "Duplicating",
    "Losing",
    "LostConfirms",
    "RefusingAppends",
    "Reordering",
    "Vanishing",
]

MOST_IN_A_ROW = 2
"""Faults a thread meets one after the other at one journal or queue: a third try gets through,
if nothing else (such as `Duplicating` around it) sends there in between."""
MEMORY = 8
"""Messages that `Duplicating` remembers."""


class AtRandom(Forwarding):
    """Spoils a share of the appends and publishes: subclasses say how in `spoilt`."""

    def __init__(self, inner: Transport, rng: random.Random, share: float = 0.3) -> None:
        """``share``: which part of the messages, from 0 to 1."""
        super().__init__(inner, rng)
        self._share = share
        self._in_a_row: Counter[tuple[str, int]] = Counter()

    def append(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        send = self.spoilt if self._strikes(name) else self.sound
        send(self.inner.append, name, message, on_outcome)

    def publish(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        send = self.spoilt if self._strikes(name) else self.sound
        send(self.inner.publish, name, message, on_outcome)

    def sound(self, send: Send, name: str, message: Message, on_outcome: OnOutcome) -> None:
        """Send a message without the fault."""
        send(name, message, on_outcome)

    def spoilt(self, send: Send, name: str, message: Message, on_outcome: OnOutcome) -> None:
        """Send a message with the fault."""
        raise NotImplementedError

    def _strikes(self, name: str) -> bool:
        key = (name, threading.get_ident())
        with self.lock:
            strikes = self._in_a_row[key] < MOST_IN_A_ROW and self.rng.random() < self._share
            self._in_a_row[key] = self._in_a_row[key] + 1 if strikes else 0
            self._injected += strikes
        return strikes


class LostConfirms(AtRandom):
    """Carries some appends and publishes out and says UNKNOWN, as if the connection had died."""

    def spoilt(self, send: Send, name: str, message: Message, on_outcome: OnOutcome) -> None:
        send(name, message, lambda _: on_outcome(Outcome.UNKNOWN))


class RefusingAppends(AtRandom):
    """Answers some appends and publishes with NACKED and stores nothing."""

    def spoilt(self, send: Send, name: str, message: Message, on_outcome: OnOutcome) -> None:
        refuse(send, on_outcome, Outcome.NACKED)


class Vanishing(AtRandom):
    """Confirms some appends to sessions' journals and stores them nowhere.

    As a broker does that loses a node. Control journals and queues are spared.
    """

    def append(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        if name.startswith(("in.", "out.")) and self._strikes(name):
            refuse(self.inner.append, on_outcome, Outcome.CONFIRMED)
        else:
            self.inner.append(name, message, on_outcome)

    def publish(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        self.inner.publish(name, message, on_outcome)


class Losing(Forwarding):
    """Confirms chosen appends and stores them nowhere, each of them once."""

    def __init__(
        self, inner: Transport, rng: random.Random, chosen: Callable[[str, Message], bool]
    ) -> None:
        """``chosen`` is asked for each append: the journal's name, and the message."""
        super().__init__(inner, rng)
        self._chosen = chosen
        self._lost: set[tuple[object, ...]] = set()

    def append(self, name: str, message: Message, on_outcome: OnOutcome) -> None:
        what = (name, *sorted(message.headers.items()))
        with self.lock:
            loses = what not in self._lost and self._chosen(name, message)
            if loses:
                self._lost.add(what)
                self._injected += 1
        if loses:
            refuse(self.inner.append, on_outcome, Outcome.CONFIRMED)
        else:
            self.inner.append(name, message, on_outcome)


class Duplicating(AtRandom):
    """Sends a message once more, now or with one of the next messages, wherever those go.

    The caller hears of the first only. So a repeat comes late at times: after an end of stream,
    after its session is over.
    """

    def __init__(self, inner: Transport, rng: random.Random, share: float = 0.3) -> None:
        super().__init__(inner, rng, share)
        self._recent: deque[Callable[[], None]] = deque(maxlen=MEMORY)

    def sound(self, send: Send, name: str, message: Message, on_outcome: OnOutcome) -> None:
        with self.lock:
            self._recent.append(lambda: send(name, message, lambda _: None))
        send(name, message, on_outcome)

    def spoilt(self, send: Send, name: str, message: Message, on_outcome: OnOutcome) -> None:
        self.sound(send, name, message, on_outcome)
        with self.lock:
            again = self.rng.choice(self._recent)
        again()


FAULTS: dict[str, Callable[[Transport, random.Random], Transport]] = {
    "duplicating": Duplicating,
    "reordering": Reordering,
    "lost confirms": LostConfirms,
    "refusing appends": RefusingAppends,
    "cut": Cut,
}
"""Every fault by name. `Cut` needs a test that heals it."""
