"""`watch` as a terminal, a file and a program see it."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rich.console import Console

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.sse import Event
from coffeeshop.commands.watching import SHOWN_EVENTS, Picture, watch, words_of
from coffeeshop.errors import Cancelled, SessionFailed
from tests.unit.test_terminal import Terminal

ANSWERED = Event("result", {"query": "query3"}, 4)
NOTE = Event("note", {"text": "[red]"}, 5)
COMPLETED = Event("completed", {}, 6)
CANCELLED = Event("cancelled", {"reason": "by its client"}, 6)


class Told(GatewayClient):
    """A client that hears these events."""

    def __init__(self, *events: Event) -> None:
        self._events = events

    def session(self, session: str) -> dict[str, Any]:
        row = {"file": "t.csv", "line": 7, "column": None, "value": "x", "reason": "no time"}
        known = {"created_at": time.time(), "ended_at": None, "results": []}
        return {**known, "bad_rows": [row]}

    def events(self, session: str, after: int = -1) -> Iterator[Event]:
        yield from self._events


def text_of(picture: Picture) -> str:
    screen = Console(file=io.StringIO(), width=100, color_system=None)
    screen.print(picture)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_the_picture_shows_what_is_answered_and_for_what_it_waits() -> None:
    seconds = iter([10.0, 12.5, 14.0])
    picture = Picture("an-id", lambda: next(seconds))
    picture.feed(ANSWERED)
    head, *lines = text_of(picture).splitlines()
    assert head.split() == ["an-id", "open", "4.0", "s"]
    assert [line.split() for line in lines if "query3" in line] == [["✓", "query3", "2.5", "s"]]
    assert sum("waiting" in line for line in lines) == 4


def test_the_picture_stays_as_it_was_at_the_end() -> None:
    moments = iter([0.0, 7.0])
    picture = Picture("an-id", lambda: next(moments))
    picture.feed(COMPLETED)
    assert text_of(picture) == text_of(picture)
    assert text_of(picture).split()[:4] == ["an-id", "completed", "7.0", "s"]


def test_a_session_that_is_over_shows_how_long_it_took_and_not_how_long_it_is_watched() -> None:
    known = {"created_at": 1_000.0, "ended_at": 1_002.5, "results": ["query3"]}
    picture = Picture("an-id", known=known)
    picture.feed(ANSWERED)
    picture.feed(CANCELLED)
    head, *lines = text_of(picture).splitlines()
    assert head.split() == ["an-id", "cancelled", "2.5", "s"]
    assert [line.split()[-1] for line in lines if "query3" in line] == ["answered"]
    assert sum("not answered" in line for line in lines) == 4
    assert "waiting" not in text_of(picture)


def test_times_of_a_session_that_goes_on_count_from_its_beginning() -> None:
    seconds = iter([10.0, 11.0, 11.0])
    known = {"created_at": time.time() - 100, "ended_at": None, "results": ["query1"]}
    picture = Picture("an-id", lambda: next(seconds), known)
    picture.feed(Event("result", {"query": "query1"}, 1))
    shown = text_of(picture)
    assert float(shown.split()[2]) == pytest.approx(101, abs=2)
    assert "answered" in shown


def test_the_picture_keeps_the_newest_of_the_other_events() -> None:
    picture = Picture("an-id")
    for number in range(SHOWN_EVENTS + 2):
        picture.feed(Event("note", {"text": f"[b]{number}"}, number))
    shown = text_of(picture)
    assert "[b]1\n" not in shown.replace(" \n", "\n")
    assert all(f"text=[b]{n}" in shown for n in range(2, SHOWN_EVENTS + 2))


Shown = Callable[..., str]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """What `watch` shows of events on a terminal: 100 columns wide, without colours."""
    for name, value in (("TERM", "xterm"), ("NO_COLOR", "1"), ("COLUMNS", "100")):
        monkeypatch.setenv(name, value)

    def show(*events: Event, mode: str = "table") -> str:
        made = Terminal()
        monkeypatch.setattr(sys, "stdout", made)
        monkeypatch.setattr(sys, "stderr", made)
        watch(Told(*events), "an-id", mode)
        return made.getvalue()

    return show


def test_a_terminal_is_redrawn_in_place_and_told_what_comes_next(shown: Shown) -> None:
    text = shown(ANSWERED, NOTE, COMPLETED)
    assert "\x1b[1A" in text
    assert "✓  query3" in text.rpartition("\x1b[2K")[2]
    assert text.endswith("next: coffeeshop results an-id\n")


def test_a_terminal_that_cannot_go_back_gets_lines(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    text = shown(ANSWERED, COMPLETED)
    assert "\x1b" not in text
    assert text.startswith("result         query=query3\ncompleted")


def test_a_file_gets_a_line_an_event_and_no_hint(capsys: pytest.CaptureFixture[str]) -> None:
    watch(Told(ANSWERED, NOTE, COMPLETED), "an-id", "table")
    told = capsys.readouterr()
    lines = [line.split() for line in told.out.splitlines()]
    assert lines == [["result", "query=query3"], ["note", "text=[red]"], ["completed"]]
    assert told.err == ""


def test_programs_get_json_and_no_hint(shown: Shown) -> None:
    lines = shown(ANSWERED, COMPLETED, mode="json").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"event": "result", "id": 4, "query": "query3"},
        {"event": "completed", "id": 6},
    ]


def test_who_asks_for_ids_only_gets_the_id_at_the_end(shown: Shown) -> None:
    assert shown(ANSWERED, COMPLETED, mode="ids") == "an-id\n"


@pytest.mark.parametrize(
    ("end", "raised"),
    [(CANCELLED, Cancelled), (Event("failed", {"reason": "by its client"}, 6), SessionFailed)],
)
@pytest.mark.parametrize("mode", ["table", "json", "ids"])
def test_what_a_session_ended_in_is_raised_after_all_is_told(
    capsys: pytest.CaptureFixture[str], end: Event, raised: type[Exception], mode: str
) -> None:
    with pytest.raises(raised, match="by its client"):
        watch(Told(ANSWERED, end), "an-id", mode)
    shown = capsys.readouterr()
    assert (end.name in shown.out) is (mode != "ids")
    assert ("t.csv" in shown.err) is (mode == "table" and end.name == "failed")


def test_that_no_worker_runs_is_a_sentence() -> None:
    reason = "No worker is running; your data is safe and waits"
    waiting = Event("waiting", {"stages": ["filters"], "reason": reason}, -1)
    assert words_of(waiting).split(maxsplit=1) == ["waiting", reason]


def test_what_is_asked_for_again_is_a_sentence() -> None:
    asked = {"table": "stores", "producer": "0", "ranges": [[1, 3]], "step": 2, "asked": 0}
    words = words_of(Event("missing", asked, 7)).split(maxsplit=1)
    assert words == ["missing", "batches 1, 3 of stores from producer 0 asked for again"]
