"""What a shell completes: commands, options, choices, data folders, sessions. Never an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.shell_completion import CompletionItem, ShellComplete
from click.testing import CliRunner

from coffeeshop.cli import cli
from coffeeshop.client.complete_sessions import complete_sessions
from coffeeshop.commands.completion import VARIABLE

SHELLS = ("bash", "zsh", "fish")
SOURCE = str(Path(__file__).parents[2])
SESSIONS = [
    {"id": "aaaa-1", "state": "completed", "name": "north"},
    {"id": "abbb-2", "state": "open", "name": ""},
]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of whoever runs the tests, and a gateway that is not there."""
    for name in [name for name in os.environ if name.startswith("COFFEESHOP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COFFEESHOP_GATEWAY", "http://127.0.0.1:9")
    monkeypatch.setenv("COFFEESHOP_DATA_ROOT", str(tmp_path / "none"))


def items(*words: str) -> list[CompletionItem[str]]:
    """What completes the last of these words."""
    *before, incomplete = words
    return ShellComplete(cli, {}, "coffeeshop", VARIABLE).get_completions(before, incomplete)


def completed(*words: str) -> list[str]:
    return [item.value for item in items(*words)]


@contextmanager
def gateway(answer: bytes, status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """Answers every request so; its URL, and what tokens it was shown."""
    shown: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", shown
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["su"], ["submit"]),
        (["submit", "--pl"], ["--plan"]),
        (["submit", "--plan", ""], ["fused", "staged"]),
        (["run-node", "--type", "w"], ["worker"]),
        (["results", "ID", "--query", "query2"], ["query2_best_selling", "query2_most_profitable"]),
        (["sessions", "--state", "c"], ["completed", "cancelled"]),
        (["completion", "f"], ["fish"]),
        (["submit", "--data-folder", "x", "--js"], ["--json"]),
    ],
    ids=" ".join,
)
def test_commands_options_and_choices_are_completed(words: list[str], expected: list[str]) -> None:
    assert completed(*words) == expected


def test_data_folders_are_completed_by_their_names_under_the_data_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("north", "northwest", "south", ".hidden"):
        (tmp_path / "root" / name).mkdir(parents=True)
    (tmp_path / "root" / "northern.txt").touch()
    with_option = ("submit", "--data-root", str(tmp_path / "root"), "--data-folder")
    assert completed(*with_option, "nor")[1:] == ["north", "northwest"]
    monkeypatch.setenv("COFFEESHOP_DATA_ROOT", str(tmp_path / "root"))
    first, *rest = items("submit", "--data-folder", "")
    assert first.type == "dir"
    assert [item.value for item in rest] == ["north", "northwest", "south"]


def test_without_a_data_root_the_shell_completes_its_own_folders() -> None:
    (item,) = items("submit", "--data-folder", "my/fo")
    assert (item.type, item.value) == ("dir", "my/fo")


def test_sessions_are_completed_by_their_ids_from_the_gateway(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with gateway(json.dumps({"sessions": SESSIONS, "next": None}).encode()) as (url, shown):
        assert completed("status", "--gateway", url, "a") == ["aaaa-1", "abbb-2"]
        monkeypatch.setenv("COFFEESHOP_GATEWAY", url)
        (item,) = items("results", "")
        assert (item.value, item.help) == ("aaaa-1", "completed north")
        assert completed("cancel", "") == ["abbb-2"]
        assert completed("watch", "x") == []
        assert set(shown) == {""}
        (tmp_path / "token").write_text("csk_secret\n")
        completed("watch", "--token-file", str(tmp_path / "token"), "")
        assert shown[-1] == "Bearer csk_secret"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"no json", 200),
        (b"[]", 200),
        (b'{"sessions": 1}', 200),
        (b'{"sessions": [1]}', 200),
        (b'{"detail": "no"}', 401),
        (b"\xff", 200),
        (b"", 500),
    ],
)
def test_a_gateway_that_answers_something_else_has_no_sessions(answer: bytes, status: int) -> None:
    with gateway(answer, status) as (url, _):
        assert complete_sessions(url) == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "ftp://x", "http://[", "https://127.0.0.1:9", "", "http://"]
)
def test_a_gateway_that_is_not_there_completes_nothing(url: str) -> None:
    assert completed("watch", "--gateway", url, "") == []


def test_a_wrong_environment_completes_nothing_and_raises_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COFFEESHOP_GATEWAY_PATIENCE", "soon")
    monkeypatch.setenv("COFFEESHOP_TOKEN_FILE", str(tmp_path / "none"))
    assert completed("watch", "") == []
    assert [item.type for item in items("submit", "--data-folder", "zzz")] == ["dir"]
    assert completed("watch", "--token-file", str(tmp_path / "none"), "") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell_asks_by_the_variable_that_the_command_reads(shell: str) -> None:
    done = CliRunner().invoke(cli, ["completion", shell])
    assert done.exit_code == 0
    assert VARIABLE in done.stdout
    assert f"{shell}_complete" in done.stdout
    assert done.stderr == ""


Ask = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bash(tmp_path: Path) -> Ask:
    """Completes a line in a real bash, in which `coffeeshop` is this checkout's."""
    command = tmp_path / "coffeeshop"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m coffeeshop "$@"\n')
    command.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"

    def ask(line: str) -> subprocess.CompletedProcess[str]:
        script = f"""
eval "$(coffeeshop completion bash)"
COMP_WORDS=({line})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
compopt() {{ :; }}
_coffeeshop_completion coffeeshop
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
        return subprocess.run(
            ["bash", "--norc", "-c", script],
            env={**os.environ, "PATH": path, "PYTHONPATH": SOURCE},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )

    return ask


def test_a_real_bash_completes_a_line(bash: Ask, tmp_path: Path) -> None:
    (tmp_path / "none" / "north").mkdir(parents=True)
    for line, expected in (
        ("coffeeshop run-node --type wor", ["worker"]),
        ("coffeeshop submit --data-folder nor", ["north"]),
        ("coffeeshop watch a", [""]),
    ):
        done = bash(line)
        assert (done.stdout.splitlines(), done.stderr) == (expected, "")
