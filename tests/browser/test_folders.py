"""Folders as they really come, through the page: the answers of the command, or its refusal."""

from __future__ import annotations

import bz2
import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from coffeeshop.errors import BadData
from coffeeshop.formats import to_csv
from coffeeshop.generate import generate
from coffeeshop.local import LocalSystem
from coffeeshop.reading.folder import open_folder
from tests.browser.conftest import Open
from tests.browser.test_session import downloaded, tab
from tests.running import Running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "shop"
    generate(made, transactions=600, seed=33, layout="dirs")
    for each in made.rglob("*.csv"):
        each.rename(each.with_name("one.csv"))
    return made


def halves(file: Path) -> tuple[bytes, bytes]:
    """The file in two files, each with the header."""
    header, *rows = file.read_bytes().splitlines(keepends=True)
    half = len(rows) // 2
    return header + b"".join(rows[:half]), header + b"".join(rows[half:])


def test_every_form_of_a_table_is_read_as_by_the_command(
    system: Running, open_page: Open, folder: Path
) -> None:
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    with LocalSystem() as local:
        _, wanted = local.analyse(open_folder(folder))
    first, second = halves(folder / "transactions" / "one.csv")
    (folder / "transactions" / "one.csv").write_bytes(first)
    (folder / "transactions" / "2025").mkdir()
    rest = folder / "transactions" / "2025" / "REST.CSV"
    rest.write_bytes(second)
    pq.write_table(pacsv.read_csv(rest), folder / "transactions" / "2025" / "part-0")
    rest.unlink()
    first, second = halves(folder / "transaction_items" / "one.csv")
    (folder / "transaction_items" / "one.csv").unlink()
    (folder / "transaction_items" / "A.csv.GZ").write_bytes(
        gzip.compress(first[:1000]) + gzip.compress(first[1000:])
    )
    (folder / "transaction_items" / "b.csv.bz2").write_bytes(bz2.compress(second))
    stores = folder / "stores" / "one.csv"
    stores.write_bytes(stores.read_text().encode("utf-16"))
    (folder / "users" / "._one.csv").write_bytes(b"\x00\x05\x16\x07")
    (folder / "notes.md").write_text("what is what")
    menu = folder / "menu_items" / "one.csv"
    menu.write_text(menu.read_text().replace("item_id", "ITEM_ID"))

    watched = open_page(system.url)
    page = watched.page
    watched.choose(folder)
    expect(page.get_by_text("Not read, as no table has that name: notes.md.")).to_be_visible()
    page.get_by_role("button", name="Start the analysis").click()
    watched.expect_state("Completed")
    expect(page.get_by_text("Not read, as no table has that name: notes.md.")).to_be_visible()
    assert downloaded(watched, "query1") == to_csv(wanted.tables["query1"])
    tab(page, "Revenue")
    assert downloaded(watched, "query3") == to_csv(wanted.tables["query3"])


def test_a_quote_inside_a_name_is_a_letter_like_any_other(
    system: Running, open_page: Open, folder: Path
) -> None:
    menu = folder / "menu_items" / "one.csv"
    ids = [row.split(",")[0] for row in menu.read_text().splitlines()[1:]]
    menu.write_text("item_id,item_name\n" + "".join(f'{n},12" cup {n}\n' for n in ids))
    with LocalSystem() as local:
        _, wanted = local.analyse(open_folder(folder))
    watched = open_page(system.url)
    watched.upload(folder)
    watched.expect_state("Completed")
    tab(watched.page, "Best sellers")
    text = downloaded(watched, "query2_best_selling")
    assert b'12""' in text
    assert text == to_csv(wanted.tables["query2_best_selling"])


def both_layouts(folder: Path) -> None:
    shutil.copy(folder / "stores" / "one.csv", folder / "stores.csv")


def packed_beside(folder: Path) -> None:
    file = folder / "stores" / "one.csv"
    file.with_name("one.csv.gz").write_bytes(gzip.compress(file.read_bytes()))


def misspelt(folder: Path) -> None:
    (folder / "stores").rename(folder / "storez")


@pytest.mark.parametrize("change", [both_layouts, packed_beside, misspelt])
def test_what_the_command_refuses_is_not_started(
    system: Running, open_page: Open, folder: Path, change: Callable[[Path], None]
) -> None:
    change(folder)
    with pytest.raises(BadData) as caught:
        open_folder(folder)
    watched = open_page(system.url)
    watched.choose(folder)
    expect(watched.page.get_by_role("alert")).to_contain_text(caught.value.reason[1:])
    expect(watched.page.get_by_role("button", name="Start the analysis")).to_be_disabled()
