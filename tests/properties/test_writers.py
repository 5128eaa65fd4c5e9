"""A folder written by others gives the answers of the plain one, or is refused; by every way in."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2 as httpx
import pytest
from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st

from coffeeshop.client.remote import RemoteFollower, analyse, fetch
from coffeeshop.errors import BadData
from coffeeshop.formats import to_csv
from coffeeshop.local import LocalSystem
from coffeeshop.names import QUERIES
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.reading.folder import open_folder
from tests.paging import Refusal, sent
from tests.properties.data_sets import DATA_SETS, Data
from tests.properties.test_answers import expected
from tests.running import Running, http, new_id, running

pytest.importorskip("pandas", reason="pandas is not installed")
pytest.importorskip("polars", reason="Polars is not installed")
from tests.properties.writers import WRITERS, typed

PATIENCE = 30.0
Answers = dict[str, str] | None
"""The files by their names; None when the folder is refused."""


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def api(system: Running) -> Iterator[httpx.Client]:
    with http(system) as made:
        yield made


@pytest.fixture(scope="module")
def local() -> Iterator[LocalSystem]:
    with LocalSystem() as made:
        yield made


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("writers")
    return (root / str(number) for number in itertools.count())


def by_command(local: LocalSystem, folder: Path) -> Answers:
    try:
        _, completed = local.analyse(open_folder(folder), timeout=PATIENCE)
    except BadData as error:
        note(f"refused: {error}")
        return None
    return {f"{name}.csv": to_csv(table).decode() for name, table in completed.tables.items()}


def by_gateway(system: Running, folder: Path) -> Answers:
    with closing(system.client()) as client:
        try:
            _, tables, _ = analyse(client, open_folder(folder), SessionSpec(new_id()))
        except BadData:
            return None
    return {f"{name}.csv": to_csv(table).decode() for name, table in tables.items()}


def by_page(system: Running, api: httpx.Client, folder: Path) -> Answers:
    spec = SessionSpec(new_id())
    with closing(system.client()) as client:
        client.open(spec, "page")
        try:
            sent(api, spec.id, folder)
        except Refusal:
            client.cancel_soon(spec.id, 5.0)
            return None
        RemoteFollower(client, spec.id).result(PATIENCE)
        tables = fetch(client, spec.id, QUERIES)
    return {f"{name}.csv": to_csv(table).decode() for name, table in tables.items()}


# Without shrinking, which would take minutes: the seed and the tables of a failure are printed.
@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(data=DATA_SETS, seed=st.integers(0, 1 << 32))
def test_a_folder_by_any_writer_gives_the_base_or_a_refusal_by_every_way(
    data: Data,
    seed: int,
    system: Running,
    api: httpx.Client,
    local: LocalSystem,
    places: Iterator[Path],
) -> None:
    chance = random.Random(seed)
    base = next(places)
    base.mkdir()
    folder = next(places)
    folder.mkdir()
    for table, rows in data.items():
        writer = chance.choice(WRITERS)
        note(f"{table} {writer.__name__}")
        writer(folder, table, typed(table, rows), chance)
    found = by_command(local, folder)
    assert found is None or found == expected(base, data)
    assert by_gateway(system, folder) == found
    assert by_page(system, api, folder) == found
    shutil.rmtree(folder)
