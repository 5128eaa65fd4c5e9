"""Text that is no row becomes an exact complaint, however a file is cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coffeeshop.errors import BadData
from coffeeshop.reading.blocks import BLOCK, block_of_text, blocks_of
from coffeeshop.reading.parse import parse
from coffeeshop.schema import TABLES
from tests.unit.parsing import Rows, complaint, read, transaction, written

WANTED_ID = "not a whole number"
WANTED_AMOUNT = "not an amount with up to 3 decimals"
WANTED_TIME = "not a time like 2024-12-31 23:59:59"
EMPTY = "must not be empty"
RANGE = "out of range"
BAD_VALUES = [
    ("transaction_id", "", EMPTY),
    ("transaction_id", "NULL", EMPTY),
    ("store_id", "", EMPTY),
    ("store_id", "NULL", EMPTY),
    ("store_id", "null", WANTED_ID),
    ("store_id", "one", WANTED_ID),
    ("store_id", "38.5", WANTED_ID),
    ("store_id", "NaN", WANTED_ID),
    ("store_id", "inf", WANTED_ID),
    ("store_id", "-inf", WANTED_ID),
    ("store_id", "0x10", WANTED_ID),
    ("store_id", "1_000", WANTED_ID),
    ("store_id", "1 000", WANTED_ID),
    ("store_id", "٣", WANTED_ID),
    ("store_id", "true", WANTED_ID),
    ("store_id", str(2**53 + 2), RANGE),
    ("store_id", str(-(2**53) - 2), RANGE),
    ("user_id", "1.5", WANTED_ID),
    ("user_id", "N/A", WANTED_ID),
    ("final_amount", "", EMPTY),
    ("final_amount", "NULL", EMPTY),
    ("final_amount", "free", WANTED_AMOUNT),
    ("final_amount", "75.0005", WANTED_AMOUNT),
    ("final_amount", "0.0001", WANTED_AMOUNT),
    ("final_amount", "NaN", WANTED_AMOUNT),
    ("final_amount", "inf", WANTED_AMOUNT),
    ("final_amount", "0x10", WANTED_AMOUNT),
    ("final_amount", "$5", WANTED_AMOUNT),
    ("final_amount", "10000000.001", RANGE),
    ("final_amount", "-10000000.001", RANGE),
    ("final_amount", "9" * 15, RANGE),
    ("final_amount", "9" * 40, WANTED_AMOUNT),
    ("created_at", "", EMPTY),
    ("created_at", "NULL", EMPTY),
    ("created_at", "yesterday", WANTED_TIME),
    ("created_at", "2024-01-01", f"{WANTED_TIME}: it has no time of day"),
    ("created_at", "2024-02-30 00:00:00", WANTED_TIME),
    ("created_at", "2023-02-29 00:00:00", WANTED_TIME),
    ("created_at", "2024-13-01 00:00:00", WANTED_TIME),
    ("created_at", "2024-01-01 24:00:00", WANTED_TIME),
    ("created_at", "2024-01-01 23:59:60", WANTED_TIME),
    ("created_at", "2024-01-01 07:00:00.5", f"{WANTED_TIME}: it has a fraction of a second"),
    ("created_at", "2024-01-01 07:00:00Z", f"{WANTED_TIME}: it has a zone"),
    ("created_at", "2024-01-01T07:00:00.000+08:00", f"{WANTED_TIME}: it has a zone"),
    ("created_at", "01/02/2024 07:00", f"{WANTED_TIME}: it does not tell its day"),
    ("created_at", "2024-01-01 07:00:00 PM", f"{WANTED_TIME}: it has AM or PM"),
    ("created_at", "1704067200", WANTED_TIME),
]


@pytest.mark.parametrize(("column", "value", "reason"), BAD_VALUES)
def test_a_bad_value_is_told_with_its_place(
    tmp_path: Path, column: str, value: str, reason: str
) -> None:
    body = 3 * transaction() + transaction(**{column: value}) + 2 * transaction()
    file = written(tmp_path, "transactions", body)
    error = complaint(file)
    assert (error.file, error.line, error.column) == (str(file), 5, column)
    assert error.value == value
    assert error.reason.startswith(reason)
    rows, rejected = read(file, skip=True)
    assert len(rows) == 5
    assert [(str(r.error), r.row) for r in rejected] == [(str(error), body.split("\n")[3])]


@pytest.mark.parametrize("value", ["31/12/1969", "1969-12-32", "19691231", "1969-12-31 00:00:00"])
def test_a_bad_date_is_told_with_its_place(tmp_path: Path, value: str) -> None:
    error = complaint(written(tmp_path, "users", f"1,,1990-01-01,\n2,,{value},\n"))
    assert (error.line, error.column, error.value) == (3, "birthdate", value)
    assert error.reason.startswith("not a date like 1969-12-31")


def test_a_date_that_no_calendar_has_is_refused(tmp_path: Path) -> None:
    error = complaint(written(tmp_path, "users", "1,,0000-01-01,\n"))
    assert (error.line, error.column) == (2, "birthdate")


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1])
def test_an_id_is_refused_rather_than_rounded_to_its_neighbour(tmp_path: Path, number: int) -> None:
    error = complaint(written(tmp_path, "stores", f"{number},a\n"))
    assert (error.line, error.column, error.value) == (2, "store_id", str(number))


@pytest.mark.parametrize("row", ["2", "2,b,c", "2,b,", ",,,", '2,"b",c'])
def test_a_row_of_too_few_or_too_many_fields_is_told(tmp_path: Path, row: str) -> None:
    file = written(tmp_path, "stores", f"1,a\n{row}\n3,c\n")
    error = complaint(file)
    assert (error.file, error.line, error.column) == (str(file), 3, None)
    assert (error.value, error.reason) == (row, "expected 2 fields")
    rows, rejected = read(file, skip=True)
    assert rows == [(1, "a"), (3, "c")]
    assert [r.row for r in rejected] == [row]


@pytest.mark.parametrize("bad", [b"\xff", b"Caf\xe9", b"\xc3", b"\xed\xa0\x80"])
def test_text_that_is_not_utf8_is_told(tmp_path: Path, bad: bytes) -> None:
    file = written(tmp_path, "stores", b"1,a\n2," + bad + b"\n3,c\n")
    error = complaint(file)
    assert (error.line, error.column) == (3, None)
    assert error.reason.startswith("not UTF-8 text (byte ")
    rows, rejected = read(file, skip=True)
    assert rows == [(1, "a"), (3, "c")]
    assert [r.row for r in rejected] == [(b"2," + bad).decode(errors="replace")]


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("size", [24, 26, 30, BLOCK])
def test_a_line_of_spaces_is_a_bad_row_however_a_file_is_cut(
    tmp_path: Path, skip: bool, size: int
) -> None:
    file = written(tmp_path, "stores", "1,a\n  \n2,b\n")
    if skip:
        rows, rejected = read(file, skip=True, size=size)
        assert rows == [(1, "a"), (2, "b")]
        assert [r.error.line for r in rejected] == [3]
    else:
        assert complaint(file, size=size).line == 3


def test_a_carriage_return_within_a_bad_row_is_told(tmp_path: Path) -> None:
    file = written(tmp_path, "stores", "1,a\n2,b\rx,c\n3,d\n")
    assert complaint(file).line == 3
    rows, rejected = read(file, skip=True)
    assert rows == [(1, "a"), (3, "d")]
    assert [r.row for r in rejected] == ["2,b\rx,c"]


def test_lines_within_quotes_count_for_the_place(tmp_path: Path) -> None:
    file = written(tmp_path, "stores", '1,"a\nb\n\nc"\n\nx,d\n')
    assert complaint(file).line == 7


def test_a_bad_row_of_several_lines_is_told_where_it_begins(tmp_path: Path) -> None:
    row = 'x,"a\n\nb"'
    file = written(tmp_path, "stores", f"1,a\n{row}\n2,b\n")
    assert complaint(file).line == 3
    rows, rejected = read(file, skip=True)
    assert rows == [(1, "a"), (2, "b")]
    assert [r.row for r in rejected] == [row]


def test_the_first_bad_row_is_the_one_told(tmp_path: Path) -> None:
    file = written(tmp_path, "stores", "1,a\n2,b\nx,c\ny,d\n")
    assert complaint(file).value == "x"


def test_a_block_of_bad_rows_only_gives_an_empty_batch(tmp_path: Path) -> None:
    rows, rejected = read(written(tmp_path, "stores", "x,c\ny,d\n"), skip=True)
    assert rows == []
    assert [r.error.line for r in rejected] == [2, 3]


GOOD = (
    "1,a\n",
    '22,"b,b"\n',
    '3,"two\nlines"\n',
    '4,"a ""b"""\n',
    "5,é\n",
    "6,\n",
    "\n",
    "7,c\r\n",
)
BAD = ("x,a\n", "1\n", "1,a,b\n", ",a\n", '1.5,"two\nlines"\n', "1e99,b\r\n")


