"""What is installed is what is pinned: everything this project needs at run time, and its tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from configparser import ConfigParser
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
ENGINES = ROOT / "benchmarks" / "engines.txt"
EXTRAS = ("", "test", "dev", "bench", "tracing")


def pins(*more: Path) -> dict[str, str]:
    lines = [line for file in (CONSTRAINTS, *more) for line in file.read_text().splitlines()]
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): pinned for name, pinned in pairs}


def declared(extra: str) -> list[str]:
    """What setup.cfg asks for: the metadata of what is installed may be older."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = config["options.extras_require"]
    text = extras[extra] if extra else config["options"]["install_requires"]
    return text.split("\n")[1:]


def all_needed(*extras: str) -> set[str]:
    """Everything that this project needs with these extras, and what that needs."""
    lines = [line for extra in ("", *extras) for line in declared(extra)]
    return set(needed(lines, ("",), set())) - {"pip"}  # which comes with the environment


def needed(lines: list[str], extras: tuple[str, ...], seen: set[str]) -> Iterator[str]:
    for text in lines:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is not None and not any(marker.evaluate({"extra": e}) for e in extras):
            continue
        key = f"{canonicalize_name(requirement.name)}[{','.join(sorted(requirement.extras))}]"
        if key in seen:
            continue
        seen.add(key)
        yield canonicalize_name(requirement.name)
        try:
            more = requires(requirement.name) or []
        except PackageNotFoundError:
            continue  # of an extra that is not installed here
        yield from needed(more, ("", *requirement.extras), seen)


@pytest.mark.parametrize("extra", EXTRAS)
def test_everything_that_is_needed_is_pinned(extra: str) -> None:
    wanted = all_needed(*filter(None, [extra]))
    assert {"pyarrow", "starlette", "pika"} <= wanted  # also what others bring
    assert wanted - pins().keys() == set()


def test_the_pinned_versions_are_those_that_are_tested() -> None:
    wrong = {}
    for name in all_needed(*EXTRAS[1:]):
        try:
            found = version(name)
        except PackageNotFoundError:
            continue  # of an extra that is not installed here
        if found != pins().get(name):
            wrong[name] = found
    assert wrong == {}


def test_everything_that_the_engines_of_benchmarks_need_is_pinned() -> None:
    wanted = all_needed("bench", "engines")
    assert {"dask", "pyspark", "ray"} <= wanted
    assert wanted - pins(ENGINES).keys() == set()


@pytest.mark.parametrize("file", [CONSTRAINTS, ENGINES], ids=lambda file: file.name)
def test_every_line_is_one_exact_version(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    assert len({line.partition("==")[0].lower() for line in lines}) == len(lines)
