"""The example data set that `coffeeshop serve` offers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from coffeeshop.client import example
from coffeeshop.client.example import ExampleData
from coffeeshop.generate import generate
from coffeeshop.schema import TABLES


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small data set is as good here."""
    monkeypatch.setattr(example, "TRANSACTIONS", 50)


def test_it_is_made_once_however_many_ask_for_it_at_once(tmp_path: Path) -> None:
    data = ExampleData(tmp_path / "root")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: data.files(), range(4)))
    assert found[0].keys() == {f"{table}.csv" for table in TABLES}
    assert all(each == found[0] for each in found)
    assert [each.name for each in (tmp_path / "root").iterdir()] == ["example"]


def test_a_folder_of_that_name_is_taken_as_it_is(tmp_path: Path) -> None:
    generate(tmp_path / "example", transactions=5, seed=3, layout="dirs")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.csv")}
    found = ExampleData(tmp_path).files()
    assert "stores/stores_0000.csv" in found
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.csv")} == before


def test_where_the_data_root_cannot_be_written_it_is_made_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("is a file")
    data = ExampleData(tmp_path / "root")
    found = data.files()
    assert found == data.files()
    assert all(file.is_file() for file in found.values())
    data.close()
    assert not any(file.exists() for file in found.values())
