"""Standard streams as a process may get them: closed, full, without a reader, not UTF-8."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coffeeshop.client.remote import analyse
from coffeeshop.generate import generate
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.reading.folder import open_folder
from tests.acceptance.command import command, environment, files_of
from tests.running import Running, eventually, new_id

BROKEN_PIPE = 141
EACH = """
import json, os, sys
def begin(situation):
    reader, writer = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY)
    place = {"out": 1, "messages": 2}[situation[0]]
    how = {"gone": writer, "full": full}
    if situation[1] == "closed":
        os.close(place)
        setattr(sys, {1: "stdout", 2: "stderr"}[place], None)
    else:
        os.dup2(how[situation[1]], place)
from coffeeshop.cli import main
import coffeeshop.commands.demonstration, coffeeshop.commands.doctor, coffeeshop.commands.submission
import coffeeshop.commands.watching, coffeeshop.client.remote, coffeeshop.report.page
codes = []
for situation, arguments in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        begin(situation)
        main(arguments)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(codes))
"""
"""Runs each command in a fork of its own with one of its streams spoilt; prints the exit codes."""
SITUATIONS = {
    ("out", "gone"): {BROKEN_PIPE},
    ("out", "closed"): {0},
    ("out", "full"): {2},
    ("messages", "gone"): {0},
    ("messages", "closed"): {0},
    ("messages", "full"): {0},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streams") / "shop"
    generate(folder, transactions=300, seed=47, layout="flat")
    return folder


@pytest.fixture(scope="module")
def completed(system: Running, data: Path) -> str:
    spec = SessionSpec(new_id())
    client = system.client()
    analyse(client, open_folder(data), spec)
    eventually(lambda: client.session(spec.id)["state"] == "completed", "the end is known")
    eventually(client.nodes, "a node is listed")
    return spec.id


def commands(completed: str, data: Path) -> list[list[str]]:
    """Each command that ends well, and prints something when it is not told otherwise."""
    log = data.parent / "some.log"
    log.write_text('{"event": "x", "level": "info", "timestamp": "2026-01-01T00:00:00Z"}\n')
    return [
        ["--help"],
        ["--version"],
        ["submit", "--help"],
        ["generate", "made", "--transactions", "20"],
        ["submit", "--data-folder", str(data)],
        ["submit", "--data-folder", str(data), "--gateway", "", "--json", "--report", "r.html"],
        ["submit", "--data-folder", str(data), "--detach"],
        ["demo", "--transactions", "50"],
        ["sessions"],
        ["status"],
        ["watch", completed],
        ["watch", completed, "--json"],
        ["results", completed],
        ["results", completed, "--query", "query1", "-o", "-"],
        ["nodes"],
        ["doctor", "--json"],
        ["logs", str(log)],
        ["token", "north"],
        ["completion", "bash"],
    ]


@pytest.mark.parametrize(("situation", "wanted"), SITUATIONS.items())
def test_every_command_bears_streams_that_are_closed_full_or_read_by_nobody(
    tmp_path: Path,
    system: Running,
    completed: str,
    data: Path,
    situation: tuple[str, str],
    wanted: set[int],
) -> None:
    tried = commands(completed, data)
    if situation != ("out", "gone"):
        tried = [each for each in tried if each[:1] in (["submit"], ["results"], ["token"])]
    done = subprocess.run(
        [sys.executable, "-c", EACH, json.dumps([(situation, each) for each in tried])],
        cwd=tmp_path,
        env=environment(COFFEESHOP_GATEWAY=system.url),
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    codes: list[int] = json.loads(done.stdout.splitlines()[-1])
    odd = [(*each, code) for each, code in zip(tried, codes, strict=True) if code not in wanted]
    assert odd == []
    assert "bug" not in done.stderr
    if situation[1] == "full":
        assert done.stderr.count("No space left on device") == (
            len(tried) if situation[0] == "out" else 0
        )
    assert len(files_of(tmp_path / "results" / data.name)) == 5  # written all the same


def submitted(data: Path, directory: Path, **how: Any) -> subprocess.CompletedProcess[str]:
    """A submit whose shell closes what ``closed`` says, with a coding of its streams."""
    coding = {"PYTHONIOENCODING": how["coding"]} if "coding" in how else {}
    line = subprocess.list2cmdline(command("submit", "--data-folder", str(data), "--report", "r"))
    return subprocess.run(
        ["sh", "-c", f"exec {line} {how.get('closed', '')}"],
        cwd=directory,
        env=environment(COFFEESHOP_GATEWAY="", **coding),
        capture_output=True,
        encoding=how.get("coding"),
        timeout=60,
        check=False,
    )


def test_all_three_streams_closed_by_the_shell_spoil_no_file(tmp_path: Path, data: Path) -> None:
    calm, closed = tmp_path / "calm", tmp_path / "closed"
    calm.mkdir()
    closed.mkdir()
    assert submitted(data, calm).returncode == 0
    assert submitted(data, closed, closed="<&- >&- 2>&-").returncode == 0
    assert files_of(closed / "results" / "shop") == files_of(calm / "results" / "shop")
    assert (closed / "r").stat().st_size > 1000


@pytest.mark.parametrize("coding", ["ascii", "latin-1", "ascii:surrogateescape"])
def test_signs_that_the_streams_do_not_have_are_replaced(
    tmp_path: Path, data: Path, coding: str
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    for file in data.iterdir():
        text = file.read_text().replace("Espresso", "咖啡").replace("G Coffee @", "Café 咖啡")
        (folder / file.name).write_text(text)
    done = submitted(folder, tmp_path, coding=coding.partition(":")[0])
    assert (done.returncode, done.stderr) == (0, "")
    assert "Caf" in done.stdout
    assert "??" in done.stdout
    assert "咖啡" in (tmp_path / "results" / "shop" / "query2_best_selling.csv").read_text()
