"""Colours, redrawing and hints: for a terminal, and only for those who want them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from coffeeshop.cli import cli
from coffeeshop.client.remote import analyse
from coffeeshop.generate import generate
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.reading.folder import open_folder
from tests.acceptance.command import SOURCE
from tests.pseudo_terminal import on_terminal
from tests.running import Running, eventually, new_id

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ALL = """
import json, sys
from coffeeshop.cli import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as end:
        print(f"-- {arguments[0]} {end.code}", flush=True)
"""
"""One process that runs many commands, each to its end."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("terminal") / "shop"
    generate(folder, transactions=500, seed=43, layout="flat")
    return folder


@pytest.fixture(scope="module")
def completed(system: Running, data: Path) -> str:
    """The id of a session that completed."""
    spec = SessionSpec(new_id())
    client = system.client()
    analyse(client, open_folder(data), spec)
    eventually(lambda: client.session(spec.id)["state"] == "completed", "the end is known")
    eventually(client.nodes, "a node is listed")
    return spec.id


def environment(system: Running, **more: str) -> dict[str, str]:
    ours = ("COFFEESHOP_", "NO_COLOR", "FORCE_COLOR")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {**clean, "PYTHONPATH": SOURCE, "COFFEESHOP_GATEWAY": system.url, **more}


def all_commands(completed: str, data: Path) -> list[list[str]]:
    """Each command that ends by itself, its help, and errors of each kind."""
    return [
        *([name, "--help"] for name in cli.commands),
        ["--help"],
        ["generate", "made", "--transactions", "20"],
        ["submit", "--data-folder", str(data)],
        ["submit", "--data-folder", str(data), "--verbose", "--gateway", ""],
        ["submit", "--data-folder", "nowhere"],
        ["submit", "--plan", "fuse"],
        ["demo", "--transactions", "50"],
        ["sessions"],
        ["status"],
        ["status", completed],
        ["watch", completed],
        ["results", completed],
        ["cancel", completed],
        ["nodes"],
        ["doctor"],
        ["doctor", "--gateway", "http://127.0.0.1:9"],
        ["nodes", "--gateway", "http://127.0.0.1:9", "--gateway-patience", "0"],
        ["token", "north"],
        ["completion", "bash"],
        ["nonsense"],
    ]


def everything(completed: str, data: Path) -> list[str]:
    return [sys.executable, "-c", ALL, json.dumps(all_commands(completed, data))]


def piped(command: list[str], directory: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, timeout=100, check=True
    )
    return (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("more", [{}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}])
def test_what_goes_into_files_has_no_escape_codes(
    system: Running, completed: str, data: Path, tmp_path: Path, more: dict[str, str]
) -> None:
    told = piped(everything(completed, data), tmp_path, environment(system, **more))
    assert told.count("\n-- ") == len(all_commands(completed, data))
    assert "\x1b" not in told
    assert "next: " not in told


def test_no_color_leaves_a_terminal_without_colours_whatever_is_forced(
    system: Running, completed: str, data: Path, tmp_path: Path
) -> None:
    more = environment(system, NO_COLOR="1", FORCE_COLOR="1")
    code, told = on_terminal(everything(completed, data), tmp_path, more)
    assert code == 0
    assert COLOUR.findall(told) == []


def test_a_terminal_gets_colours(
    system: Running, completed: str, data: Path, tmp_path: Path
) -> None:
    _, told = on_terminal(everything(completed, data), tmp_path, environment(system))
    for name in ("sessions", "doctor", "demo", "watch"):
        part = told.partition(f"-- {name}")[0].rpartition("\n-- ")[2]
        assert COLOUR.search(part), name


def test_forced_colours_go_into_files(system: Running, completed: str, tmp_path: Path) -> None:
    for arguments in (["sessions"], ["--help"]):
        command = [sys.executable, "-m", "coffeeshop", *arguments]
        assert COLOUR.search(piped(command, tmp_path, environment(system, FORCE_COLOR="1")))


def ours(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "coffeeshop", *arguments]


def test_watch_redraws_a_terminal_in_place(system: Running, completed: str, tmp_path: Path) -> None:
    code, told = on_terminal(ours("watch", completed), tmp_path, environment(system))
    assert code == 0
    assert "\x1b[1A" in told
    assert "query2_most_profitable" in told
    assert f"next: coffeeshop results {completed}" in COLOUR.sub("", told)


def test_parquet_is_not_written_to_a_terminal(
    system: Running, completed: str, tmp_path: Path
) -> None:
    options = ("results", completed, "--query", "query3", "-o", "-", "--format")
    code, told = on_terminal(ours(*options, "parquet"), tmp_path, environment(system))
    assert code == 2
    assert "> query3.parquet" in told
    code, told = on_terminal(ours(*options, "csv"), tmp_path, environment(system))
    assert (code, told.splitlines()[0]) == (0, "year_half_created_at,store_name,tpv")


@pytest.mark.parametrize(
    ("file_format", "beginning"),
    [("csv", b"year_half_created_at,"), ("json", b"["), ("parquet", b"PAR1")],
)
def test_each_format_goes_to_standard_output(
    system: Running, completed: str, tmp_path: Path, file_format: str, beginning: bytes
) -> None:
    options = ("results", completed, "--query", "query3", "-o", "-", "--format", file_format)
    done = subprocess.run(
        ours(*options), cwd=tmp_path, env=environment(system), capture_output=True, check=True
    )
    assert done.stdout.startswith(beginning)
    assert done.stderr == b""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--format", "csv"), "-o - needs one --query"),
        (("--query", "query3", "--json"), "leave out one of them"),
    ],
)
def test_standard_output_takes_one_result_and_nothing_else(
    system: Running, completed: str, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    code, told = on_terminal(
        ours("results", completed, "-o", "-", *options), tmp_path, environment(system)
    )
    assert code == 2
    assert words in told


def test_a_terminal_is_told_what_to_type_next(system: Running, data: Path, tmp_path: Path) -> None:
    detach = ("submit", "--data-folder", str(data), "--detach")
    no_colour = environment(system, NO_COLOR="1")
    _, told = on_terminal(ours(*detach), tmp_path, no_colour)
    session = told.rpartition("next: coffeeshop watch ")[2].strip()
    assert told.splitlines()[-2].endswith(session)
    assert len(session) == 36
    for quietly in ("--json", "-q"):
        _, told = on_terminal(ours(*detach, quietly), tmp_path, no_colour)
        assert "next: " not in told
    _, told = on_terminal(ours("generate", "made", "--transactions", "5"), tmp_path, no_colour)
    assert told.splitlines()[-1] == "next: coffeeshop submit made"
    _, told = on_terminal(ours("submit", "--data-folder", "made"), tmp_path, no_colour)
    assert "--show" in told.splitlines()[-1]
    assert "--report" in told.splitlines()[-1]
