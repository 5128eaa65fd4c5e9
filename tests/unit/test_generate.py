"""The generator: repeatable, complete in its oddities, and written as the dialects say."""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from coffeeshop import generate as module
from coffeeshop.client.blocks import blocks_of
from coffeeshop.client.folder import open_folder
from coffeeshop.client.parse import parse
from coffeeshop.generate import BOUNDARY_AMOUNTS, BOUNDARY_TIMES, MENU, STORES, generate
from coffeeshop.schema import TABLES

COLUMNS = {
    "transactions": "transaction_id,store_id,payment_method_id,voucher_id,user_id,"
    "original_amount,discount_applied,final_amount,created_at",
    "transaction_items": "transaction_id,item_id,quantity,unit_price,subtotal,created_at",
    "users": "user_id,gender,birthdate,registered_at",
    "stores": "store_id,store_name,street,postal_code,city,state,latitude,longitude",
    "menu_items": "item_id,item_name,category,price,is_seasonal,available_from,available_to",
}
SMALL = 100
SEEDS = range(5)
Rows = list[dict[str, str]]


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def rows_of(folder: Path, table: str) -> Rows:
    rows: Rows = []
    for file in open_folder(folder).files[table]:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows.extend(csv.DictReader(text, strict=True))
    return rows


@pytest.fixture(params=SEEDS)
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    generate(tmp_path, transactions=SMALL, seed=request.param)
    return tmp_path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    generate(tmp_path, transactions=20_000, seed=1)
    return tmp_path


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


@pytest.mark.parametrize("table", COLUMNS)
def test_tables_have_all_the_columns_of_the_real_exports(small: Path, table: str) -> None:
    assert ",".join(rows_of(small, table)[0]) == COLUMNS[table]


def test_about_half_of_the_transactions_have_no_user(small: Path) -> None:
    users = [row["user_id"] for row in rows_of(small, "transactions")]
    assert 0.3 < users.count("") / len(users) < 0.7


def test_final_amounts_are_the_original_less_the_discount(small: Path) -> None:
    for row in rows_of(small, "transactions"):
        difference = Decimal(row["original_amount"]) - Decimal(row["discount_applied"])
        assert Decimal(row["final_amount"]) == difference > 0


def test_some_final_amounts_have_three_decimals(small: Path) -> None:
    ends = Counter(len(r["final_amount"].split(".")[1]) for r in rows_of(small, "transactions"))
    assert ends[3] > 0
    assert max(ends) == 3


def test_some_users_are_born_before_1970(small: Path) -> None:
    born = {row["birthdate"] for row in rows_of(small, "users")}
    assert {"1969-12-31", "1970-01-01"} <= born


def test_about_an_eighth_of_many_users_is_born_before_1970(large: Path) -> None:
    born = [dt.date.fromisoformat(row["birthdate"]) for row in rows_of(large, "users")]
    assert 0.10 < sum(date.year < 1970 for date in born) / len(born) < 0.14


def test_some_item_rows_are_identical(small: Path) -> None:
    rows = Counter(tuple(row.values()) for row in rows_of(small, "transaction_items"))
    assert max(rows.values()) > 1


def test_some_months_have_two_best_items_by_quantity_and_by_profit(small: Path) -> None:
    for measure in ("quantity", "subtotal"):
        sums: dict[str, Counter[str]] = {}
        for row in rows_of(small, "transaction_items"):
            month = sums.setdefault(row["created_at"][:7], Counter())
            month[row["item_id"]] += Decimal(row[measure])  # type: ignore[assignment]
        tied = [
            month
            for month, items in sums.items()
            if list(items.values()).count(max(items.values())) > 1 and month[:4] in "2024 2025"
        ]
        assert {"2024-06", "2024-12", "2025-12"} <= set(tied)


