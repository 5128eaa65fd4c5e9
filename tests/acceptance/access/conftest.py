"""A gateway of two replicas with tokens, and one without, for all modules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coffeeshop.client.remote import analyse
from coffeeshop.gateway import dependencies
from coffeeshop.gateway.routes import share
from coffeeshop.gateway.security.access import Access
from coffeeshop.gateway.security.tokens import Tokens, line_of
from coffeeshop.generate import generate
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.reading.folder import open_folder
from tests.acceptance.access.requests import ALICE, WHO
from tests.running import Running, eventually, new_id, running


@pytest.fixture(scope="package")
def tokens_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("access") / "tokens"
    lines = [line_of(name, token, admin=name == "ops") for name, token in WHO.items()]
    file.write_text("\n".join(lines))
    return file


@pytest.fixture(scope="package")
def system(tokens_file: Path) -> Iterator[Running]:
    with running(gateways=2, access=Access(Tokens(tokens_file))) as made:
        yield made


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for word of sessions that do not exist."""
    for module in (dependencies, share):
        monkeypatch.setattr(module, "NEWS_TIMEOUT", 0.02)


@pytest.fixture(scope="package")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("access") / "shop"
    generate(folder, transactions=200, seed=5, layout="flat")
    return folder


@pytest.fixture(scope="package")
def completed(system: Running, data: Path) -> str:
    """A session of Alice's with results."""
    spec = SessionSpec(new_id())
    analyse(system.client(token=ALICE), open_folder(data), spec)
    for number in range(2):
        client = system.client(number, token=ALICE)
        eventually(lambda c=client: c.session(spec.id)["state"] == "completed", "its end is known")
    return spec.id


@pytest.fixture
def opened(system: Running) -> str:
    """An open session of Alice's."""
    spec = SessionSpec(new_id())
    system.client(token=ALICE).open(spec)
    return spec.id


@pytest.fixture(scope="package")
def free() -> Iterator[Running]:
    access = Access(allowed_hosts=frozenset({"coffee.example"}))
    with running(node=False, access=access) as made:
        yield made
