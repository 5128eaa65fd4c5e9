"""Errors say one clear sentence and have the exit codes their module documents."""

from __future__ import annotations

import re

import pytest

from coffeeshop import errors
from coffeeshop.errors import BadData, CoffeeshopError

DOCUMENTED = dict(re.findall(r"(\w+)\s+exit (\d+)", errors.__doc__ or ""))
DEFINED = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, CoffeeshopError)
}


def test_the_tree_in_the_module_names_every_error() -> None:
    assert DOCUMENTED.keys() == DEFINED.keys()


@pytest.mark.parametrize("name", DEFINED)
def test_an_error_has_its_documented_exit_code(name: str) -> None:
    assert DEFINED[name].exit_code == int(DOCUMENTED[name])
    assert DEFINED[name].exit_code != 0


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (BadData("too odd"), "too odd"),
        (BadData("too odd", file="a.csv"), "a.csv: too odd"),
        (BadData("too odd", file="a.csv", line=3), "a.csv, line 3: too odd"),
        (
            BadData("too odd", file="a.csv", line=3, column="c", value=""),
            "a.csv, line 3, column c, value '': too odd",
        ),
        (
            BadData("too odd", file="a.csv", column="c", value="x\ny"),
            "a.csv, column c, value 'x\\ny': too odd",
        ),
        (BadData("long", file="a", value="x" * 500), f"a, value {'x' * 80!r}: long"),
    ],
)
def test_bad_data_says_where_as_far_as_it_is_known(error: BadData, sentence: str) -> None:
    assert str(error) == sentence


def test_bad_data_keeps_its_parts() -> None:
    error = BadData("r", file="f", line=1, column="c", value="v" * 500)
    assert (error.reason, error.file, error.line, error.column) == ("r", "f", 1, "c")
    assert error.value == "v" * 500
