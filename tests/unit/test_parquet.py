"""Parquet files of any sensible column types give the batches that CSV gives."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coffeeshop.errors import BadData
from coffeeshop.reading.parquet import ROWS, converted, parquet_rows
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
    for rows in parquet_rows(table, file):
        batch = converted(rows).batch
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
    batches = [converted(rows).batch for rows in parquet_rows(TABLES["stores"], file)]
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
    assert "not a readable Parquet file" in str(complaint(file))


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


def one_row(**changed: pa.Array) -> dict[str, pa.Array]:
    return {name: changed.get(name, values.slice(0, 1)) for name, values in GOOD.items()}


SAME = {
    "time in a zone": {
        "created_at": pa.array(
            [dt.datetime(2023, 12, 31, 22)] * 2, pa.timestamp("us", "Asia/Kuala_Lumpur")
        )
    },
    "time at an offset": {
        "created_at": pa.array([dt.datetime(2023, 12, 31, 22)] * 2, pa.timestamp("ms", "+08:00"))
    },
    "time as bytes": {"created_at": pa.array([b"2024-01-01T06:00:00.000"] * 2)},
    "time of categories": {"created_at": pa.array(["2024-01-01 06:00:00"] * 2).dictionary_encode()},
    "amounts of 32 bits": {"final_amount": pa.array([75.001, 80.0], pa.float32())},
    "amounts of decimal32": {"final_amount": pa.array(AMOUNTS, pa.decimal32(9, 3))},
    "amounts of decimal256": {"final_amount": pa.array(AMOUNTS, pa.decimal256(76, 20))},
    "amounts of categories": {"final_amount": pa.array(AMOUNTS).dictionary_encode()},
    "ids as decimals": {"store_id": pa.array([Decimal(1), Decimal(2)], pa.decimal128(38, 10))},
    "ids as bytes": {"user_id": pa.array([b"10", b"\\N"])},
    "texts as bytes": {"transaction_id": pa.array([b"a", b"b"], pa.binary(1))},
    "texts as views": {"transaction_id": pa.array(["a", "b"], pa.string_view())},
}


@pytest.mark.parametrize("columns", SAME.values(), ids=SAME)
def test_every_type_that_tells_its_values_gives_the_same(
    tmp_path: Path, columns: dict[str, pa.Array]
) -> None:
    assert read(written(tmp_path, "transactions", {**GOOD, **columns})) == MEANT


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint16(), pa.int32(), pa.uint64(), pa.int64()])
def test_whole_amounts_are_amounts(tmp_path: Path, kind: pa.DataType) -> None:
    columns = {**GOOD, "final_amount": pa.array([75, 80], kind)}
    found = read(written(tmp_path, "transactions", columns))
    assert [row[3] for row in found] == [75_000, 80_000]


def test_names_of_columns_may_have_other_capitals(tmp_path: Path) -> None:
    columns = {name.upper(): values for name, values in GOOD.items()}
    assert read(written(tmp_path, "transactions", columns)) == MEANT


def test_a_uuid_is_written_as_people_write_it(tmp_path: Path) -> None:
    ids = [uuid.UUID(int=n) for n in (1, 2)]
    columns = {**GOOD, "transaction_id": pa.array([each.bytes for each in ids], pa.uuid())}
    found = read(written(tmp_path, "transactions", columns))
    assert [row[0] for row in found] == [str(each) for each in ids]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.string(), pa.large_string()])
def test_null_is_written_alike_in_texts_and_bytes(tmp_path: Path, kind: pa.DataType) -> None:
    names = pa.array(["NULL", "", "\\N", "North"]).cast(kind)
    columns = {"store_id": pa.array([1, 2, 3, 4]), "store_name": names}
    found = [row[1] for row in read(written(tmp_path, "stores", columns))]
    assert found == [None, None, None, "North"]


WRONG_TYPES = [
    ("created_at", pa.array([dt.date(2024, 1, 1)] * 2), "a date has no time of day"),
    ("created_at", pa.array([dt.date(2024, 1, 1)] * 2, pa.date64()), "a date has no time of day"),
    ("created_at", pa.array([MOMENT] * 2, pa.timestamp("us", "UTC")), "which clock"),
    ("created_at", pa.array([MOMENT] * 2, pa.timestamp("us", "Etc/UTC")), "which clock"),
    ("created_at", pa.array([1, 2]), "unit is not known"),
    ("created_at", pa.array([dt.time(6)] * 2), "not of times"),
    ("store_id", pa.array([True, False]), "not of whole numbers"),
    ("final_amount", pa.array([1.5, 2.5], pa.float16()), "not of amounts"),
    ("transaction_id", pa.array([1.0, 2.0]), "not of text"),
    ("transaction_id", pa.array([["a"], ["b"]]), "not of text"),
]


@pytest.mark.parametrize(("column", "values", "words"), WRONG_TYPES)
def test_a_type_that_does_not_tell_its_values_is_refused(
    tmp_path: Path, column: str, values: pa.Array, words: str
) -> None:
    error = complaint(written(tmp_path, "transactions", {**GOOD, column: values}))
    assert (error.column, error.row) == (column, None)
    assert words in error.reason


WRONG_VALUES = [
    ("store_id", pa.array([1, None]), ""),
    ("store_id", pa.array([1, 2**53], pa.uint64()), str(2**53)),
    ("final_amount", pa.array([1, 10_000_001]), "10000001"),
    ("final_amount", pa.array([1, 16_384.5], pa.float32()), "16384.5"),
    ("final_amount", pa.array([Decimal(1), Decimal(10**40)], pa.decimal256(76, 0)), str(10**40)),
    ("final_amount", pa.array(["1", "1,50"]), "1,50"),
    ("transaction_id", pa.array([b"a", b"\xff"]), "\N{REPLACEMENT CHARACTER}"),
    ("transaction_id", pa.array(["a", "b\\nb"]), "b\\nb"),
    ("created_at", pa.array(["2024-01-01 06:00:00", "2024-01-01"]), "2024-01-01"),
    ("created_at", pa.array([MOMENT, MOMENT.replace(microsecond=5)]), f"{MOMENT}.000005"),
]


@pytest.mark.parametrize(("column", "values", "value"), WRONG_VALUES)
def test_a_wrong_value_is_told_with_its_row_and_may_be_left_out(
    tmp_path: Path, column: str, values: pa.Array, value: str
) -> None:
    file = written(tmp_path, "transactions", {**GOOD, column: values})
    error = complaint(file)
    assert (error.row, error.column, error.value) == (2, column, value)
    assert f"row 2, column {column}" in str(error)
    (parsed,) = (
        converted(rows, skip_bad_rows=True) for rows in parquet_rows(TABLES["transactions"], file)
    )
    assert parsed.batch.num_rows == 1
    assert [str(each.error) for each in parsed.rejected] == [str(error)]


def test_rows_are_numbered_through_the_batches_of_a_file(tmp_path: Path) -> None:
    ids = [*range(ROWS + 10), None]
    columns = {"store_id": pa.array(ids), "store_name": pa.array(["x"] * len(ids))}
    assert complaint(written(tmp_path, "stores", columns)).row == ROWS + 11


@pytest.mark.parametrize("hour", [0, 5])
def test_a_birthdate_with_a_time_of_day_is_none(tmp_path: Path, hour: int) -> None:
    moments = pa.array([dt.datetime(1969, 12, 31, hour)], pa.timestamp("us"))
    file = written(tmp_path, "users", {"user_id": pa.array([1]), "birthdate": moments})
    if hour:
        assert "has a time of day" in complaint(file).reason
    else:
        assert read(file) == [(1, dt.date(1969, 12, 31))]


def test_times_of_the_old_type_are_warned_of_and_far_years_stay(tmp_path: Path) -> None:
    moment = dt.datetime(1500, 1, 1, 6)
    file = tmp_path / "transactions.parquet"
    table = pa.table(one_row(created_at=pa.array([moment], pa.timestamp("us"))))
    pq.write_table(table, file, use_deprecated_int96_timestamps=True)
    (rows,) = parquet_rows(TABLES["transactions"], file)
    parsed = converted(rows)
    assert parsed.batch["created_at"].to_pylist() == [moment]
    assert ["INT96" in warning for warning in parsed.warnings] == [True]


def test_a_column_that_is_in_the_name_of_a_folder_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "store_id=7"
    folder.mkdir()
    file = written(folder, "stores", {"store_name": pa.array(["x"])})
    assert "in the name of the folder store_id=7" in complaint(file).reason
