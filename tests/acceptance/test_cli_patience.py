"""A gateway that is not there, or does not answer: said soon, and never longer than wanted."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coffeeshop.api import Client
from coffeeshop.errors import Unreachable
from tests.acceptance.command import Run


@pytest.fixture(params=["refuses", "is silent"])
def away(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of somebody who refuses connections, or takes them and says nothing."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        if request.param == "is silent":
            bound.listen(64)
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_the_timeout_bounds_all_of_it_and_two_seconds_of_silence_are_told(
    run: Run, data: Path, away: str
) -> None:
    began = time.monotonic()
    done = run("submit", str(data), "--gateway", away, "--timeout", "4")
    assert time.monotonic() - began < 12  # the machine may be slow; without the bound it is 57 s
    assert done.returncode == 3
    told, error, *_ = done.stderr.splitlines()
    assert told == f"{away} does not answer yet; trying for 2 s more (Ctrl-C ends it)"
    assert error.startswith(f"error: {away} does not answer")


def test_commands_that_ask_tell_of_silence_too_but_not_when_they_are_to_be_quiet(
    run: Run, data: Path, away: str
) -> None:
    done = run("sessions", "--gateway", away, "--gateway-patience", "5")
    assert "trying for 3 s more" in done.stderr
    assert done.returncode == 3
    quiet = ("submit", str(data), "--gateway", away, "--timeout", "2.5", "-q")
    assert "trying" not in run(*quiet).stderr


def test_the_library_keeps_to_its_timeout(data: Path, away: str) -> None:
    began = time.monotonic()
    with Client(away) as client, pytest.raises(Unreachable):
        client.submit(data, timeout=0.5)
    assert time.monotonic() - began < 10
