"""Which sessions a list shows: by state and by a text, newest first, page after page; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Query

from coffeeshop.names import STATES
from coffeeshop.sessions.lifecycle import Session

State = Literal[*STATES]  # type: ignore[valid-type]
SearchText = Annotated[
    str,
    Query(max_length=200, description="Words that name, id, owner, plan or reason must contain."),
]


@dataclass(frozen=True)
class Listing:
    """The sessions that a list shows, newest first."""

    sessions: list[Session]
    counts: dict[str, int]
    """How many the text finds of each state, whatever state is shown."""

    @classmethod
    def of(cls, sessions: Iterable[Session], state: State | None, text: str) -> Listing:
        """Those of that state (None: of all) in which every word of ``text`` occurs."""
        words = text.casefold().split()
        found = [each for each in sessions if _has(each, words)] if words else list(sessions)
        counts = Counter[str](each.state for each in found)
        shown = [each for each in found if state is None or each.state == state]
        shown.sort(key=_place, reverse=True)
        return cls(shown, {each: counts[each] for each in STATES})

    def behind(self, after: str) -> list[Session]:
        """Those behind the one with that `cursor`, which may be gone meanwhile."""
        created, _, name = after.partition("_")
        return [each for each in self.sessions if _place(each) < (float(created), name)]


def cursor(session: Session) -> str:
    """A session's place in a list."""
    return "{!r}_{}".format(*_place(session))


def printable(text: str) -> str:
    """A client's text without what could command a terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _place(session: Session) -> tuple[float, str]:
    return float(session.created), session.spec.id


def _has(session: Session, words: list[str]) -> bool:
    texts = (session.name, session.spec.id, session.owner, session.spec.plan, session.reason)
    everything = "\n".join(texts).casefold()
    return all(word in everything for word in words)