def test_the_third_best_customer_of_a_store_has_equals(small: Path) -> None:
    stores: dict[str, Counter[str]] = {}
    for row in rows_of(small, "transactions"):
        if row["user_id"] and row["created_at"][:4] in ("2024", "2025"):
            stores.setdefault(row["store_id"], Counter())[row["user_id"]] += 1
    ranked = [[count for _, count in users.most_common()] for users in stores.values()]
    assert any(len(counts) > 3 and counts[2] == counts[3] for counts in ranked)


def test_every_boundary_amount_occurs_at_every_boundary_time(small: Path) -> None:
    found = {(r["created_at"], Decimal(r["final_amount"])) for r in rows_of(small, "transactions")}
    edges = {(at, Decimal(a) / 1000) for at in BOUNDARY_TIMES for a in BOUNDARY_AMOUNTS}
    assert edges <= found


def test_names_with_commas_and_quotes_are_read_back_whole(small: Path) -> None:
    assert tuple(row["store_name"] for row in rows_of(small, "stores")) == STORES
    names = tuple(row["item_name"] for row in rows_of(small, "menu_items"))
    assert names == tuple(name for name, _, _ in MENU)
    assert any("," in name for name in names)
    assert any("," in name and '"' in name for name in STORES)


def test_every_id_has_a_row_in_its_table(small: Path) -> None:
    transactions, items = rows_of(small, "transactions"), rows_of(small, "transaction_items")
    users = {f"{row['user_id']}.0" for row in rows_of(small, "users")}
    assert {row["user_id"] for row in transactions} - {""} <= users
    stores = {row["store_id"] for row in rows_of(small, "stores")}
    assert {row["store_id"] for row in transactions} <= stores
    assert len(stores) == 10
    menu = {row["item_id"] for row in rows_of(small, "menu_items")}
    assert {row["item_id"] for row in items} <= menu
    assert len(menu) == 8


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


def test_subtotals_are_the_menu_price_times_the_quantity(small: Path) -> None:
    prices = {row["item_id"]: Decimal(row["price"]) for row in rows_of(small, "menu_items")}
    for row in rows_of(small, "transaction_items"):
        assert Decimal(row["unit_price"]) == prices[row["item_id"]]
        assert Decimal(row["subtotal"]) == prices[row["item_id"]] * int(row["quantity"])


@pytest.mark.usefixtures("small_chunks")
def test_transaction_and_user_ids_are_unique_across_chunks(tmp_path: Path) -> None:
    generate(tmp_path, transactions=SMALL, seed=1, users=90)
    ids = {row["transaction_id"] for row in rows_of(tmp_path, "transactions")}
    assert len(ids) == SMALL
    assert {len(text) for text in ids} == {36}
    users = [int(row["user_id"]) for row in rows_of(tmp_path, "users")]
    assert users == list(range(1, 91))


def test_about_seven_percent_of_many_amounts_are_large(large: Path) -> None:
    amounts = [Decimal(row["final_amount"]) for row in rows_of(large, "transactions")]
    assert 0.06 < sum(amount >= 75 for amount in amounts) / len(amounts) < 0.08


def test_times_are_mostly_in_opening_hours_of_the_years_around_2024_and_2025(large: Path) -> None:
    times = [row["created_at"] for row in rows_of(large, "transactions")]
    assert "2023-12" <= min(times)[:7] <= max(times)[:7] <= "2026-01"
    assert 0.95 < sum("07" <= time[11:13] <= "22" for time in times) / len(times) < 1


def test_the_kaggle_dialect_writes_whole_numbers_as_floats_and_leaves_nulls_empty(
    small: Path,
) -> None:
    transactions = rows_of(small, "transactions")
    assert all(row["user_id"].endswith(".0") for row in transactions if row["user_id"])
    assert all("." in row["final_amount"] for row in transactions)
    assert {row["discount_applied"] for row in transactions} > {"0.0"}
    assert "8.0" in {row["unit_price"] for row in rows_of(small, "transaction_items")}
    for table in ("transactions", "transaction_items", "users"):
        for file in open_folder(small).files[table]:
            assert not set(b'"\r') & set(file.read_bytes())


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
