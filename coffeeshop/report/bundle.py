"""The page's modules as one script, so that a report needs no other file.

Understands the imports and exports that these modules use, and refuses all others.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache
from importlib.resources import files

IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
OTHER = re.compile(r"^\s*(?:import\b(?! *\.)|export\b).*|.*\bimport\(.*", re.MULTILINE)
RENAMED = re.compile(r"^const \{[^}]*\bas\b[^}]*\}", re.MULTILINE)


class NotUnderstood(ValueError):
    """A module uses what the bundler does not know."""


@cache
def bundled(entry: str) -> str:
    """The module at a path below the package, and all that it imports, each in a scope of its own.

    Raises `NotUnderstood`.
    """
    found: dict[str, str] = {}
    _add(entry, found, ())
    return "".join(found.values())


def _add(path: str, found: dict[str, str], above: tuple[str, ...]) -> None:
    """Put a module behind the modules that it imports."""
    if path in above:
        raise NotUnderstood(f"{path} imports itself")
    if path in found:
        return
    text = read(path)
    for _, source in IMPORT.findall(text):
        _add(_resolved(path, source), found, (*above, path))
    found[path] = _scoped(path, text)


def _scoped(path: str, text: str) -> str:
    def imported(match: re.Match[str]) -> str:
        return f"const {{{match[1]}}} = {_name(_resolved(path, match[2]))};\n"

    exported = EXPORT.findall(text)
    body = EXPORT.sub("", IMPORT.sub(imported, text))
    other = OTHER.search(body) or RENAMED.search(body)
    if other is not None:
        raise NotUnderstood(f"{path}: {other[0].strip()}")
    return f"const {_name(path)} = (() => {{\n{body}return {{ {', '.join(exported)} }};\n}})();\n"


def _resolved(path: str, source: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), source))


def _name(path: str) -> str:
    return "module_" + re.sub(r"\W", "_", path)


def read(path: str) -> str:
    """A text file of the package."""
    return files("coffeeshop").joinpath(path).read_text(encoding="utf-8")
