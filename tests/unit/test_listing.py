"""Which sessions a list shows."""

from __future__ import annotations

import pytest

from coffeeshop.gateway.listing import Listing, State, cursor, printable
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.sessions.lifecycle import Session

SESSIONS = [
    Session(SessionSpec("a1"), "g", 1.0, "North mall", "alice"),
    Session(SessionSpec("b2"), "g", 2.0, "South Mall", "bob", "failed", "bad data: line 7"),
    Session(SessionSpec("c3", "staged"), "g", 3.0, "harbour", "bob", "failed", "a worker died"),
]


@pytest.mark.parametrize(
    ("state", "text", "shown"),
    [
        (None, "", ["c3", "b2", "a1"]),
        ("failed", "", ["c3", "b2"]),
        (None, "mall", ["b2", "a1"]),
        (None, "MALL bob", ["b2"]),
        (None, "line 7", ["b2"]),
        (None, "c3", ["c3"]),
        (None, "staged", ["c3"]),
        ("open", "bob", []),
    ],
)
def test_every_word_must_occur_somewhere(state: State | None, text: str, shown: list[str]) -> None:
    found = Listing.of(SESSIONS, state, text)
    assert [each.spec.id for each in found.sessions] == shown


def test_the_counts_are_of_all_states_that_the_text_finds() -> None:
    none = {"completed": 0, "cancelled": 0, "aborted": 0}
    assert Listing.of(SESSIONS, "open", "").counts == {"open": 1, "failed": 2, **none}
    assert Listing.of(SESSIONS, "open", "mall").counts == {"open": 1, "failed": 1, **none}


def test_a_page_begins_behind_the_last_of_the_one_before() -> None:
    found = Listing.of(SESSIONS, None, "")
    assert [each.spec.id for each in found.behind(cursor(SESSIONS[1]))] == ["a1"]


def test_a_clients_text_commands_no_terminal() -> None:
    assert printable("\x1b[31mré\n") == "\N{REPLACEMENT CHARACTER}[31mré\N{REPLACEMENT CHARACTER}"
