"""Help as the command line shows it: usage, examples, then what there is.

Plain click draws it: a page drawn by rich takes twice as long to appear.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

Example = tuple[str, str]
"""What it does, and the command line, which must be one that works."""


class HelpFormatter(click.HelpFormatter):
    """Bold headings, where colours are shown."""

    def write_heading(self, heading: str) -> None:
        """Write a section's heading."""
        super().write_heading(click.style(heading, bold=True))

    def write_examples(self, examples: Sequence[Example]) -> None:
        """Write the examples, each beneath what it does; they are never wrapped."""
        if examples:
            with self.section("Examples"):
                for purpose, line in examples:
                    indent = " " * self.current_indent
                    self.write(f"{indent}{click.style(f'# {purpose}', dim=True)}\n")
                    self.write(f"{indent}{line}\n")


class Context(click.Context):
    """A context whose help is written by our formatter."""

    formatter_class = HelpFormatter


class Command(click.Command):
    """A command whose help begins with usage and examples."""

    context_class = Context

    def __init__(self, *given: Any, examples: Sequence[Example] = (), **options: Any) -> None:
        super().__init__(*given, **options)
        self.examples = tuple(examples)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then the text."""
        assert isinstance(formatter, HelpFormatter)
        formatter.write_examples(self.examples)
        super().format_help_text(ctx, formatter)


class Group(Command, click.Group):
    """The commands by section, in the order in which they were added."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.sections: dict[str, list[str]] = {}

    def add_to_section(self, section: str, *commands: click.Command) -> None:
        """Add commands beneath a heading."""
        for command in commands:
            self.add_command(command)
            assert command.name is not None
            self.sections.setdefault(section, []).append(command.name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names by section, then those of no section."""
        placed = [name for names in self.sections.values() for name in names]
        return placed + [name for name in super().list_commands(ctx) if name not in placed]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section; those of no section come last."""
        names = self.list_commands(ctx)
        width = max(map(len, names), default=0)
        for section, placed in self.sections.items():
            self._write_section(formatter, section, placed, width)
        self._write_section(
            formatter, "Other", names[sum(map(len, self.sections.values())) :], width
        )

    def _write_section(
        self, formatter: click.HelpFormatter, section: str, names: Sequence[str], width: int
    ) -> None:
        limit = formatter.width - 6 - width
        shown = [(name, self.commands[name]) for name in names if not self.commands[name].hidden]
        rows = [(name.ljust(width), each.get_short_help_str(limit)) for name, each in shown]
        if rows:
            with formatter.section(section):
                formatter.write_dl(rows)
