"""`scripts/setup.sh`: what is installed when; with stand-ins for uv, Python and pip."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READ = ("setup.cfg", "pyproject.toml", "constraints.txt", "scripts/setup.sh")
UV = """#!/bin/sh
echo "uv $*" >>"$CALLS"
case $1 in
venv) rm -rf .venv; mkdir -p .venv/bin; ln -s "$0" .venv/bin/coffeeshop ;;
esac
"""
PYTHON = """#!/bin/sh
case "$*" in
-c*) exit 0 ;;
"-m venv .venv") mkdir -p .venv/bin; cp "$0" .venv/bin/python; cp "$0" .venv/bin/coffeeshop ;;
"-m pip"*)
    echo "pip $*" >>"$CALLS"
    echo "Collecting pyarrow"
    echo "  Downloading pyarrow-1-cp311.whl (55.0 MB)"
    [ ! -e broken ] || { echo "ERROR: no route to the index"; exit 1; }
    echo "Installing collected packages: pyarrow" ;;
esac
"""


@dataclass
class Checkout:
    """A copy of what the script reads, and stand-ins that write down how they are called."""

    root: Path
    path: str

    def setup(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "scripts/setup.sh", *arguments],
            cwd=self.root,
            env={"PATH": self.path, "CALLS": str(self.root / "calls")},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def calls(self) -> list[str]:
        """The calls since one asked last."""
        file = self.root / "calls"
        found = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return found


def checkout(directory: Path, name: str, stand_in: str) -> Checkout:
    root = directory / "project"
    for each in READ:
        (root / each).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / each, root / each)
    (root / "coffeeshop").mkdir()
    program = directory / "bin" / name
    program.parent.mkdir()
    program.write_text(stand_in)
    program.chmod(0o755)
    return Checkout(root, f"{program.parent}:/usr/bin:/bin")


@pytest.fixture
def with_uv(tmp_path: Path) -> Checkout:
    return checkout(tmp_path, "uv", UV)


@pytest.fixture
def with_pip(tmp_path: Path) -> Checkout:
    return checkout(tmp_path, "python3", PYTHON)


def test_a_first_look_installs_the_runtime_alone_and_only_once(with_uv: Checkout) -> None:
    done = with_uv.setup("runtime")
    assert done.returncode == 0, done.stderr
    assert "30 packages" in done.stderr
    made, installed = with_uv.calls()
    assert made.startswith("uv venv ")
    assert installed.endswith(" --editable .")
    again = with_uv.setup("runtime")
    assert (again.returncode, again.stderr, with_uv.calls()) == (0, "", [])


def test_the_tools_are_added_to_it_later_and_then_nothing_is_missing(with_uv: Checkout) -> None:
    with_uv.setup("runtime")
    with_uv.calls()
    assert with_uv.setup().returncode == 0
    (installed,) = with_uv.calls()
    assert installed.endswith(" --editable .[test,dev,bench]")
    for again in ((), ("runtime",)):
        assert with_uv.setup(*again).returncode == 0
        assert with_uv.calls() == []


@pytest.mark.parametrize("changed", ["constraints.txt", "setup.py", "coffeeshop/_scan.c"])
def test_what_was_installed_for_another_version_is_made_again(
    with_uv: Checkout, changed: str
) -> None:
    with_uv.setup()
    with_uv.calls()
    with (with_uv.root / changed).open("a") as file:
        file.write("\n")
    assert with_uv.setup("runtime").returncode == 0
    assert [call.split()[1] for call in with_uv.calls()] == ["venv", "pip"]


def test_without_uv_it_is_pip_that_says_what_it_downloads(with_pip: Checkout) -> None:
    done = with_pip.setup("runtime")
    assert done.returncode == 0, done.stderr
    first, *rest = done.stderr.splitlines()
    assert "with pip (about a minute)" in first
    assert rest == [
        "setup: Downloading pyarrow-1-cp311.whl (55.0 MB)",
        "setup: unpacking (half of the time)",
    ]
    assert with_pip.setup("runtime").stderr == ""


def test_a_failure_is_told_in_full_and_leaves_nothing_that_looks_complete(
    with_pip: Checkout,
) -> None:
    (with_pip.root / "broken").touch()
    done = with_pip.setup("runtime")
    assert done.returncode == 1
    assert "ERROR: no route to the index" in done.stderr
    assert not (with_pip.root / ".venv" / ".complete").exists()
    (with_pip.root / "broken").unlink()
    assert with_pip.setup("runtime").returncode == 0
