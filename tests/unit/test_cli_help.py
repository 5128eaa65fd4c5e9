"""Help: usage first, then examples that are right, and nothing that takes long to import."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import get_args

import click
import pytest
from click.testing import CliRunner

from coffeeshop.cli import cli
from coffeeshop.commands.help import Command, Group
from coffeeshop.formats import WRITERS
from coffeeshop.names import FORMATS, QUERIES, STATES
from coffeeshop.pipeline.plan import PLANS as KNOWN_PLANS
from coffeeshop.sessions.events import State

SLOW = (
    "pyarrow",
    "numpy",
    "fastapi",
    "pydantic",
    "pika",
    "pykka",
    "httpx2",
    "rich",
    "structlog",
    "uvicorn",
)
"""What takes longer to import than all that help needs."""
EXAMPLES = [(name, line) for name, each in cli.commands.items() for _, line in each.examples] + [
    ("", line) for _, line in cli.examples
]


def called(line: str) -> list[str]:
    """The arguments of the `coffeeshop` that a shell would run for a line."""
    inner = re.search(r"\$\((coffeeshop [^)]*)\)", line)
    parts = re.split(r" [|>] ", inner[1] if inner else line)
    return shlex.split(next(part for part in parts if part.startswith("coffeeshop ")))[1:]


@pytest.mark.parametrize("name", ["", *cli.commands])
def test_help_begins_with_usage_and_one_to_three_examples(name: str) -> None:
    shown = CliRunner().invoke(cli, [name, "--help"] if name else ["--help"]).output
    usage, examples, *_ = shown.split("\n\n")
    assert usage.startswith("Usage: ")
    heading, *lines = examples.splitlines()
    assert heading == "Examples:"
    assert 1 <= len(lines) / 2 <= 3
    assert all(line.startswith("  # ") for line in lines[::2])
    assert all("coffeeshop" in line for line in lines[1::2])


@pytest.mark.parametrize(("name", "line"), EXAMPLES)
def test_every_example_is_a_command_line_that_the_command_takes(name: str, line: str) -> None:
    arguments = called(line)
    with click.Context(cli, info_name="coffeeshop") as root:
        found, command, rest = cli.resolve_command(root, arguments)
        assert command is not None
        if name:
            assert found == name
        command.make_context(found, rest, parent=root).close()


def test_an_example_that_a_command_does_not_take_would_be_noticed() -> None:
    command = cli.commands["results"]
    with pytest.raises(click.UsageError):
        command.make_context("results", called("x | coffeeshop results ID --formt csv")[1:])


def test_every_command_is_in_a_section() -> None:
    placed = [name for names in cli.sections.values() for name in names]
    assert sorted(placed) == sorted(cli.commands)
    assert CliRunner().invoke(cli, ["--help"]).output.count("\nOther:") == 0


def test_a_command_of_no_section_is_listed_beneath_other() -> None:
    group = Group("some")
    group.add_to_section("First", Command("one", help="Is first."))
    group.add_command(click.Command("two", help="Is second."))
    group.add_command(click.Command("three", help="Is hidden.", hidden=True))
    shown = CliRunner().invoke(group, ["--help"]).output
    assert shown.endswith("\nFirst:\n  one    Is first.\n\nOther:\n  two    Is second.\n")


def option_helps() -> Iterator[tuple[str, str]]:
    for name, command in cli.commands.items():
        for each in command.params:
            if isinstance(each, click.Option) and not isinstance(each.type, click.Choice):
                yield f"{name} {each.opts[0]}", each.help or ""


def test_every_option_says_what_it_is_for() -> None:
    unsaid = {name for name, text in option_helps() if not text}
    # They are what they are called; the default is shown beside them.
    assert unsaid <= {
        "submit --partitions",
        "generate --transactions",
        "generate --seed",
        "demo --transactions",
        "sessions --limit",
    }


def test_the_names_that_are_shared_are_those_of_the_system() -> None:
    assert KNOWN_PLANS["fused"].results == KNOWN_PLANS["staged"].results == QUERIES
    assert set(FORMATS) == WRITERS.keys() - {"arrow"}
    assert get_args(State) == STATES


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["submit", "--help"], ["completion", "bash"]]
)
def test_help_imports_nothing_that_takes_long(arguments: list[str]) -> None:
    program = f"""
import json, sys
from coffeeshop.cli import main
try:
    main({arguments!r})
finally:
    print("\\n" + json.dumps([m for m in {SLOW!r} if m in sys.modules]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_headings_are_bold_for_those_who_want_colours() -> None:
    coloured = CliRunner().invoke(cli, ["submit", "--help"], color=True).output
    plain = CliRunner().invoke(cli, ["submit", "--help"]).output
    assert "\x1b[1mExamples" in coloured
    assert click.unstyle(coloured) == plain
