"""Questions of one's own, as the options of a command name them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from coffeeshop.commands.types import GalleryName
from coffeeshop.errors import UsageError
from coffeeshop.questions.gallery import ready_one

LARGEST = 1 << 20  # bytes


def own_question_options(command: Any) -> Any:
    """The options that `asked` takes, for a command."""
    options = (
        click.option(
            "--question",
            "ready",
            multiple=True,
            type=GalleryName(),
            help="Ask one of those that coffeeshop questions lists instead. May be repeated.",
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
    )
    for option in reversed(options):
        command = option(command)
    return command


def asked(
    files: Sequence[Path], texts: Sequence[str], ready: Sequence[str] = ()
) -> tuple[tuple[str, str], ...]:
    """The questions by name: a file's is that of the file, texts are numbered.

    ``ready`` are names of the gallery. Raises `UsageError` for a file that cannot be read, for a
    name that is not there, and for two questions of one name.
    """
    found = [(name, ready_one(name).text) for name in ready]
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
