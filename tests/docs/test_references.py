"""The pages that are made from the code say what the code says."""

from __future__ import annotations

import importlib.util
import re
from typing import Any

import pytest

from coffeeshop.gateway.access import Access
from coffeeshop.gateway.app import create_app
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
