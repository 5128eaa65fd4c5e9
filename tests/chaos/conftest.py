"""One data folder, its answers, and one connection to look at the broker with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from coffeeshop.generate import generate
from coffeeshop.reading.folder import DataFolder, open_folder
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.processes import Cluster
from coffeeshop.transport import Transport, connect
from tests.oracle import answers


@dataclass(frozen=True)
class Data:
    """A folder and its answers by an independent engine."""

    path: Path
    answers: dict[str, str]

    @property
    def folder(self) -> DataFolder:
        """The folder as a client opens it."""
        return open_folder(self.path)


def make_data(path: Path, transactions: int, seed: int) -> Data:
    """Generate a folder and ask the oracle."""
    generate(path, transactions=transactions, seed=seed)
    return Data(path, answers(path))


@pytest.fixture(scope="session")
def broker(broker: PrivateBroker) -> Iterator[PrivateBroker]:
    """A broker of these tests' own: other tests leave something behind, and here nothing may be."""
    with PrivateBroker() as private:
        yield private


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """A batch or so a table."""
    return make_data(tmp_path_factory.mktemp("chaos") / "small", 3_000, 5)


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Some dozen batches."""
    return make_data(tmp_path_factory.mktemp("chaos") / "large", 150_000, 6)


@pytest.fixture(scope="session")
def transport(broker: PrivateBroker) -> Iterator[Transport]:
    """A look at the shared broker."""
    made = connect(broker.url, name="test")
    yield made
    made.close()


@pytest.fixture
def cluster(broker: PrivateBroker) -> Iterator[Cluster]:
    """No processes yet; ended after the test."""
    with Cluster(broker.url) as made:
        yield made
