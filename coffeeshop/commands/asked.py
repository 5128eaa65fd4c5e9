"""Questions of one's own, as the options of a command name them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from coffeeshop.commands.types import ReadyName
from coffeeshop.errors import UsageError
from coffeeshop.questions.asking import BUILTIN, ready_text

LARGEST = 1 << 20  # bytes


def own_question_options(command: Any) -> Any:
    """The options that `asked` takes, for a command."""
    options = (
        click.option(
            "--question",
            "ready",
            multiple=True,
            type=ReadyName(),
            help="Ask one of coffeeshop questions, or query1 to query4, instead. May be repeated.",
        ),
        click.option(
            "--query",
            "queries",
            multiple=True,
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Ask a question of your own instead: a file with SQL. May be repeated.",
        ),
        click.option(
            "--sql",
            "texts",
            multiple=True,
            metavar="TEXT",
            help="The same as text. May be repeated.",
        ),
        click.option("--builtin", is_flag=True, help="Ask query1 to query4 as well."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def asked(
    files: Sequence[Path],
    texts: Sequence[str],
    ready: Sequence[str] = (),
    *,
    builtin: bool = False,
) -> tuple[tuple[str, str], ...]:
    """The questions by name: a file's is that of the file, texts are numbered.

    ``ready`` are names of the gallery, and of built-in questions, whose text is empty; with
    ``builtin`` all of these are asked. Raises
    `UsageError` for a file that cannot be read, for a name that is not there, and for two questions
    of one name.
    """
    missing = [name for name in BUILTIN if builtin and name not in ready]
    found = [(name, ready_text(name)) for name in (*missing, *ready)]
    found += [(_named(file), _read(file)) for file in files]
    found += [
        (f"question{number}", text) for number, text in enumerate(texts, start=len(found) + 1)
    ]
    names = [name for name, _ in found]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two questions are called {name}: rename a file")
    return tuple(found)


def _named(file: Path) -> str:
    name = re.sub("[^a-z0-9]+", "_", file.name.partition(".")[0].lower()).strip("_")
    return name if name[:1].isalpha() else f"question_{name}".rstrip("_")


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            text = opened.read(LARGEST)
        return text.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {file}: not UTF-8 text") from error
