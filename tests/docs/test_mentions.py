"""What documents name exists: files, headings, options, variables, commands."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

from tests.docs.command_line import complaint, names, options
from tests.docs.markdown import ROOT, Document, documents
from tests.docs.rules import NAMED_ONLY, OTHER_OPTIONS

DOCUMENTS = {each.name: each for each in documents()}
LONGEST = {"README.md": 150, "README.es.md": 150}
PLACE = re.compile(r"(?!users/)(?:[\w.-]+/)+[\w.-]+\.(?:py|sh|md|conf|yaml|cfg|txt|html|js|css)")
"""A path in a sentence; without blanks, stars or placeholders. `users/` is in a data folder."""
every_document = pytest.mark.parametrize("name", DOCUMENTS)


def anchors(document: Document) -> set[str]:
    """The headings as links name them."""
    pairs = zip(document.tokens, document.tokens[1:], strict=False)
    heads = [text.content for token, text in pairs if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def links(document: Document) -> Iterator[tuple[int, str]]:
    for line, token in document.inline():
        target = token.attrs.get("href") or token.attrs.get("src")
        if target is not None:
            yield line, unquote(str(target))


def missing(document: Document) -> Iterator[str]:
    """Links that lead nowhere."""
    for line, target in links(document):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / document.name).parent / path if path else ROOT / document.name
        place = file.resolve().relative_to(ROOT).as_posix() if file.exists() else ""
        if not place or (anchor and anchor not in anchors(DOCUMENTS[place])):
            yield f"{document.name}:{line}: {target}"


@every_document
def test_every_link_and_every_image_of_a_document_leads_somewhere(name: str) -> None:
    assert list(missing(DOCUMENTS[name])) == []


def test_a_link_that_leads_nowhere_is_noticed() -> None:
    text = (
        "[a](docs/why.md) [b](nowhere.md)\n\n# One `two`, three\n\n[c](#one-two-three) ![d](e.png)"
    )
    text += "\n[f](docs/queries.md#input) [g](docs/queries.md#output)"
    found = list(missing(Document("README.md", text)))
    assert [each.rpartition(" ")[2] for each in found[:2]] == ["nowhere.md", "#one-two-three"]
    # The headings of its own are those of the real README.md here.
    assert [each.rpartition(" ")[2] for each in found[2:]] == ["e.png", "docs/queries.md#output"]


@every_document
def test_every_file_that_a_document_names_is_there(name: str) -> None:
    mentioned = [(line, text) for line, text in DOCUMENTS[name].mentions() if PLACE.fullmatch(text)]
    places = (ROOT, ROOT / "coffeeshop", ROOT / "tests")
    lost = [each for each in mentioned if not any((place / each[1]).exists() for place in places)]
    assert lost == []


@every_document
def test_every_option_that_a_document_names_is_one_of_the_command_line(name: str) -> None:
    known = options() | OTHER_OPTIONS.keys()
    words = [(line, text.split()) for line, text in DOCUMENTS[name].mentions()]
    named = [(line, each) for line, text in words if text[0].startswith("--") for each in text]
    assert [each for each in named if each[1].startswith("--") and each[1] not in known] == []


@pytest.mark.parametrize("option", OTHER_OPTIONS)
def test_an_option_of_something_else_is_named_and_is_there(option: str) -> None:
    assert any(option in text for each in DOCUMENTS.values() for _, text in each.mentions())
    assert f'"{option}"' in (ROOT / OTHER_OPTIONS[option]).read_text()


@pytest.mark.parametrize("text", NAMED_ONLY)
def test_what_is_no_command_is_in_a_document(text: str) -> None:
    assert any(text == said for each in DOCUMENTS.values() for _, said in each.mentions())


@every_document
def test_every_part_of_a_command_that_a_document_names_would_be_understood(name: str) -> None:
    found = []
    for line, text in DOCUMENTS[name].mentions():
        words = re.sub(r"[\[\]]", "", text).split()
        whole = words[0] == "coffeeshop" and len(words) > 1
        words = words[1:] if whole else words
        if (whole or words[0] in names()) and (why := complaint(words)):
            found.append(f"{name}:{line}: {text}: {why}")
    assert found == []


@every_document
def test_every_code_with_an_option_is_a_command_that_is_known_here(name: str) -> None:
    document = DOCUMENTS[name]
    typed = {each.text for each in document.code()} | NAMED_ONLY.keys()
    found = []
    for line, text in document.mentions():
        first, *words = text.split()
        program = re.fullmatch(r"[a-z.][\w./-]*", first) and first not in names()
        if program and text not in typed and any(word.startswith("-") for word in words):
            found.append((line, text))
    assert found == []


@every_document
def test_every_variable_that_a_document_names_is_read_somewhere(name: str) -> None:
    sources = [*(ROOT / "coffeeshop").rglob("*.py"), ROOT / "compose.yaml"]
    known = set(re.findall(r"COFFEESHOP_[A-Z_]+", "".join(each.read_text() for each in sources)))
    assert set(re.findall(r"COFFEESHOP_[A-Z_]+", DOCUMENTS[name].text)) <= known


@pytest.mark.parametrize("name", LONGEST)
def test_a_readme_can_be_read_in_one_go(name: str) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= LONGEST[name]


def the_writer() -> ModuleType:
    """benchmarks/document.py: the benchmarks are scripts in a folder of their own."""
    spec = importlib.util.spec_from_file_location("document", ROOT / "benchmarks" / "document.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("benchmark", ["compare", "scaling", "distributed"])
def test_a_benchmark_can_write_its_table_into_the_page_of_figures(
    benchmark: str, tmp_path: Path
) -> None:
    before = (ROOT / "docs" / "benchmarks.md").read_text()
    (tmp_path / "a.md").write_text(before)
    the_writer().write([tmp_path / "a.md"], benchmark, ["a table"])
    after = (tmp_path / "a.md").read_text()
    assert f"<!-- benchmarks:{benchmark} -->\n```text\na table\n" in after
    assert "coffeeshop 0." in after
    end = f"<!-- end of benchmarks:{benchmark} -->"
    assert after.partition(end)[2] == before.partition(end)[2]
    assert after.partition("<!-- benchmarks:")[0] == before.partition("<!-- benchmarks:")[0]


def test_a_document_without_the_marks_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("nothing")
    with pytest.raises(SystemExit, match="benchmarks:compare"):
        the_writer().write([tmp_path / "a.md"], "compare", [])
    assert (tmp_path / "a.md").read_text() == "nothing"
