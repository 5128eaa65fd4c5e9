"""Who gets colours, redrawing and hints."""

from __future__ import annotations

import io
import sys

import pytest

from coffeeshop.terminal import colour_preference, console, has_colours, hint, is_redrawn


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.mark.parametrize(
    ("said", "preferred"),
    [
        ({}, None),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, None),
        ({"NO_COLOR": "0"}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, None),
        ({"FORCE_COLOR": ""}, None),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
)
def test_the_environment_says_whether_to_colour_and_no_wins(
    said: dict[str, str], preferred: bool | None
) -> None:
    assert colour_preference(said) is preferred
    assert has_colours(Terminal(), said) is (preferred is not False)
    assert has_colours(io.StringIO(), said) is (preferred is True)


def test_only_a_terminal_that_can_go_back_is_redrawn() -> None:
    assert is_redrawn(Terminal(), {"TERM": "xterm"})
    assert is_redrawn(Terminal(), {})
    assert not is_redrawn(Terminal(), {"TERM": "dumb"})
    assert not is_redrawn(io.StringIO(), {"TERM": "xterm"})


def printed(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO) -> str:
    monkeypatch.setattr(sys, "stdout", stream)
    console().print("[bold red]words[/]")
    return stream.getvalue()


def test_a_console_colours_a_terminal_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" in printed(monkeypatch, Terminal())
    assert printed(monkeypatch, io.StringIO()) == "words\n"


def test_no_color_leaves_out_bold_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert printed(monkeypatch, Terminal()) == "words\n"


def test_forced_colours_are_written_to_files_but_those_are_not_redrawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in printed(monkeypatch, io.StringIO())
    assert not console().is_interactive


def test_a_hint_is_for_a_person_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    for stream, said in (
        (Terminal(), "next: coffeeshop watch [ID]\n"),
        (io.StringIO(), ""),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        hint("coffeeshop watch [ID]")
        assert stream.getvalue() == said
