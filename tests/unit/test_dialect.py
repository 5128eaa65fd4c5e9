"""What the beginning of a file says of its separator, its decimal mark and its encoding."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from coffeeshop.errors import BadData
from coffeeshop.reading.blocks import blocks_of
from coffeeshop.reading.dialect import Dialect
from coffeeshop.reading.parse import read
from coffeeshop.schema import TABLES

ITEMS = TABLES["transaction_items"]
NAMES = ["item_id", "quantity", "subtotal", "created_at"]


def written(directory: Path, separator: str, *amounts: str, first: str = "") -> Path:
    rows = [separator.join(["1", "2", each, "2024-01-01 06:00:00"]) for each in amounts]
    file = directory / "transaction_items.csv"
    file.write_text(first + "\n".join([separator.join(NAMES), *rows]) + "\n")
    return file


def amounts(file: Path, **how: Any) -> list[int]:
    return [
        row["subtotal"]
        for block in blocks_of(ITEMS, file)
        for row in read(block, **how).batch.to_pylist()
    ]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize(
    ("texts", "thousandths"),
    [
        (["80,05", "1,080"], [80_050, 1_080]),
        (["80.05", "1.080"], [80_050, 1_080]),
        (["0,005"], [5]),
        (["0.005"], [5]),
        (["1234,567"], [1_234_567]),
        (["80", "7"], [80_000, 7_000]),
        (["-1,5", "+2,50"], [-1_500, 2_500]),
    ],
)
def test_the_first_amounts_decide_on_the_decimal_mark(
    tmp_path: Path, separator: str, texts: list[str], thousandths: list[int]
) -> None:
    assert amounts(written(tmp_path, separator, *texts)) == thousandths


@pytest.mark.parametrize(
    ("separator", "texts", "words"),
    [
        (";", ["1.080"], "may have decimals or group thousands"),
        ("\t", ["1,080"], "may have decimals or group thousands"),
        ("\t", ["1.080"], "may have decimals or group thousands"),
        (";", ["80,5", "80.5"], "decimal commas and with decimal points"),
        (";", ["80,5", "1.080,50"], "has a point and a comma"),
        (";", ["80,5", "1.080"], "has a point and a comma, or groups"),
        (",", ['"80,5"'], "has a decimal comma in a file with decimal points"),
    ],
)
def test_what_may_be_meant_otherwise_is_refused(
    tmp_path: Path, separator: str, texts: list[str], words: str
) -> None:
    file = written(tmp_path, separator, *texts)
    with pytest.raises(BadData, match=words) as caught:
        amounts(file)
    assert caught.value.file == str(file)


def test_an_amount_far_behind_with_the_other_mark_is_refused_with_its_line(tmp_path: Path) -> None:
    file = written(tmp_path, ";", *(["80,5"] * 5_000), "80.5")
    with pytest.raises(BadData, match="decimal point in a file with decimal commas") as caught:
        amounts(file)
    assert (caught.value.line, caught.value.value) == (5_002, "80.5")
    assert len(amounts(file, skip_bad_rows=True)) == 5_000


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line", ["sep={}\n", '"sep={}"\n', "SEP={}\r\n"])
def test_a_line_of_excels_before_the_header_names_the_separator(
    tmp_path: Path, separator: str, line: str
) -> None:
    file = written(tmp_path, separator, "80.5", first=line.format(separator))
    assert amounts(file) == [80_500]


def test_a_separator_that_is_not_read_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="separates by ':'") as caught:
        amounts(written(tmp_path, ":", "80.5", first="sep=:\n"))
    assert caught.value.line == 1


def test_a_line_is_counted_behind_a_line_of_excels(tmp_path: Path) -> None:
    with pytest.raises(BadData) as caught:
        amounts(written(tmp_path, ",", "80.5", "x", first="sep=,\n"))
    assert caught.value.line == 4


def test_complaints_and_rejected_rows_show_the_row_as_it_stands(tmp_path: Path) -> None:
    file = written(tmp_path, ";", "80,5", "a,b;c")
    (block,) = blocks_of(ITEMS, file)
    parsed = read(block, skip_bad_rows=True)
    (rejected,) = parsed.rejected
    assert rejected.row == "1;2;a,b;c;2024-01-01 06:00:00"
    assert parsed.batch.num_rows == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04rest", "a zip archive or a spreadsheet"),
        (b"PAR1rest", "Parquet: name it .parquet"),
        (gzip.compress(b"x", mtime=0), "gzip data: name it .csv.gz"),
        (bz2.compress(b"x"), "bzip2 data"),
        (lzma.compress(b"x"), "xz data"),
        ("item_id,quantity".encode("utf-16-le"), "UTF-16 without a byte-order mark"),
        ("item_id,año\n".encode("latin-1"), "not UTF-8 text: save it as UTF-8"),
        (b"item_id,quantity\r1,2\r", "a carriage return alone"),
        (b"<!DOCTYPE html>\n", "no column item_id"),
    ],
)
def test_a_file_of_another_kind_says_what_it_is(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "transaction_items.csv"
    file.write_bytes(content)
    with pytest.raises(BadData, match=words) as caught:
        amounts(file)
    assert caught.value.file == str(file)


PACKERS = {
    "gz": gzip.compress,
    "BZ2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: bytes(pa.compress(data, "zstd", asbytes=True)),
}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_packed_file_of_several_members_is_read_whole(
    tmp_path: Path, suffix: str, encoding: str
) -> None:
    plain = written(tmp_path, ",", *map(str, range(1, 3_000)))
    content = plain.read_text().encode(encoding)
    pack = PACKERS[suffix]
    file = tmp_path / f"transaction_items.csv.{suffix}"
    file.write_bytes(pack(content[:1001]) + pack(content[1001:]))
    assert amounts(file) == amounts(plain)
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(BadData, match="damaged"):
        amounts(file)


def test_exchanging_twice_changes_nothing() -> None:
    for separator in (",", ";", "\t", "|"):
        dialect = Dialect(separator)
        assert dialect.exchanged(dialect.exchanged(b'a,b;c\t"d|e')) == b'a,b;c\t"d|e'


def test_names_that_programs_write_for_none_are_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "stores.csv"
    file.write_text("store_id,store_name\n1,NaN\n2,North\n3,\n")
    (block,) = blocks_of(TABLES["stores"], file)
    parsed = read(block)
    assert [row["store_name"] for row in parsed.batch.to_pylist()] == ["NaN", "North", None]
    (warning,) = parsed.warnings
    assert "store_name is 'NaN' in 1 row(s)" in warning
