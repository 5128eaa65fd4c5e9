"""`coffeeshop serve`: the whole system in one process, with data to try it with."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from coffeeshop.generate import generate
from tests.acceptance.command import Run, command, environment, ok, runner, texts_of
from tests.oracle import answers


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Its address, and the process; ended by Ctrl-C, as a person ends it."""
    generate(tmp_path / "root" / "example", transactions=300, seed=5, layout="flat")
    process = subprocess.Popen(
        command("serve", "--open", "--port", "0", "--data-root", "root"),
        cwd=tmp_path,
        env=environment(DISPLAY="", WAYLAND_DISPLAY="", BROWSER=""),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        found = re.fullmatch(r"coffeeshop is at (http://127\.0\.0\.1:\d+)/ \(Ctrl-C .*\)\n", first)
        assert found is not None, first
        yield found[1], process
    finally:
        process.kill()
        process.communicate()


def test_everything_runs_in_one_process_and_ends_by_an_interrupt(
    served: tuple[str, subprocess.Popen[str]], tmp_path: Path
) -> None:
    url, process = served
    files = httpx.get(f"{url}/v1/example").json()["files"]
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in files:
        (copy / name).write_bytes(httpx.get(f"{url}/v1/example/{name}").content)
    run: Run = runner(tmp_path)
    ok(run("submit", "copy", "--gateway", url, "--output-dir", "out", "-q"))
    assert texts_of(tmp_path / "out") == answers(tmp_path / "root" / "example")
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = process.stdout.read(), process.stderr.read()
    assert process.wait(30) == 0
    assert f"coffeeshop submit my/folder --gateway {url}" in out
    assert "Try with example data" in out
    assert err == f"no browser to open here; the page is at {url}/\n"


def test_a_taken_port_is_said_with_what_to_do(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 3
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: cannot listen on 127.0.0.1:")
    assert hint.startswith("hint: ")
    assert "--port" in hint


@pytest.mark.parametrize("path", ["../serve.py", "%2e%2e/secret", "stores", "nothing.csv"])
def test_nothing_else_is_served_beside_the_example(
    served: tuple[str, subprocess.Popen[str]], tmp_path: Path, path: str
) -> None:
    (tmp_path / "root" / "secret").write_text("x")
    url, _ = served
    assert httpx.get(f"{url}/v1/example/{path}").status_code in (404, 405)
