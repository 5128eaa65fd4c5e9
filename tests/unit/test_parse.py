"""Text becomes exact values, in both dialects."""

from __future__ import annotations

import contextlib
import datetime as dt
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coffeeshop.errors import BadData
from coffeeshop.reading.blocks import BLOCK, blocks_of
from coffeeshop.reading.parse import parse
from coffeeshop.schema import TABLES
from tests.unit.helpers import instant, items, rows_of, transactions, tuples
from tests.unit.parsing import read, transaction, written

KAGGLE = {
    "menu_items": '1,Espresso,coffee,6.0,False,,\n2,"Tea, iced",tea,7.5,True,2024-06-01,\n',
    "stores": '1,North\n2,"Long ""John"", Str. 5"\n3,\n',
    "users": "10.0,female,1969-12-31,2023-07-01 08:13:07\n11,male,,2023-07-01 08:13:07\n",
    "transactions": "t1,1.0,1,,17272.0,80.0,0.0,80.0,2024-01-01 06:00:00\n"
    "t2,2,1,3.0,,80.5,5.25,75.255,1969-12-31 23:59:59\n",
    "transaction_items": "t1,1.0,3,9.0,27.0,2024-01-01 06:00:00\n"
    "t1,2,1.0,9.005,-9.005,2025-12-31 23:59:59\n",
}
EXPORT = {
    "menu_items": '1,"Espresso",coffee,6,FALSE,NULL,NULL\n2,"Tea, iced",tea,7,TRUE,NULL,NULL\n',
    "stores": '1,"North"\n2,"Long ""John"", Str. 5"\n3,NULL\n',
    "users": '10,female,"1969-12-31","2023-07-01 08:13:07"\n11,male,NULL,NULL\n',
    "transactions": 't1,1,1,NULL,17272,80,0,80,"2024-01-01 06:00:00"\n'
    't2,2,1,3,NULL,80,5,75.255,"1969-12-31 23:59:59"\n',
    "transaction_items": 't1,1,3,9,27,"2024-01-01 06:00:00"\n'
    't1,2,1,9,-9.005,"2025-12-31 23:59:59"\n',
}
MEANT = {
    "menu_items": rows_of("menu_items", [(1, "Espresso"), (2, "Tea, iced")]),
    "stores": rows_of("stores", [(1, "North"), (2, 'Long "John", Str. 5'), (3, None)]),
    "users": rows_of("users", [(10, dt.date(1969, 12, 31)), (11, None)]),
    "transactions": transactions(
        ("t1", 1, 17272, "80", "2024-01-01 06:00:00"),
        ("t2", 2, None, "75.255", "1969-12-31 23:59:59"),
    ),
    "transaction_items": items(
        (1, 3, "27", "2024-01-01 06:00:00"), (2, 1, "-9.005", "2025-12-31 23:59:59")
    ),
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("dialect", [KAGGLE, EXPORT], ids=["kaggle", "export"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_both_dialects_say_the_same(
    tmp_path: Path, table: str, dialect: dict[str, str], newline: str
) -> None:
    file = written(tmp_path, table, dialect[table].replace("\n", newline))
    (block,) = blocks_of(TABLES[table], file)
    assert parse(block).batch.equals(MEANT[table])
    assert parse(block, skip_bad_rows=True) == parse(block)


@pytest.mark.parametrize("table", TABLES)
def test_the_dialects_may_be_mixed_within_a_file(tmp_path: Path, table: str) -> None:
    rows, _ = read(written(tmp_path, table, KAGGLE[table] + EXPORT[table]))
    assert rows == 2 * tuples(MEANT[table])


def test_columns_are_taken_by_name(tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("registered_at,birthdate,x,user_id,x\nnever,1990-01-02,,5,\n")
    assert read(file) == ([(5, dt.date(1990, 1, 2))], [])


@pytest.mark.parametrize(
    ("text", "thousandths"),
    [
        ("0", 0),
        ("74.999", 74_999),
        ("75.0", 75_000),
        ("75.001", 75_001),
        ("75.10", 75_100),
        ("-0.001", -1),
        ("0.1", 100),
        ("10000000", 10_000_000_000),
        ("-10000000.000", -10_000_000_000),
        ("9999999.999", 9_999_999_999),
    ],
)
def test_an_amount_is_exact(tmp_path: Path, text: str, thousandths: int) -> None:
    rows, _ = read(written(tmp_path, "transactions", transaction(final_amount=text)))
    assert rows[0][3] == thousandths


@settings(max_examples=40, deadline=None)
@given(st.integers(-(10**10), 10**10), st.booleans())
def test_every_amount_of_three_decimals_is_exact(
    directory: Path, thousandths: int, short: bool
) -> None:
    text = f"{Decimal(thousandths).scaleb(-3):.3f}"
    text = text.rstrip("0").rstrip(".") if short else text
    rows, _ = read(written(directory, "transactions", transaction(final_amount=text)))
    assert rows[0][3] == thousandths


@pytest.mark.parametrize(
    ("text", "number"),
    [("38", 38), ("38.0", 38), ("38.000", 38), ("-5", -5), ("0", 0), (str(2**53 - 1), 2**53 - 1)],
)
def test_an_id_is_a_whole_number_with_or_without_a_point(
    tmp_path: Path, text: str, number: int
) -> None:
    rows, _ = read(written(tmp_path, "transactions", transaction(store_id=text, user_id=text)))
    assert rows[0][1:3] == (number, number)


@pytest.mark.parametrize(
    "text",
    ["1969-12-31 23:59:59", "1970-01-01 00:00:00", "2024-02-29 06:00:00", "9999-12-31 23:59:59"],
)
def test_an_instant_is_exact_to_the_second(tmp_path: Path, text: str) -> None:
    for written_as in (text, f'"{text}"'):
        row = transaction(created_at=written_as)
        rows, _ = read(written(tmp_path, "transactions", row))
        assert rows[0][4] == instant(text)


def test_a_text_is_kept_as_it_is(tmp_path: Path) -> None:
    names = [" a ", "null", "N/A", "Café №5", "a,b", 'say "a"', "two\nlines", "two\r\nlines", "0"]
    body = "".join('{},"{}"\n'.format(n, name.replace('"', '""')) for n, name in enumerate(names))
    rows, _ = read(written(tmp_path, "stores", body))
    assert rows == list(enumerate(names))


@pytest.mark.parametrize("empty", ["", '""', "NULL", '"NULL"'])
def test_an_empty_field_and_null_are_no_value(tmp_path: Path, empty: str) -> None:
    assert read(written(tmp_path, "stores", f"1,{empty}\n")) == ([(1, None)], [])


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("size", [13, BLOCK])
def test_blank_lines_are_no_rows(tmp_path: Path, newline: str, skip: bool, size: int) -> None:
    body = newline.join(["", "", "1,a", "", "2,b", "", ""])
    file = written(tmp_path, "stores", body)
    file.write_bytes(file.read_bytes().replace(b"store_name\n", b"store_name" + newline.encode()))
    assert read(file, skip=skip, size=max(size, 24)) == ([(1, "a"), (2, "b")], [])


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.integers(24, 80))
def test_any_bytes_are_rows_or_bad_data(directory: Path, body: bytes, size: int) -> None:
    file = written(directory, "stores", body)
    for skip in (False, True):
        with contextlib.suppress(BadData):
            read(file, skip=skip, size=size)


@settings(max_examples=60, deadline=None)
@given(st.text('1,"\n\r x.', max_size=40), st.integers(24, 80))
def test_any_text_of_special_signs_is_rows_or_bad_data(
    directory: Path, body: str, size: int
) -> None:
    file = written(directory, "stores", body)
    for skip in (False, True):
        with contextlib.suppress(BadData):
            read(file, skip=skip, size=size)


def test_a_large_block_is_parsed_whole(tmp_path: Path) -> None:
    body = "".join(f'{n},"name\n{n}"\n' for n in range(60_000))
    file = written(tmp_path, "stores", body)
    (block,) = blocks_of(TABLES["stores"], file)
    batch = parse(block).batch
    assert batch.num_rows == 60_000
    assert batch["store_name"][59_999] == pa.scalar("name\n59999")
