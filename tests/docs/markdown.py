"""The documents of this project, and what a reader would type of them."""

from __future__ import annotations

import ast
import fnmatch
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.docs.command_line import names

ROOT = Path(__file__).parents[2]
PARSER = MarkdownIt("commonmark").enable("table")
LANGUAGES = {
    "sh": "sh",
    "bash": "sh",
    "shell": "sh",
    "console": "console",
    "python": "python",
    "py": "python",
}
"""The word after a fence, and how its block is run. A block of another language is no command; one
without a word is: a drawing or an output needs the word ``text``."""
PROGRAMS = {
    "coffeeshop",
    ".venv/bin/coffeeshop",
    "make",
    "docker",
    "kubectl",
    "python",
    "sh",
    "curl",
    "rabbitmqctl",
    "rabbitmq-diagnostics",
    "pip",
    "apt",
}
"""What code within a sentence begins with when it is a command. Such a word alone is a name, and so
is ``coffeeshop`` with one word; ``watch ID`` and the like are commands as well."""


@dataclass(frozen=True)
class Code:
    """A block of commands or of Python, or a command within a sentence."""

    line: int
    text: str
    language: str
    """``sh``, ``console``, ``python``, or ``inline``."""


@dataclass(frozen=True)
class Document:
    """A text in Markdown: a file, or the comment at the top of one. ``shift``: lines above it."""

    name: str
    text: str
    shift: int = 0

    @cached_property
    def tokens(self) -> list[Token]:
        """Its parts, in order."""
        return PARSER.parse(self.text)

    def inline(self) -> Iterator[tuple[int, Token]]:
        """Each part of a sentence with the number of the line its paragraph begins at."""
        line = 0
        for token in self.tokens:
            line = token.map[0] if token.map else line
            for child in token.children or ():
                yield self.shift + line + 1, child

    def mentions(self) -> list[tuple[int, str]]:
        """Line and text of every code within a sentence."""
        return [(line, each.content) for line, each in self.inline() if each.type == "code_inline"]

    def code(self) -> list[Code]:
        """What a reader would type, in order."""
        inline = [
            Code(line, text, "inline")
            for line, text in self.mentions()
            if _is_command(text.split())
        ]
        return sorted([*self._blocks(), *inline], key=lambda each: each.line)

    def _blocks(self) -> Iterator[Code]:
        for token in self.tokens:
            if token.type in ("fence", "code_block"):
                language = _language(token)
                assert token.map is not None
                if language is not None:
                    first = token.map[0] + (2 if token.type == "fence" else 1)
                    yield Code(self.shift + first, token.content, language)


def _is_command(words: list[str]) -> bool:
    if words[0] in names():
        return words[1:] == ["ID"]
    return words[0] in PROGRAMS and len(words) > (2 if words[0].endswith("coffeeshop") else 1)


def _language(token: Token) -> str | None:
    word = token.info.split(maxsplit=1)[0] if token.info.strip() else ""
    if word:
        return LANGUAGES.get(word)
    return "python" if re.match(r"(import|from) \w", token.content) else "sh"


def documents() -> list[Document]:
    """Every Markdown file of the project, the examples' docstrings, the head of compose.yaml."""
    found = [Document(name, (ROOT / name).read_text()) for name in sorted(_markdown_files())]
    return [*found, *map(_docstring, sorted((ROOT / "examples").glob("*.py"))), _compose()]


def _docstring(file: Path) -> Document:
    text = ast.get_docstring(ast.parse(file.read_text()), clean=False) or ""
    return Document(file.relative_to(ROOT).as_posix(), text)


def _compose() -> Document:
    head = re.match(r"(#.*\n)*", (ROOT / "compose.yaml").read_text())
    assert head is not None
    lines = [line[2:] for line in head[0].splitlines()]
    # Its commands are set off by two more blanks only, as comments are.
    return Document("compose.yaml", "\n".join(re.sub(r"^  (?=\S)", "    ", line) for line in lines))


def _markdown_files() -> Iterator[str]:
    for folder, folders, files in os.walk(ROOT):
        left_out = ignored(folder, [*folders, *files])
        folders[:] = [name for name in folders if name not in left_out and name != "vendor"]
        for name in files:
            if name.endswith(".md") and name not in left_out:
                yield (Path(folder) / name).relative_to(ROOT).as_posix()


def ignored(folder: str, names: list[str]) -> set[str]:
    """Those names in a folder that are not the project's: what `shutil.copytree` asks for."""
    place = Path("/") / Path(folder).relative_to(ROOT)
    return {name for name in names if _is_ignored((place / name).as_posix())}


def _is_ignored(path: str) -> bool:
    patterns = [".git", *(ROOT / ".gitignore").read_text().split()]
    return any(
        fnmatch.fnmatch(path if each.startswith("/") else path.rpartition("/")[2], each.rstrip("/"))
        for each in patterns
    )
