"""The command in a directory of the test's own, alone or with a gateway to talk to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coffeeshop.generate import generate
from tests.acceptance.command import TRANSACTIONS, WIDE, Run, runner
from tests.running import Running, running


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    """A gateway and a node for the tests of one module; some modules have one of their own kind."""
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def idle() -> Iterator[Running]:
    """A gateway for which nobody works."""
    with running(node=False) as made:
        yield made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A small data folder, one file a table; most modules have one of their own."""
    folder = tmp_path / "data"
    generate(folder, transactions=TRANSACTIONS, seed=11, layout="flat")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the command in a directory of its own."""
    return runner(tmp_path)


@pytest.fixture
def run_there(tmp_path: Path, system: Running) -> Run:
    """Runs the command in a directory of its own, with a gateway in the environment."""
    return runner(tmp_path, COFFEESHOP_GATEWAY=system.url, **WIDE)


@pytest.fixture
def run_idle(tmp_path: Path, idle: Running) -> Run:
    """Like `run_there`; nobody works for the gateway."""
    return runner(tmp_path, COFFEESHOP_GATEWAY=idle.url, **WIDE)
