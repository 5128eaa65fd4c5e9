"""`coffeeshop logs`. Imports are inside, as in `coffeeshop.cli`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from coffeeshop.commands.help import Command
from coffeeshop.commands.types import Choice as OneOf

if TYPE_CHECKING:
    from coffeeshop.commands.log_lines import Choice, Line

PERIOD = 0.2
"""Seconds between two looks at files that are followed."""
COLOURS = {"debug": "blue", "info": "green", "warning": "yellow", "error": "red"}


@click.command(
    cls=Command,
    short_help="Merge and filter logs by session, level, event.",
    examples=(
        ("one session in the logs of all processes", "coffeeshop logs *.log --session 6d6a0a07"),
        (
            "of containers",
            "docker compose logs --no-color | coffeeshop logs --level warning --since 1h",
        ),
    ),
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--session", default="", help="Session id, or its beginning.")
@click.option("--level", default="debug", type=OneOf(tuple(COLOURS)), help="Lowest level to show.")
@click.option("--event", default="", help="Beginning of the event name, such as eof_protocol.")
@click.option("--process", default="", help="Part of the process name, such as worker.")
@click.option("--since", help="10m, 2h, or a time such as 2026-01-31T12:00.")
@click.option("--follow", "-f", is_flag=True, help="Wait for new lines.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def logs(
    files: tuple[Path, ...],
    *,
    session: str,
    level: str,
    event: str,
    process: str,
    since: str | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Merge the JSON logs of several processes, from FILES or standard input.

    They are written where COFFEESHOP_LOG_FORMAT=json. What passes is put in the order of time.
    Lines that are no JSON are shown (dimmed) unless filtered by session, level or event.
    """
    import datetime as dt

    from coffeeshop.commands.log_lines import BEGINNING, Choice, moment_of

    moment = BEGINNING if since is None else moment_of(since, dt.datetime.now(dt.UTC))
    choice = Choice(session.lower(), level, event, process, moment)
    with ExitStack() as stack:
        sources = _opened(stack, files)
        for line in _followed(sources, choice) if follow else _read(sources, choice):
            _show(line, as_json)


Sources = list[tuple[str, TextIO]]


def _opened(stack: ExitStack, files: tuple[Path, ...]) -> Sources:
    from coffeeshop.errors import UsageError

    found: Sources = []
    for file in files or (Path("-"),):
        if str(file) == "-":
            sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
            found.append(("", sys.stdin))
            continue
        try:
            found.append((file.stem, stack.enter_context(file.open(errors="replace"))))
        except OSError as error:
            raise UsageError(f"cannot read {file}: {error.strerror}") from error
    return found


def _read(sources: Sources, choice: Choice) -> Iterable[Line]:
    from coffeeshop.commands.log_lines import Parser, chosen, merged

    return merged(line for name, text in sources for line in chosen(text, Parser(name), choice))


def _followed(sources: Sources, choice: Choice) -> Iterator[Line]:
    """What is there in the order of time, then what comes, as it comes. Ends with its pipe."""
    from coffeeshop.commands.log_lines import Parser, chosen, merged

    if any(text is sys.stdin for _, text in sources):  # it comes by itself, and waits
        for name, text in sources:
            yield from chosen(text, Parser(name), choice)
        return
    whole = [(_Whole(text), Parser(name)) for name, text in sources]
    while True:
        new = merged(line for text, parser in whole for line in chosen(text, parser, choice))
        yield from new
        if not new:
            time.sleep(PERIOD)


class _Whole:
    """The whole lines of a file that grows; half a line waits for its other half."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._half = ""

    def __iter__(self) -> Iterator[str]:
        for piece in iter(self._text.readline, ""):
            line, self._half = self._half + piece, ""
            if line.endswith("\n"):
                yield line
            else:
                self._half = line


def _show(line: Line, as_json: bool) -> None:
    from coffeeshop.commands.log_lines import as_json as json_of
    from coffeeshop.commands.log_lines import as_text

    if as_json:
        click.echo(json_of(line))
    elif line.fields is None:
        click.secho(as_text(line), dim=True)
    else:
        level = str(line.fields.get("level"))
        click.secho(as_text(line), fg=COLOURS.get(level) if level != "info" else None)
