"""The pages that are made from the code say what the code says."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import coffeeshop
from coffeeshop.gateway.app import create_app
from coffeeshop.gateway.security.access import Access
from coffeeshop.generate import generate
from tests import oracle
from tests.docs.markdown import ROOT


def script(name: str) -> Any:
    """A module of scripts/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def operations() -> dict[str, Any]:
    """Every operation of the API's document by its method and path."""
    app: Any = create_app(None, Access())  # type: ignore[arg-type]
    return {
        f"{method.upper()} {path}": operation
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    }


def test_the_reference_of_the_http_api_is_that_of_this_version() -> None:
    made = script("http_reference")
    page = made.PAGE.read_text()
    assert page == made.written(page), "run .venv/bin/python scripts/http_reference.py"


def test_the_reference_of_the_library_is_that_of_this_version() -> None:
    made = script("python_reference")
    page = made.PAGE.read_text()
    assert page == made.written(page), "run .venv/bin/python scripts/python_reference.py"


def test_the_reference_has_every_name_that_the_library_exports() -> None:
    page = (ROOT / "docs" / "python.md").read_text()
    names = [name for name in coffeeshop.__all__ if not name.startswith("_")]
    assert [each for each in names if each not in page] == []


def test_the_reference_has_every_operation_of_the_api() -> None:
    page = (ROOT / "docs" / "http.md").read_text()
    assert [each for each in operations() if f"`{each}`" not in page] == []


@pytest.mark.parametrize("request_line", operations())
def test_an_operation_says_in_words_what_it_does_what_it_takes_and_what_it_answers(
    request_line: str,
) -> None:
    operation = operations()[request_line]
    made_up = re.sub(r"_(v1|healthz|readyz|metrics).*", "", operation["operationId"])
    assert operation["summary"] != made_up.replace("_", " ").title()
    assert operation["description"]
    assert all(each.get("description") for each in operation.get("parameters", []))
    answers = [each["description"] for each in operation["responses"].values()]
    assert "Successful Response" not in answers


def test_a_question_is_added_by_the_file_that_the_guide_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "coffeeshop"
    shutil.copytree(ROOT / "coffeeshop", copy, ignore=shutil.ignore_patterns("__pycache__"))
    guide = (ROOT / "docs" / "add-a-question.md").read_text()
    module = re.findall(r"^```python\n(.*?)^```", guide, re.M | re.S)[0]
    (in_sql,) = re.findall(r'^```text\n("query5".*?)^```', guide, re.M | re.S)
    (copy / "questions" / "builtin" / "query5.py").write_text(module)
    generate(tmp_path / "data", transactions=2_000, seed=5)
    subprocess.run(
        [sys.executable, "-m", "coffeeshop", "submit", "--data-folder", "data", "-q"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
        timeout=60,
    )
    answer = (tmp_path / "results" / "data" / "query5.csv").read_text()
    added = eval(f"{{{in_sql.strip()}}}", vars(oracle))
    monkeypatch.setattr(oracle, "QUERIES", added)
    assert len(answer.splitlines()) > 10
    assert oracle.answers(tmp_path / "data") == {"query5.csv": answer}
