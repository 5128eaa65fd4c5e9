"""As much of PromQL as tells which series and labels an expression names."""

from __future__ import annotations

import re
from dataclasses import dataclass

WORDS = {"and", "or", "unless", "bool", "by", "on", "without", "ignoring"}
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"\{([^}]*)\}")
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring) *\(([^)]*)\)")
_RANGE = re.compile(r"\[[^\]]*\]")
_NAME = re.compile(r"(?<![\w.])([a-zA-Z_:][\w:]*)(?! *\(|\w)")
_LABEL = re.compile(r"(\w+) *(?:=~|!~|!=|=)")
_CLOSING = {")": "(", "}": "{", "]": "["}


@dataclass(frozen=True)
class Named:
    """What an expression names."""

    series: frozenset[str]
    labels: frozenset[str]


def named(expression: str) -> Named:
    """The series and labels of an expression. Raises ValueError for brackets without others."""
    bare = _TEXT.sub("", expression)
    _check_brackets(bare)
    labels = {label for block in _SELECTOR.findall(bare) for label in _LABEL.findall(block)}
    grouped = {word.strip() for block in _GROUPING.findall(bare) for word in block.split(",")}
    rest = _RANGE.sub("", _GROUPING.sub("", _SELECTOR.sub("", bare)))
    series = {name for name in _NAME.findall(rest) if name not in WORDS}
    return Named(frozenset(series), frozenset(labels | grouped))


def _check_brackets(text: str) -> None:
    waiting: list[str] = []
    for character in text:
        if character in _CLOSING.values():
            waiting.append(character)
        elif character in _CLOSING and (not waiting or waiting.pop() != _CLOSING[character]):
            raise ValueError(f"unbalanced: {text}")
    if waiting:
        raise ValueError(f"unbalanced: {text}")
