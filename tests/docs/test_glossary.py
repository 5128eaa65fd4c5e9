"""The glossary of docs/architecture.md and the code say the same words, and no old ones."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
OLD = frozenset(
    re.findall(
        r"\w+",
        """
    Chronicle Hearing Errands LastCalls Mending Restating Endings Fact Lifetimes Narrator
    OTHERS_PATIENCE chronicle hearing errands last_calls mending restating endings facts lifetimes
    wants_a_word deaf forgive say_ended last_word restate restated
    HoldingResponse Flow Given By The SentAway Traced SmallBodies small_bodies traced Wish WISHES
    Care Turns Work Claiming judge Verdict careful hopeless claims Departure departure
    without_its_clients Supervision Hosted WhatIsHosted _LookForHanging
    Handed Following Calls Settling Act guilty spared suspect _acquit _judge RESIGNATION
    Wire Link Tenant
    glance Patience open_somehow newest_sessions _works _Worked _ending_in_what_is_wrong
    stumps sway Passing Lane spare_memory colour_wish try_it
    """,
    )
)
"""Names of the dialect that this code spoke once: see the table `Words` for what they are now."""


def glossary() -> dict[str, str]:
    """The words of the page, and what is written beside them."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page.split("## Words")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| (.+) \|$", table, re.M)
    return {word.strip(): meaning for word, meaning in rows if word.strip() not in ("word", "---")}


@cache
def modules() -> dict[Path, ast.Module]:
    return {
        file: ast.parse(file.read_text()) for file in sorted((ROOT / "coffeeshop").rglob("*.py"))
    }


@cache
def defined() -> dict[str, str]:
    """What the code calls something: modules, classes, functions, constants; and where."""
    found: dict[str, str] = {}
    for file, tree in modules().items():
        found.setdefault(file.stem, str(file.relative_to(ROOT)))
        for node in ast.walk(tree):
            match node:
                case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                    found.setdefault(name, f"{file.relative_to(ROOT)}:{node.lineno}")
                case ast.AsyncFunctionDef(name=name):
                    found.setdefault(name, f"{file.relative_to(ROOT)}:{node.lineno}")
                case ast.Assign(targets=[ast.Name(id=name)]):
                    found.setdefault(name, f"{file.relative_to(ROOT)}:{node.lineno}")
    return found


def test_every_word_of_the_glossary_is_a_word_of_the_code() -> None:
    text = "\n".join(file.read_text() for file in modules()).lower()
    words = glossary()
    assert len(words) > 25
    unsaid = [
        word
        for word in words
        if not re.search(
            rf"(?<![a-z]){re.escape(word.lower()).replace(chr(92) + ' ', '[ _-]?')}", text
        )
    ]
    assert unsaid == []


def test_what_the_glossary_names_as_code_is_there() -> None:
    quoted = {
        name
        for meaning in glossary().values()
        for name in re.findall(r"`([A-Z][A-Za-z]+)`", meaning)
    }
    assert len(quoted) > 15
    assert quoted - defined().keys() == set()


def test_nothing_has_a_name_of_the_old_dialect_any_more() -> None:
    assert {name: defined()[name] for name in OLD & defined().keys()} == {}
