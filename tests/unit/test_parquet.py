"""Parquet files of any sensible column types give the batches that CSV gives."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coffeeshop.client.parquet import ROWS, parquet_batches
from coffeeshop.errors import BadData
from coffeeshop.schema import TABLES
from tests.unit.helpers import instant, transactions, tuples

MOMENT = instant("2024-01-01 06:00:00")
GOOD: dict[str, pa.Array] = {
    "transaction_id": pa.array(["a", "b"]),
    "store_id": pa.array([1, 2]),
    "user_id": pa.array([10, None]),
    "final_amount": pa.array([75.001, 80.0]),
    "created_at": pa.array([MOMENT, MOMENT], pa.timestamp("us")),
}
MEANT = tuples(
    transactions(
        ("a", 1, 10, "75.001", "2024-01-01 06:00:00"),
        ("b", 2, None, "80", "2024-01-01 06:00:00"),
    )
)


def written(directory: Path, table: str, columns: dict[str, pa.Array]) -> Path:
    file = directory / f"{table}.parquet"
    pq.write_table(pa.table(columns), file)
    return file


def read(file: Path) -> list[tuple[Any, ...]]:
    table = TABLES[file.stem]
    found = []
    for batch in parquet_batches(table, file):
        assert batch.schema.equals(table.schema)
        batch.validate(full=True)
        found += tuples(batch)
    return found


def complaint(file: Path) -> BadData:
    with pytest.raises(BadData) as caught:
        read(file)
    assert caught.value.file == str(file)
    return caught.value


def test_the_columns_are_converted(tmp_path: Path) -> None:
    assert read(written(tmp_path, "transactions", GOOD)) == MEANT


def test_columns_may_be_reordered_and_extra(tmp_path: Path) -> None:
    columns = {"voucher_id": pa.array([1, 2]), **dict(reversed(GOOD.items()))}
    assert read(written(tmp_path, "transactions", columns)) == MEANT


INT, TEXT = pa.int64(), pa.string()
AMOUNTS = [Decimal("75.001"), Decimal(80)]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("store_id", pa.array([1, 2], pa.int8())),
        ("store_id", pa.array([1, 2], pa.uint64())),
        ("store_id", pa.array([1.0, 2.0])),
        ("store_id", pa.array(["1", "2.0"])),
        ("user_id", pa.array([10.0, None])),
        ("user_id", pa.array(["10", "NULL"])),
        ("user_id", pa.array(["10", ""], pa.large_string())),
        ("transaction_id", pa.array(["a", "b"], pa.large_string())),
        ("transaction_id", pa.array(["a", "b"]).dictionary_encode()),
        ("final_amount", pa.array(AMOUNTS, pa.decimal128(10, 3))),
        ("final_amount", pa.array(AMOUNTS, pa.decimal128(20, 6))),
        ("final_amount", pa.array(AMOUNTS, pa.decimal256(40, 3))),
        ("final_amount", pa.array(["75.001", "80"])),
        ("created_at", pa.array([MOMENT, MOMENT], pa.timestamp("s"))),
        ("created_at", pa.array([MOMENT, MOMENT], pa.timestamp("ns"))),
        ("created_at", pa.array([str(MOMENT), str(MOMENT)])),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value.type),
)
def test_a_column_may_have_another_type(tmp_path: Path, column: str, values: pa.Array) -> None:
    assert read(written(tmp_path, "transactions", {**GOOD, column: values})) == MEANT


@pytest.mark.parametrize(
    "dates",
    [
        pa.array([dt.date(1969, 12, 31), None]),
        pa.array([dt.datetime(1969, 12, 31), None], pa.timestamp("us")),
        pa.array(["1969-12-31", "NULL"]),
        pa.array([dt.date(1969, 12, 31), None], pa.date64()),
    ],
    ids=lambda value: str(value.type),
)
def test_a_date_may_have_another_type(tmp_path: Path, dates: pa.Array) -> None:
    file = written(tmp_path, "users", {"user_id": pa.array([1, 2]), "birthdate": dates})
    assert read(file) == [(1, dt.date(1969, 12, 31)), (2, None)]


def test_a_large_file_comes_in_batches(tmp_path: Path) -> None:
    rows = ROWS + 10
    columns = {"store_id": pa.array(range(rows)), "store_name": pa.array(["x"] * rows)}
    file = written(tmp_path, "stores", columns)
    batches = list(parquet_batches(TABLES["stores"], file))
    assert max(batch.num_rows for batch in batches) <= ROWS
    assert [i for b in batches for i in b["store_id"].to_pylist()] == list(range(rows))


def test_a_file_without_rows_has_no_rows(tmp_path: Path) -> None:
    empty = {name: values.slice(0, 0) for name, values in GOOD.items()}
    assert read(written(tmp_path, "transactions", empty)) == []


@pytest.mark.parametrize("column", GOOD)
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    columns = {name: values for name, values in GOOD.items() if name != column}
    assert f"no column {column}" in str(complaint(written(tmp_path, "transactions", columns)))


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("store_id", pa.array([1, None]), "must not be empty"),
        ("store_id", pa.array(["1", "NULL"]), "must not be empty"),
        ("store_id", pa.array([1.0, 2.5]), ""),
        ("store_id", pa.array([1.0, float("nan")]), ""),
        ("store_id", pa.array(["1", "x"]), ""),
        ("store_id", pa.array([1, 2**53 + 2]), ""),
        ("store_id", pa.array([[1], [2]]), ""),
        ("transaction_id", pa.array(["a", None]), "must not be empty"),
        ("transaction_id", pa.array(["a", ""]), "must not be empty"),
        ("final_amount", pa.array([1.0, None]), "must not be empty"),
        ("final_amount", pa.array([1.0, 1.2345]), "3 decimals"),
        ("final_amount", pa.array([1.0, float("inf")]), ""),
        ("final_amount", pa.array([1.0, float("nan")]), ""),
        ("final_amount", pa.array([1.0, 1e8]), "out of range"),
        ("final_amount", pa.array([Decimal(1), Decimal("1.2345")], pa.decimal128(9, 4)), ""),
        ("final_amount", pa.array(["1", "1.2345"]), ""),
        ("created_at", pa.array([MOMENT, None], pa.timestamp("us")), "must not be empty"),
        (
            "created_at",
            pa.array([MOMENT, MOMENT.replace(microsecond=5)], pa.timestamp("us")),
            "",
        ),
        ("created_at", pa.array([str(MOMENT), "yesterday"]), ""),
        ("created_at", pa.array([True, False]), ""),
    ],
)
def test_a_value_that_the_schema_refuses_is_told_with_its_column(
    tmp_path: Path, column: str, values: pa.Array, words: str
) -> None:
    error = complaint(written(tmp_path, "transactions", {**GOOD, column: values}))
    assert error.column == column
    assert words in error.reason


def test_a_column_that_comes_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "stores.parquet"
    columns = [pa.array([1]), pa.array([2]), pa.array(["a"])]
    pq.write_table(pa.table(columns, names=["store_id", "store_id", "store_name"]), file)
    complaint(file)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not a parquet file", b"PAR1" * 100])
def test_other_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "stores.parquet"
    file.write_bytes(content)
    assert "not a readable parquet file" in str(complaint(file))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    names = pa.array([f"store {n}" for n in range(5_000)])
    columns = {"store_id": pa.array(range(5_000)), "store_name": names}
    file = written(tmp_path, "stores", columns)
    whole = bytearray(file.read_bytes())
    whole[4:3_000] = bytes(2_996)
    file.write_bytes(whole)
    complaint(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    complaint(tmp_path / "stores.parquet")
