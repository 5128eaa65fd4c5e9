"""A ledger of what publishers saw confirmed, and the look for each of it in the journals.

``python -m coffeeshop.testing.ledger run-node ...`` is ``coffeeshop run-node ...`` that numbers its
appends (a header of their own) and writes down, in a file of the folder COFFEESHOP_LEDGER, which of
them were confirmed. What was confirmed and is in no journal, the broker has lost.
"""

from __future__ import annotations

import os
import random
import runpy
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from coffeeshop.testing.forwarding import NOWHERE
from coffeeshop.transport.base import Message, OnOutcome, Outcome
from coffeeshop.transport.rabbitmq.transport import RabbitTransport

FOLDER = "COFFEESHOP_LEDGER"
LOSES = "COFFEESHOP_LOSES"
"""The share of its appends that a process takes for confirmed and loses."""
HEADER = "appended"
"""Says which append of which process a message is: ``PROCESS/NUMBER``."""


@dataclass(frozen=True)
class Balance:
    """What became of the confirmed appends to the journals that were read."""

    stored: int = 0
    lost: tuple[str, ...] = ()
    """Confirmed and not in the journal: the journal and the append, as text."""
    unread: int = 0
    """At the end of a journal that was deleted before it was read to its end: not known."""

    @property
    def confirmed(self) -> int:
        """All of them."""
        return self.stored + len(self.lost) + self.unread


def balance(
    confirmed: Mapping[str, Collection[str]],
    seen: Mapping[str, Collection[str]],
    deleted: Collection[str],
) -> Balance:
    """Look for each confirmed append, by journal, in what was read of the journals.

    Appends of one process to one journal keep their order while they are confirmed: what is not
    there although a later one of that process is there was lost, also in a journal that was
    deleted meanwhile.
    """
    stored = unread = 0
    lost = []
    for journal in sorted(confirmed.keys() & seen.keys()):
        read = set(seen[journal])
        last: dict[str, int] = defaultdict(int)
        for append in read:
            process, number = _parts(append)
            last[process] = max(last[process], number)
        for append in sorted(set(confirmed[journal]), key=_parts):
            process, number = _parts(append)
            if append in read:
                stored += 1
            elif journal in deleted and number > last[process]:
                unread += 1
            else:
                lost.append(f"{journal} {append}")
    return Balance(stored, tuple(lost), unread)


def read_ledgers(folder: Path) -> dict[str, set[str]]:
    """The confirmed appends by journal, of every process that wrote into the folder."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in folder.glob("*.ledger"):
        for journal, append in _entries(file.read_text()):
            found[journal].add(append)
    return found


def _entries(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        journal, _, append = line.partition("\t")
        yield journal, append


def _parts(append: str) -> tuple[str, int]:
    process, _, number = append.rpartition("/")
    return process, int(number)


def keep_ledger(folder: Path) -> None:
    """Have this process number its appends and note those that are confirmed, from now on."""
    folder.mkdir(parents=True, exist_ok=True)
    # Unbuffered and appended to: what was confirmed is noted even if the process is killed next.
    file = os.open(folder / f"{os.getpid()}.ledger", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    numbers = count(1)
    append_as_ever = RabbitTransport.append

    def append(self: RabbitTransport, name: str, message: Message, on_outcome: OnOutcome) -> None:
        number = f"{os.getpid()}/{next(numbers)}"

        def ended(outcome: Outcome) -> None:
            if outcome is Outcome.CONFIRMED:
                os.write(file, f"{name}\t{number}\n".encode())
            on_outcome(outcome)

        numbered = replace(message, headers={**message.headers, HEADER: number})
        append_as_ever(self, name, numbered, ended)

    RabbitTransport.append = append  # type: ignore[method-assign]


def lose_appends(share: float) -> None:
    """Have this process take some appends to sessions' journals for confirmed, and store them
    nowhere: from 0 to 1. They are in no ledger, since the broker never had them.
    """
    append_as_ever, chance = RabbitTransport.append, random.Random()

    def append(self: RabbitTransport, name: str, message: Message, on_outcome: OnOutcome) -> None:
        if name.startswith(("in.", "out.")) and chance.random() < share:
            name, message = NOWHERE, Message()
            append_as_ever(self, name, message, lambda _: on_outcome(Outcome.CONFIRMED))
        else:
            append_as_ever(self, name, message, on_outcome)

    RabbitTransport.append = append  # type: ignore[method-assign]


if __name__ == "__main__":
    keep_ledger(Path(os.environ[FOLDER]))
    if share := os.environ.get(LOSES):
        lose_appends(float(share))
    runpy.run_module("coffeeshop", run_name="__main__", alter_sys=True)
