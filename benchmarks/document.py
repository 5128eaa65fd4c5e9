"""Puts what a benchmark printed into a document, with all that one needs to repeat it."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from coffeeshop.reading import native

LOAD = os.getloadavg()[1] if hasattr(os, "getloadavg") else 0.0
"""Processes that wanted a processor in the five minutes before the benchmark."""


def add_option(parser: argparse.ArgumentParser) -> None:
    """``--write FILE``, any number of times; `write` takes its value."""
    parser.add_argument(
        "--write",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="put the table between this benchmark's marks in a document, such as README.md",
    )


def write(
    files: list[Path], benchmark: str, lines: list[str], packages: Sequence[str] = ("pyarrow",)
) -> None:
    """Put the lines, and where they come from, into each document.

    ``packages``: those whose versions matter. Exits with a sentence when a document has no
    ``<!-- benchmarks:NAME -->``.
    """
    for file in files:
        text = with_table(file.read_text(), benchmark, [*lines, *origin(packages)])
        file.write_text(text)


def with_table(document: str, benchmark: str, lines: list[str]) -> str:
    """The document with the lines between the marks, as text."""
    begin, end = f"<!-- benchmarks:{benchmark} -->", f"<!-- end of benchmarks:{benchmark} -->"
    before, found, rest = document.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        sys.exit(f"the document has no {begin} ... {end}")
    return "\n".join([f"{before}{begin}", "```text", *lines, "```", f"{end}{after}"])


def origin(packages: Sequence[str]) -> list[str]:
    """Machine, date, versions and command, a line each."""
    processors = f"{os.cpu_count()} processors ({processor()}), {memory_gib():.0f} GiB"
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    script = Path(sys.argv[0])
    command = shlex.join(["python", f"{script.parent.name}/{script.name}", *_without_write()])
    return [
        "",
        f"{dt.date.today().isoformat()}, {processors}, {platform.machine()}, {platform.system()},"
        f" load {LOAD:.1f} before",
        f"Python {platform.python_version()}, coffeeshop {version('coffeeshop')}{commit()},"
        f" CSV scanner: {native.description()}",
        versions,
        command,
    ]


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def memory_gib() -> float:
    """The machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def commit() -> str:
    """The commit that last changed the package, with a plus if files differ from it."""
    folder = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        found = git("log", "-1", "--format=%h", "--", "../coffeeshop")
        changed = git("status", "--porcelain", "--", "../coffeeshop")
    except OSError:  # no git here
        return ""
    return f" ({found}{'+' if changed else ''})" if found else ""


def _without_write() -> list[str]:
    """The arguments, but for what documents they are written into."""
    words = iter(sys.argv[1:])
    kept = []
    for word in words:
        if word == "--write":
            next(words)
        elif not word.startswith("--write="):
            kept.append(word)
    return kept
