"""What is looked at of the commands that are not executed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

from tests.docs.rules import Checked


def check(row: Checked, command: str, root: Path) -> str:
    """Why the command could not be executed in the project's copy at ``root``, or nothing."""
    return _HOW[row.how](shlex.split(command), root)


def _package(words: list[str], root: Path) -> str:
    known = (root / "scripts" / "programs.sh").read_text().split()
    unknown = [word for word in words[2:] if word not in known]
    return "".join(f"not installed by programs.sh: {word}\n" for word in unknown)


def _extra(words: list[str], root: Path) -> str:
    found = re.fullmatch(r"\.\[(\w+)\]", words[-1])
    config = ConfigParser()
    config.read(root / "setup.cfg")
    known = config["options.extras_require"]
    return "" if found and found[1] in known else f"no extra of a checkout: {words[-1]}"


def _script(words: list[str], root: Path) -> str:
    told = _run([sys.executable, words[1], "--help"], root)
    options = [word for word in words[2:] if word.startswith("-")]
    unknown = [word for word in options if word not in told.stdout]
    return told.stderr or "".join(f"no such option: {word}\n" for word in unknown)


def _make(words: list[str], root: Path) -> str:
    told = _run(["make", "--no-print-directory", "-n", *words[1:]], root)
    return told.stderr or "".join(_recipe(line, root) for line in told.stdout.splitlines())


def _recipe(line: str, root: Path) -> str:
    """Why a line of a recipe could not run, or nothing."""
    program, *words = shlex.split(line)
    if not (root / program).exists() and shutil.which(program) is None:
        return f"no such program: {program}\n"
    if words[:2] == ["-m", "pytest"]:
        words = [word for word in words[2:] if "/" in word]
    elif words[:1] == ["-m"]:
        words = [words[1].replace(".", "/") + ".py"]
    else:
        words = words[:1]
    return "".join(f"no such file: {word}\n" for word in words if not (root / word).exists())


def _run(command: list[str], root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=root, capture_output=True, text=True, check=False, timeout=60
    )


_HOW: dict[str, Callable[[list[str], Path], str]] = {
    "package": _package,
    "extra": _extra,
    "script": _script,
    "make": _make,
}
