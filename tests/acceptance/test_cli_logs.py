"""`coffeeshop logs` as a command: files, a pipe, files that grow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coffeeshop.cli import main

SESSION = "6d6a0a07-6f0c-4a5e-8d07-8f3f1f6a5b10"


def line(second: int, event: str, **fields: Any) -> str:
    stamp = f"2026-01-31T12:00:{second:02}.000000Z"
    return json.dumps({"event": event, "level": "info", "timestamp": stamp, **fields}) + "\n"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two processes' logs, and one that is no JSON."""
    gateway, worker, other = (tmp_path / name for name in ("gateway.log", "worker.log", "o.log"))
    gateway.write_text(
        line(1, "eof_protocol.session_registered", session=SESSION)
        + line(5, "session.failed", session=SESSION, level="error")
    )
    worker.write_text(
        line(2, "eof_protocol.session_hosted", session=SESSION)
        + line(3, "eof_protocol.session_hosted", session="77")
        + "Killed\n"
    )
    other.write_bytes(b"\xff\xfe not text\n")
    return [str(gateway), str(worker), str(other)]


def logs(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> list[str]:
    with pytest.raises(SystemExit) as end:
        main(["logs", *arguments])
    said = capsys.readouterr()
    assert end.value.code == code, said.err
    return (said.out or said.err).splitlines()


def test_the_life_of_one_session_is_told_across_processes_in_order(
    capsys: pytest.CaptureFixture[str], files: list[str]
) -> None:
    told = logs(capsys, *reversed(files), "--session", SESSION[:8].upper())
    words = [text.split()[2:4] for text in told]
    assert words == [
        ["gateway", "eof_protocol.session_registered"],
        ["worker", "eof_protocol.session_hosted"],
        ["gateway", "session.failed"],
    ]


def test_lines_that_are_no_json_pass_in_their_place(
    capsys: pytest.CaptureFixture[str], files: list[str]
) -> None:
    told = logs(capsys, *files)
    assert told.index("worker: Killed") == 4
    assert told[0].startswith("o: ")  # nobody knows when
    assert len(told) == 6


def test_filters_hold_together(capsys: pytest.CaptureFixture[str], files: list[str]) -> None:
    assert len(logs(capsys, *files, "--level", "error", "--process", "gate")) == 1
    assert logs(capsys, *files, "--level", "error", "--process", "worker") == []
    assert len(logs(capsys, *files, "--event", "eof_", "--since", "2026-01-31T12:00:02Z")) == 2


def test_json_comes_out_as_json(capsys: pytest.CaptureFixture[str], files: list[str]) -> None:
    told = [json.loads(text) for text in logs(capsys, *files, "--event", "session", "--json")]
    assert [(each["event"], each["process"]) for each in told] == [("session.failed", "gateway")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-file"], "cannot read no-such-file"),
        (["--since", "soon"], "not a time: 'soon'"),
        (["--level", "loud"], "loud"),
    ],
)
def test_what_cannot_be_done_is_said(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert said in "\n".join(logs(capsys, *arguments, code=2))


@pytest.fixture
def command() -> Iterator[list[subprocess.Popen[str]]]:
    """Add what a test starts; it is ended after it."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for each in started:
        each.kill()
        each.wait()
        for pipe in (each.stdin, each.stdout):
            if pipe is not None:
                pipe.close()


def start(command: list[subprocess.Popen[str]], *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "coffeeshop", "logs", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        text=True,
    )
    command.append(process)
    return process


def test_lines_of_containers_come_by_a_pipe(command: list[subprocess.Popen[str]]) -> None:
    process = start(command, "--session", "6d6a")
    said = "worker-1   | " + line(2, "b", session=SESSION) + "gateway-1  | Killed\n"
    out, _ = process.communicate(said + "gateway-1  | " + line(1, "a", session=SESSION), 60)
    assert [text.split()[2:4] for text in out.splitlines()] == [
        ["gateway-1", "a"],
        ["worker-1", "b"],
    ]
    assert process.returncode == 0


@pytest.mark.timeout(60)
def test_what_is_written_later_is_told_when_it_is_followed(
    command: list[subprocess.Popen[str]], files: list[str]
) -> None:
    process = start(command, *files, "--session", SESSION, "--follow")
    assert process.stdout is not None
    told = iter(process.stdout.readline, "")
    for event in ("registered", "hosted", "failed"):
        assert event in next(told)
    whole = line(6, "eof_protocol.session_released", session=SESSION)
    with open(files[0], "a") as file:
        file.write(whole[:40])
        file.flush()
        with open(files[1], "a") as other:
            other.write(line(7, "eof_protocol.session_left", session=SESSION))
        assert "session_left" in next(told)  # half a line elsewhere is waited for by nobody
        file.write(whole[40:])
    assert "session_released" in next(told)


@pytest.mark.timeout(60)
def test_a_pipe_is_followed_line_by_line(command: list[subprocess.Popen[str]]) -> None:
    process = start(command, "--follow")
    assert process.stdin is not None
    assert process.stdout is not None
    for number in range(3):
        process.stdin.write(line(number, f"event.{number}"))
        process.stdin.flush()
        assert f"event.{number}" in process.stdout.readline()
    process.stdin.close()
    assert process.wait(30) == 0
