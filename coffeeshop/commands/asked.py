"""Questions of one's own, as the options of a command name them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from coffeeshop.errors import UsageError

LARGEST = 1 << 20  # bytes


def asked(files: Sequence[Path], texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The questions by name: a file's is that of the file, others are numbered.

    Raises `UsageError` for a file that cannot be read, and for two of one name.
    """
    found = [(_named(file), _read(file)) for file in files]
    found += [
        (f"question{number}", text) for number, text in enumerate(texts, start=len(files) + 1)
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
