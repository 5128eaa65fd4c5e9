"""The generator's rows: complete in their oddities."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from coffeeshop.generate import BOUNDARY_AMOUNTS, BOUNDARY_TIMES, MENU, STORES, generate
from coffeeshop.reading.folder import open_folder
from tests.unit.generated import COLUMNS, SMALL, rows_of

SEEDS = range(5)


@pytest.fixture(params=SEEDS)
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    generate(tmp_path, transactions=SMALL, seed=request.param)
    return tmp_path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    generate(tmp_path, transactions=20_000, seed=1)
    return tmp_path


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


def test_subtotals_are_the_menu_price_times_the_quantity(small: Path) -> None:
    prices = {row["item_id"]: Decimal(row["price"]) for row in rows_of(small, "menu_items")}
    for row in rows_of(small, "transaction_items"):
        assert Decimal(row["unit_price"]) == prices[row["item_id"]]
        assert Decimal(row["subtotal"]) == prices[row["item_id"]] * int(row["quantity"])


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
