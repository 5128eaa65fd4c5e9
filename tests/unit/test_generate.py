"""The generator's files: the same for the same seed, in any layout, in chunks, never too few."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path

import pytest

from coffeeshop import generate as module
from coffeeshop.generate import generate
from coffeeshop.reading.blocks import blocks_of
from coffeeshop.reading.folder import open_folder
from coffeeshop.reading.parse import parse
from coffeeshop.schema import TABLES
from tests.unit.generated import COLUMNS, SMALL, files_of, rows_of


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 40)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("layout", ["dirs", "flat"])
@pytest.mark.parametrize("dialect", ["kaggle", "export"])
def test_the_same_seed_writes_the_same_bytes(tmp_path: Path, dialect: str, layout: str) -> None:
    for name in ("a", "b"):
        generate(tmp_path / name, transactions=SMALL, seed=3, dialect=dialect, layout=layout)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_another_seed_writes_other_bytes(tmp_path: Path) -> None:
    for seed in (1, 2):
        generate(tmp_path / str(seed), transactions=SMALL, seed=seed, layout="flat")
    one, other = files_of(tmp_path / "1"), files_of(tmp_path / "2")
    for table in ("transactions", "transaction_items", "users"):
        assert one[f"{table}.csv"] != other[f"{table}.csv"]


@pytest.mark.usefixtures("small_chunks")
def test_both_layouts_hold_the_same_rows(tmp_path: Path) -> None:
    generate(tmp_path / "dirs", transactions=SMALL, seed=1, layout="dirs")
    generate(tmp_path / "flat", transactions=SMALL, seed=1, layout="flat")
    assert set(files_of(tmp_path / "flat")) == {f"{table}.csv" for table in COLUMNS}
    for table in COLUMNS:
        assert rows_of(tmp_path / "dirs", table) == rows_of(tmp_path / "flat", table)


@pytest.mark.usefixtures("small_chunks")
def test_the_dirs_layout_numbers_a_file_for_each_chunk(tmp_path: Path) -> None:
    generate(tmp_path, transactions=SMALL, seed=1)
    names = [file.name for file in open_folder(tmp_path).files["transactions"]]
    assert names == [f"transactions_{number:04d}.csv" for number in range(3)]


@pytest.mark.usefixtures("small_chunks")
def test_no_chunk_of_any_table_is_larger_than_the_limit(tmp_path: Path) -> None:
    chunks: list[tuple[str, int]] = []
    generate(tmp_path, transactions=SMALL, seed=1, progress=lambda *chunk: chunks.append(chunk))
    assert max(rows for _, rows in chunks) == 40


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("layout", ["dirs", "flat"])
def test_it_returns_and_reports_the_rows_it_wrote(tmp_path: Path, layout: str) -> None:
    reported: Counter[str] = Counter()
    rows = generate(
        tmp_path,
        transactions=SMALL,
        seed=1,
        layout=layout,
        progress=lambda table, count: reported.update({table: count}),
    )
    assert rows == {table: len(rows_of(tmp_path, table)) for table in COLUMNS}
    assert rows == dict(reported)
    assert rows["transaction_items"] == 2 * rows["transactions"] == 2 * SMALL


def test_a_smaller_set_leaves_no_file_of_a_larger_one_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 40)
    generate(tmp_path, transactions=SMALL, seed=1)
    generate(tmp_path, transactions=10, seed=1)
    assert len(rows_of(tmp_path, "transactions")) == 10


@pytest.mark.parametrize("layout", ["dirs", "flat"])
@pytest.mark.parametrize("dialect", ["kaggle", "export"])
def test_no_transactions_give_files_with_a_header_only(
    tmp_path: Path, dialect: str, layout: str
) -> None:
    rows = generate(tmp_path, transactions=0, seed=1, dialect=dialect, layout=layout)
    assert (rows["transactions"], rows["transaction_items"], rows["users"]) == (0, 0, 1)
    for table in ("transactions", "transaction_items"):
        (file,) = open_folder(tmp_path).files[table]
        assert file.read_text() == COLUMNS[table] + "\n"


@pytest.mark.parametrize("transactions", [1, 2, 13, 35, 37])
def test_sets_too_small_for_every_edge_still_have_all_their_rows(
    tmp_path: Path, transactions: int
) -> None:
    generate(tmp_path, transactions=transactions, seed=1)
    assert len(rows_of(tmp_path, "transactions")) == transactions


@pytest.mark.parametrize(
    "wrong",
    [{"transactions": -1}, {"users": 0}, {"seed": -1}, {"dialect": "x"}, {"layout": "x"}],
    ids=str,
)
def test_arguments_that_make_no_set_are_refused_before_a_file_is_written(
    tmp_path: Path, wrong: dict[str, int | str]
) -> None:
    with pytest.raises(ValueError, match=r"must|no dialect"):
        generate(tmp_path, **({"transactions": 1, "seed": 1} | wrong))  # type: ignore[arg-type]
    assert files_of(tmp_path) == {}


@pytest.mark.parametrize("layout", ["dirs", "flat"])
@pytest.mark.parametrize("dialect", ["kaggle", "export"])
def test_every_file_is_read_by_the_client(tmp_path: Path, dialect: str, layout: str) -> None:
    written = generate(tmp_path, transactions=SMALL, seed=1, dialect=dialect, layout=layout)
    for table, files in open_folder(tmp_path).files.items():
        blocks = [block for file in files for block in blocks_of(TABLES[table], file)]
        assert sum(parse(block).batch.num_rows for block in blocks) == written[table]


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("layout", ["dirs", "flat"])
def test_items_carry_the_id_and_the_time_of_their_transaction(tmp_path: Path, layout: str) -> None:
    generate(tmp_path, transactions=SMALL, seed=1, layout=layout)
    transactions = rows_of(tmp_path, "transactions")
    items = rows_of(tmp_path, "transaction_items")
    for transaction, *basket in zip(transactions, items[::2], items[1::2], strict=True):
        for item in basket:
            for column in ("transaction_id", "created_at"):
                assert item[column] == transaction[column]


@pytest.mark.usefixtures("small_chunks")
def test_transaction_and_user_ids_are_unique_across_chunks(tmp_path: Path) -> None:
    generate(tmp_path, transactions=SMALL, seed=1, users=90)
    ids = {row["transaction_id"] for row in rows_of(tmp_path, "transactions")}
    assert len(ids) == SMALL
    assert {len(text) for text in ids} == {36}
    users = [int(row["user_id"]) for row in rows_of(tmp_path, "users")]
    assert users == list(range(1, 91))


def test_the_export_dialect_writes_bare_numbers_null_and_quoted_times(tmp_path: Path) -> None:
    generate(tmp_path, transactions=SMALL, seed=1, dialect="export")
    transactions = rows_of(tmp_path, "transactions")
    users = {row["user_id"] for row in transactions}
    assert "NULL" in users
    assert all(user.isdigit() for user in users - {"NULL"})
    assert not any(row["final_amount"].endswith((".0", ".")) for row in transactions)
    assert "8" in {row["unit_price"] for row in rows_of(tmp_path, "transaction_items")}
    assert {row["available_to"] for row in rows_of(tmp_path, "menu_items")} == {"NULL"}
    for table in ("transactions", "transaction_items", "users"):
        for file in open_folder(tmp_path).files[table]:
            for line in file.read_text().splitlines()[1:]:
                assert dt.datetime.fromisoformat(line.rsplit(",", 1)[1].strip('"'))
                assert line.count('"') == 2


def test_the_export_dialect_ends_users_with_crlf_and_begins_stores_with_a_mark(
    tmp_path: Path,
) -> None:
    generate(tmp_path, transactions=SMALL, seed=1, dialect="export", layout="flat")
    for table, text in files_of(tmp_path).items():
        assert text.startswith(b"\xef\xbb\xbf") == (table == "stores.csv")
        assert text.count(b"\r\n") == (text.count(b"\n") if table == "users.csv" else 0)


def test_both_dialects_say_the_same(tmp_path: Path) -> None:
    for dialect in ("kaggle", "export"):
        generate(tmp_path / dialect, transactions=SMALL, seed=1, dialect=dialect)
    for table, schema in TABLES.items():
        said = [
            [parse(b).batch.to_pylist() for file in files for b in blocks_of(schema, file)]
            for files in (open_folder(tmp_path / d).files[table] for d in ("kaggle", "export"))
        ]
        assert said[0] == said[1]
