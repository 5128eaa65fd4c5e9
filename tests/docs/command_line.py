"""Command lines as the real commands understand them, without running anything."""

from __future__ import annotations

import click

from coffeeshop.cli import cli


def parsed(arguments: list[str]) -> click.Context:
    """What follows ``coffeeshop``, in full. Raises `click.UsageError`."""
    name, command, rest = cli.resolve_command(click.Context(cli), arguments)
    assert command is not None
    return command.make_context(name, rest)


def complaint(arguments: list[str]) -> str:
    """Why what follows ``coffeeshop`` cannot be a part of a right command line, or nothing.

    A part may lack what the command requires.
    """
    try:
        name, command, rest = cli.resolve_command(click.Context(cli), arguments)
        assert command is not None
        command.make_parser(click.Context(command, info_name=name)).parse_args(rest)
    except click.NoSuchOption as error:
        return error.format_message()
    except click.BadOptionUsage:
        return ""  # an option without its value
    except click.UsageError as error:
        return error.format_message()
    return ""


def names() -> set[str]:
    """The commands."""
    return set(cli.commands)


def options() -> set[str]:
    """The long options of all commands."""
    found = {"--help", "--version"}
    for command in cli.commands.values():
        found |= {each for parameter in command.params for each in parameter.opts}
    return {each for each in found if each.startswith("--")}
