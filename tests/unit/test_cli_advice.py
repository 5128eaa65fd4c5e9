"""What somebody can do about an error is said with it."""

from __future__ import annotations

import pytest

from coffeeshop import errors
from coffeeshop.cli import main
from coffeeshop.commands.advice import advice


def listening(error: OSError) -> errors.Unreachable:
    """The error of a port that is taken."""
    found = errors.Unreachable("cannot listen")
    found.__cause__ = error
    return found


BAD_VALUE = errors.BadData("not a time", file="x.csv", line=9, column="created_at", value="x")


@pytest.mark.parametrize(
    ("error", "command", "words"),
    [
        (errors.Unreachable("x"), "sessions", "coffeeshop run-node --type gateway"),
        (errors.Unreachable("x"), "submit", "COFFEESHOP_GATEWAY"),
        (errors.Unreachable("x"), "run-node", "COFFEESHOP_BROKER_URL"),
        (listening(OSError("taken")), "run-node", "--port"),
        (errors.Forbidden("x"), "watch", "--token-file"),
        (errors.Forbidden("x"), "run-node", "--broker"),
        (BAD_VALUE, "submit", "--on-bad-row skip"),
        (errors.SessionTimeout("x"), "submit", "--timeout"),
        (errors.Cancelled("x"), "results", "coffeeshop submit"),
        (errors.ProtocolError("different parameters"), "submit", "--producer"),
        (errors.CodecError("x"), "submit", "report it"),
        (errors.JournalGone("x"), None, "report it"),
    ],
)
def test_each_kind_of_error_comes_with_what_to_do(
    error: errors.CoffeeshopError, command: str | None, words: str
) -> None:
    assert words in advice(error, command)
    assert "\n" not in advice(error, command)


@pytest.mark.parametrize(
    ("error", "command"),
    [
        (errors.UsageError("says it all"), "submit"),
        (errors.SessionFailed("says why"), "submit"),
        (errors.BadData("no files for table users"), "submit"),
        (BAD_VALUE, "logs"),
        (errors.ProtocolError("x"), "watch"),
    ],
)
def test_an_error_that_says_all_there_is_comes_alone(
    error: errors.CoffeeshopError, command: str | None
) -> None:
    assert advice(error, command) == ""


def test_what_nobody_foresaw_is_a_bug_with_its_trace_and_code_70(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str, token: str, *, admin: bool) -> str:
        raise RuntimeError("on purpose")

    monkeypatch.setattr("coffeeshop.gateway.security.tokens.line_of", fail)
    with pytest.raises(SystemExit) as ended:
        main(["token", "north"])
    assert ended.value.code == 70
    trace, error, what_to_do = capsys.readouterr().err.strip().rsplit("\n", 2)
    assert trace.startswith("Traceback")
    assert error == "error: this is a bug: on purpose"
    assert "report it" in what_to_do


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["sessions", "--gateway", "http://127.0.0.1:9", "--gateway-patience", "0"], 3, "hint: "),
        (["token", "a name"], 2, "error: a name has 1 to 64 letters"),
    ],
)
def test_an_error_and_its_advice_are_on_standard_error_with_the_exit_code(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == code
    told = capsys.readouterr()
    assert told.out == ""
    assert words in told.err
