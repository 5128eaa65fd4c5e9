"""A gateway with a node for each module, and one data folder with its answers for all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from coffeeshop.gateway import dependencies
from coffeeshop.generate import generate
from tests.oracle import answers
from tests.running import Running, http, running


# Of the module: what is open or read of other modules' sessions would be counted too.
@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def api(system: Running) -> Iterator[httpx.Client]:
    with http(system) as made:
        yield made


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for word of sessions that do not exist."""
    monkeypatch.setattr(dependencies, "NEWS_TIMEOUT", 0.02)


@pytest.fixture(scope="package")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gateway") / "shop"
    generate(folder, transactions=2_000, seed=21, layout="flat")
    return folder


@pytest.fixture(scope="package")
def expected(data: Path) -> dict[str, str]:
    return answers(data)
