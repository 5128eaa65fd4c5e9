"""coffeeshop as a library, as a notebook uses it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import coffeeshop
from coffeeshop.errors import BadData, UsageError
from coffeeshop.generate import generate
from tests.oracle import QUERIES, answers
from tests.running import running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small data folder."""
    generate(tmp_path / "data", transactions=2_000, seed=8)
    return tmp_path / "data"


def test_a_client_without_a_gateway_answers_in_this_process(folder: Path, tmp_path: Path) -> None:
    with coffeeshop.Client() as client:
        results = client.submit(folder)
    assert list(results) == list(QUERIES)
    assert results.rows["transactions"] == 2_000
    files = results.write(tmp_path / "out")
    assert {file.name: file.read_text() for file in files} == answers(folder)


def test_a_client_of_a_gateway_gives_the_same_tables(folder: Path) -> None:
    with coffeeshop.Client() as here:
        expected = here.submit(folder, plan="staged")
    with running() as system, coffeeshop.Client(system.url) as there:
        results = there.submit(folder, plan="staged")
    assert all(results[query].equals(expected[query]) for query in expected)
    assert results.rows == expected.rows


def test_results_show_themselves_as_html_without_trusting_names(folder: Path) -> None:
    stores = folder / "stores" / "stores_0000.csv"
    stores.write_text(stores.read_text().replace("G Coffee @ PJS8", "<script>"))
    with coffeeshop.Client() as client:
        shown = client.submit(folder)._repr_html_()
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown
    assert "rows more" in shown


def test_bad_data_tells_where(folder: Path) -> None:
    users = folder / "users" / "users_0000.csv"
    users.write_text(users.read_text() + "x,male,1990-01-01,2024-01-01 10:00:00\n")
    with coffeeshop.Client() as client, pytest.raises(BadData, match="column user_id, value 'x'"):
        client.submit(folder)


def test_what_is_no_url_is_refused_at_once() -> None:
    with pytest.raises(UsageError):
        coffeeshop.Client("not a url")


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        coffeeshop.Nonsense  # noqa: B018


AS_A_SCRIPT = """
import sys, coffeeshop
with coffeeshop.Client() as client:
    print(len(client.submit(sys.argv[1])))
"""


def test_a_script_finds_on_its_standard_output_what_it_prints_itself_only(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AS_A_SCRIPT, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "5\n"
    assert done.stderr == ""
