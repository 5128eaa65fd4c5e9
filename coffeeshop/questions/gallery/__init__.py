"""Questions that are ready: a file of SQL each, whose first line is its title.

Imports neither the parser nor the columnar library: lists and completions read this.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from coffeeshop.errors import UsageError
from coffeeshop.suggestions import did_you_mean

_FOLDER = Path(__file__).parent
FORMS = "forms.json"
"""The file of what the texts are compiled to; scripts/gallery_forms.py writes it."""


@dataclass(frozen=True)
class Ready:
    """A question of the gallery."""

    name: str
    title: str
    text: str


def ready() -> tuple[Ready, ...]:
    """All of them, by name."""
    return tuple(map(_read, sorted(_FOLDER.glob("*.sql"))))


def ready_names() -> tuple[str, ...]:
    """Their names."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.sql")))


def ready_one(name: str) -> Ready:
    """The question of that name; raises `UsageError` that says which was probably meant."""
    if name not in ready_names():
        meant = did_you_mean(name, ready_names()) or f"; there are {', '.join(ready_names())}"
        raise UsageError(f"no question {name!r} in the gallery{meant}")
    return _read(_FOLDER / f"{name}.sql")


@cache
def forms() -> dict[str, str]:
    """The declared form of each question as JSON, by its name."""
    found: dict[str, str] = json.loads((_FOLDER / FORMS).read_text(encoding="utf-8"))
    return found


def _read(file: Path) -> Ready:
    text = file.read_text(encoding="utf-8")
    return Ready(file.stem, text.partition("\n")[0].removeprefix("--").strip(), text)