def _expected(rows: list[str]) -> tuple[Rows, list[tuple[int, str]]]:
    """The good rows, and the line and text of the bad ones."""
    names = {'"b,b"': "b,b", '"two\nlines"': "two\nlines", '"a ""b"""': 'a "b"', "": None}
    good: Rows = []
    bad: list[tuple[int, str]] = []
    line = 2
    for row in rows:
        text = row.rstrip("\r\n")
        if row in BAD:
            bad.append((line, text))
        elif text:
            number, name = text.split(",", 1)
            good.append((int(number), names.get(name, name)))
        line += row.count("\n")
    return good, bad


@settings(max_examples=120, deadline=None)
@given(st.lists(st.sampled_from(GOOD + BAD), max_size=25), st.integers(24, 200))
def test_how_a_file_is_cut_never_changes_which_rows_are_bad(
    directory: Path, rows: list[str], size: int
) -> None:
    file = written(directory, "stores", "".join(rows))
    good, bad = _expected(rows)
    found, rejected = read(file, skip=True, size=size)
    assert found == good
    assert [(r.error.line, r.row) for r in rejected] == bad
    assert all(r.error.file == str(file) for r in rejected)
    if bad:
        error = complaint(file, size=size)
        assert error.line == bad[0][0]
        assert str(error) == str(rejected[0].error)
    else:
        assert read(file, size=size) == (good, [])


def test_a_bad_row_of_a_text_is_told_by_its_name_and_line() -> None:
    text = b'store_id,store_name\n1,a\n2,"b\nb"\nx,c\n'
    with pytest.raises(BadData) as caught:
        parse(block_of_text(TABLES["stores"], "sent.csv", text))
    assert (caught.value.file, caught.value.line) == ("sent.csv", 5)


@pytest.mark.parametrize("quantity", ["1000000001", "-1000000001", "9000000000000000"])
def test_a_quantity_whose_sums_could_overflow_is_refused(tmp_path: Path, quantity: str) -> None:
    file = tmp_path / "items.csv"
    file.write_text(f"item_id,quantity,subtotal,created_at\n1,{quantity},1.0,2024-01-01 10:00:00\n")
    (block,) = blocks_of(TABLES["transaction_items"], file)
    with pytest.raises(BadData, match=r"line 2, column quantity.*out of range"):
        parse(block)
