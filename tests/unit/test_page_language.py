"""Every text of the page's modules is in its Spanish dictionary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from coffeeshop.questions.gallery import Ready, ready

JS = Path(str(files("coffeeshop.gateway") / "static" / "js"))
DICTIONARY = "language/es.js"
COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", re.DOTALL)
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')
HOLE = re.compile(r"\$\{(?:[^{}]|\{[^{}]*\})*\}")
SENTENCE = re.compile(r"[A-Z“][a-z]* |[A-Z][a-z]+$")
NOT_SHOWN = {
    "AbortError",  # names of the browser's
    "Content-Type",
    "Retry-After",
    "Last-Event-ID",
    "Files",
    "Español",  # the same in every language
    "English",
}
ENTRY = re.compile(
    r'^ {2}(?:"((?:[^"\\]|\\.)*)"|([A-Za-z]+)):\s+"((?:[^"\\]|\\.)*)",$', re.MULTILINE
)


def dictionary() -> dict[str, str]:
    text = (JS / DICTIONARY).read_text(encoding="utf-8")
    return {quoted or bare: target for quoted, bare, target in ENTRY.findall(text)}


def literals() -> Iterator[tuple[str, str]]:
    """Texts and templates of the modules, as file and text, with ``{}`` for what is filled in."""
    for module in sorted(JS.rglob("*.js")):
        if module.relative_to(JS).as_posix() == DICTIONARY:
            continue
        for plain, template in LITERAL.findall(COMMENT.sub("", module.read_text(encoding="utf-8"))):
            yield module.name, plain or HOLE.sub("{}", template)


def test_every_sentence_of_the_modules_is_in_the_dictionary() -> None:
    known = dictionary()
    pieces = "\n".join(known)
    missing = [
        (module, text)
        for module, text in literals()
        if SENTENCE.match(text)
        and text not in NOT_SHOWN
        # What is put together of several texts is in several entries.
        and not all(part.strip() in pieces for part in text.split("{}"))
    ]
    assert missing == []


def test_a_translation_fills_in_what_its_text_does() -> None:
    known = dictionary()
    assert len(known) > 300
    for text, target in known.items():
        assert text.count("{}") == len(re.findall(r"\{\d?\}", target)), text


@pytest.mark.parametrize("question", ready(), ids=lambda question: question.name)
def test_the_title_of_every_ready_question_is_in_the_dictionary(question: Ready) -> None:
    assert question.title in dictionary()
