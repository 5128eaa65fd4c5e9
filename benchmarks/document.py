"""Puts what a benchmark printed into a document, with all that one needs to repeat it."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("pyarrow", "duckdb", "polars")


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


def write(files: list[Path], benchmark: str, lines: list[str]) -> None:
    """Put the lines, and where they come from, into each document.

    Exits with a sentence when a document has no ``<!-- benchmarks:NAME -->``.
    """
    for file in files:
        file.write_text(with_table(file.read_text(), benchmark, [*lines, *origin()]))


def with_table(document: str, benchmark: str, lines: list[str]) -> str:
    """The document with the lines between the marks, as text."""
    begin, end = f"<!-- benchmarks:{benchmark} -->", f"<!-- end of benchmarks:{benchmark} -->"
    before, found, rest = document.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        sys.exit(f"the document has no {begin} ... {end}")
    return "\n".join([f"{before}{begin}", "```text", *lines, "```", f"{end}{after}"])


def origin() -> list[str]:
    """Machine, date, versions and command, a line each."""
    processors = f"{os.cpu_count()} processors, {platform.machine()}, {platform.system()}"
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    script = Path(sys.argv[0])
    command = shlex.join(["python", f"{script.parent.name}/{script.name}", *_without_write()])
    return [
        "",
        f"{dt.date.today().isoformat()}, {processors}",
        f"Python {platform.python_version()}, coffeeshop {version('coffeeshop')}, {versions}",
        command,
    ]


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
