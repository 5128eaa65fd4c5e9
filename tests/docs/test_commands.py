"""Whatever a document tells its reader to type works as it is written."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from coffeeshop.testing.broker import PrivateBroker
from tests.docs.checks import check
from tests.docs.markdown import ROOT, Document, documents
from tests.docs.reading import Reader, complete, differences, steps
from tests.docs.rules import (
    CHECKED,
    DATA_FOLDERS,
    STAND_INS,
    SUBSTITUTIONS,
    TRANSLATIONS,
    Checked,
)
from tests.docs.sandbox import Sandbox, Standing, standing

DOCUMENTS = {each.name: each for each in documents() if each.code()}
TYPED = [
    step.text
    for each in DOCUMENTS.values()
    if each.name not in TRANSLATIONS
    for step in steps(each)
]

TOOLS = ("bash", "curl", "jq", "make")
"""What the documents expect of a reader's machine."""


@pytest.fixture(scope="module")
def system(broker: PrivateBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """What the commands find running."""
    if not all(map(shutil.which, TOOLS)):
        reason = f"DOCUMENTS NOT TESTED: not all of {TOOLS} are installed"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    with standing(broker, tmp_path_factory.mktemp("standing")) as made:
        yield made


@pytest.fixture
def sandbox(system: Standing, tmp_path: Path) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path, system)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(tmp_path)  # a whole copy: pytest would keep those of three runs


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name not in TRANSLATIONS])
def test_everything_that_a_document_says_to_type_works(name: str, sandbox: Sandbox) -> None:
    complaints = Reader(name, sandbox).follow(steps(DOCUMENTS[name]))
    assert not complaints, "\n\n".join(complaints)


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_a_translation_says_to_type_what_its_original_says(name: str) -> None:
    original, words = TRANSLATIONS[name]
    translated = [_without_comments(complete(step), words) for step in steps(DOCUMENTS[name])]
    assert translated == [_without_comments(complete(step)) for step in steps(DOCUMENTS[original])]


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_a_translation_has_the_parts_of_its_original(name: str) -> None:
    def parts(document: str) -> list[str]:
        kept = ("heading_open", "table_open", "fence", "code_block", "tr_open", "paragraph_open")
        return [
            token.type + token.tag for token in DOCUMENTS[document].tokens if token.type in kept
        ]

    assert parts(name) == parts(TRANSLATIONS[name][0])


def _without_comments(text: str, words: dict[str, str] | None = None) -> str:
    """A command as it is written in the original."""
    for foreign, own in (words or {}).items():
        text = text.replace(foreign, own)
    return re.sub(r" +# .*", "", text).strip()


@pytest.mark.parametrize("row", CHECKED, ids=lambda row: row.command)
def test_every_command_that_is_only_checked_is_in_a_document(row: Checked) -> None:
    assert any(re.fullmatch(row.command, text) for text in TYPED)


def test_everything_that_is_replaced_or_provided_is_in_a_document() -> None:
    unused = [
        rule.says for rule in SUBSTITUTIONS if not any(re.search(rule.says, t) for t in TYPED)
    ]
    whole = "\n".join(TYPED)
    unused += [name for name in DATA_FOLDERS if Path(name).name not in whole]
    unused += [name for name in STAND_INS if f"{name} " not in whole]
    assert unused == []


WRONG = """
# Title

Call `coffeeshop nodes --everything`.

    X=1
    test $X = 1
    test $X = 2 # never
    for each in 1 2; do
        false | true
    done

```text
no command
```

```console
$ echo one; echo two
one
three
```

```python
raise SystemExit(3)
```

    coffeeshop run-node --type nothing
    curl -s localhost:9000/v1/sessions/nothing
    docker compose up nothing
"""


def test_what_does_not_work_is_said_with_its_line(sandbox: Sandbox) -> None:
    complaints = Reader("wrong.md", sandbox).follow(steps(Document("wrong.md", WRONG)))
    lines = [int(re.match(r"wrong\.md:(\d+): ", each)[1]) for each in complaints[:-1]]  # type: ignore[index]
    assert lines == [4, 8, 9, 18, 24, 27, 28, 29]
    assert "--everything" in complaints[0]
    assert "three" in complaints[3]
    assert "exit code 3" in complaints[4]
    assert "nothing" in complaints[5]
    assert "no such service: nothing" in complaints[7]
    assert complaints[8] == "wrong.md: processes ended with [2]"


def test_lines_that_are_shown_are_compared_by_their_first_word() -> None:
    assert differences("node  3\n17 rows\n", "node  4\n") == ""
    assert "session" in differences("session 1\n", "node 4\n")


@pytest.mark.parametrize(
    ("how", "command", "why"),
    [
        ("make", "make nonsense", "No rule to make target"),
        ("package", "apt install nonsense", "not installed by programs.sh: nonsense"),
        ("extra", "pip install '.[nonsense]'", "no extra"),
        ("extra", "pip install 'coffeeshop[tracing]'", "no extra"),
        ("script", "python benchmarks/scaling.py --nonsense", "no such option: --nonsense"),
        ("script", "python benchmarks/nonsense.py", "can't open file"),
        ("package", "apt install chromium", ""),
        ("script", "python benchmarks/scaling.py --rounds 1", ""),
    ],
)
def test_a_command_that_is_only_checked_can_be_wrong(how: str, command: str, why: str) -> None:
    found = check(Checked("", "", how), command, ROOT)  # type: ignore[arg-type]
    assert (why in found) if why else found == ""


def test_a_recipe_that_calls_what_is_not_there_is_noticed(tmp_path: Path) -> None:
    recipes = ("sh no.sh", "nonsense", "python3 -m no.module", "python3 -m pytest no/tests")
    targets = "".join(f"t{number}:\n\t@{line}\n" for number, line in enumerate(recipes))
    (tmp_path / "Makefile").write_text(targets)
    for number in range(len(recipes)):
        assert "no such" in check(Checked("", "", "make"), f"make t{number}", tmp_path)
