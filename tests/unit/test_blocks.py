"""Files are cut between rows, whatever the size of a block and whatever the rows hold."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coffeeshop.errors import BadData
from coffeeshop.reading.blocks import (
    BLOCK,
    HEADER_LIMIT,
    Block,
    block_of_text,
    blocks_of,
    line_at,
)
from coffeeshop.schema import TABLES

STORES = TABLES["stores"]
HEADER = "store_id,store_name"
BOM = b"\xef\xbb\xbf"


def quoted(value: str) -> str:
    """A field as CSV, in quotes where it needs them."""
    special = any(sign in value for sign in ',"\r\n')
    return '"' + value.replace('"', '""') + '"' if special else value


def written(directory: Path, content: bytes, *, packed: bool = False) -> Path:
    file = directory / ("stores.csv.gz" if packed else "stores.csv")
    file.write_bytes(gzip.compress(content) if packed else content)
    return file


def cut(file: Path, size: int = BLOCK) -> list[Block]:
    return list(blocks_of(STORES, file, size))


def fields(body: bytes) -> list[list[str]]:
    """The rows an independent reader finds."""
    return list(csv.reader(io.StringIO(body.decode(), newline="")))


NAMES = st.lists(st.sampled_from(["a", ",", '"', "\n", "\r\n", "é", "bcdef"]), max_size=5)
ROWS = st.lists(NAMES.map(lambda parts: f"7,{quoted(''.join(parts))}"), max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    ROWS,
    st.integers(1, 120),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_blocks_hold_the_files_rows_and_end_where_a_row_ends(
    directory: Path,
    rows: list[str],
    size: int,
    newline: str,
    ends_in_newline: bool,
    has_bom: bool,
    packed: bool,
) -> None:
    header = BOM * has_bom + (HEADER + newline).encode()
    body = newline.join([*rows, ""] if ends_in_newline and rows else rows).encode()
    blocks = cut(written(directory, header + body, packed=packed), size)
    assert b"".join(block.body for block in blocks) == body
    position = len(header)
    for block in blocks:
        assert block.columns == ("store_id", "store_name")
        assert block.start == position
        position += len(block.body)
    assert [row for block in blocks for row in fields(bytes(block.body))] == fields(body)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(1, 120), st.booleans())
def test_a_block_is_no_larger_than_asked_unless_a_row_is(
    directory: Path, rows: list[str], size: int, packed: bool
) -> None:
    lines = [f"{row}\n".encode() for row in rows]
    blocks = cut(
        written(directory, f"{HEADER}\n".encode() + b"".join(lines), packed=packed),
        size,
    )
    longest = max(map(len, lines), default=0)
    assert all(len(block.body) <= max(size, 2 * longest) for block in blocks)


@pytest.mark.parametrize("packed", [False, True])
def test_a_row_longer_than_a_block_is_kept_whole(tmp_path: Path, packed: bool) -> None:
    rows = ["1,a\n", '2,"' + "b\n" * 500 + '"\n', "3,c\n"]
    file = written(tmp_path, f"{HEADER}\n{''.join(rows)}".encode(), packed=packed)
    blocks = cut(file, 64)
    assert [row[0] for block in blocks for row in fields(bytes(block.body))] == ["1", "2", "3"]
    assert max(len(block.body) for block in blocks) >= len(rows[1])


def test_a_packed_file_is_read_in_blocks_also_after_a_long_row(tmp_path: Path) -> None:
    content = f"{HEADER}\n1,{'x' * 1_000}\n" + "2,b\n" * 5_000
    blocks = cut(written(tmp_path, content.encode(), packed=True), 256)
    assert max(len(block.body) for block in blocks) < 4_000


@pytest.mark.parametrize("packed", [False, True])
def test_a_row_without_end_is_refused_and_nothing_after_it_is_lost(
    tmp_path: Path, packed: bool
) -> None:
    endless = b"1," + b"x" * (40 << 20) + b"\n2,b\n"
    file = written(tmp_path, f"{HEADER}\n".encode() + endless, packed=packed)
    with pytest.raises(BadData) as caught:
        cut(file, 1 << 20)
    assert caught.value.file == str(file)


@pytest.mark.parametrize("newline", ["", "\n", "\r\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_header_alone_has_no_blocks(tmp_path: Path, newline: str, packed: bool) -> None:
    assert cut(written(tmp_path, (HEADER + newline).encode(), packed=packed)) == []


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("content", [b"", BOM])
def test_an_empty_file_says_so(tmp_path: Path, content: bytes, packed: bool) -> None:
    with pytest.raises(BadData, match="the file is empty"):
        cut(written(tmp_path, content, packed=packed))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("content", [b"\n", b"\n\n"])
def test_a_file_without_a_header_is_refused(tmp_path: Path, content: bytes, packed: bool) -> None:
    with pytest.raises(BadData, match="no column store_id") as caught:
        cut(written(tmp_path, content, packed=packed))
    assert caught.value.line == 1


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("store_name,store_id", ("store_name", "store_id")),
        ("city,store_id,tax,store_name,x", ("city", "store_id", "tax", "store_name", "x")),
        ('"store_id","store_name"', ("store_id", "store_name")),
        ('"a,b",store_id,store_name', ("a,b", "store_id", "store_name")),
        (" store_id , store_name ", ("store_id", "store_name")),
        ("x,store_id,x,store_name", ("x", "store_id", "x", "store_name")),
        ("store_id,,store_name,", ("store_id", "", "store_name", "")),
        ("größe,store_id,store_name", ("größe", "store_id", "store_name")),
    ],
)
@pytest.mark.parametrize("bom", [b"", BOM])
def test_columns_may_be_reordered_and_extra(
    tmp_path: Path, header: str, columns: tuple[str, ...], bom: bytes
) -> None:
    (block,) = cut(written(tmp_path, bom + f"{header}\n1,2,3\n".encode()))
    assert block.columns == columns
    assert bytes(block.body) == b"1,2,3\n"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("store_id,name", "no column store_name.*; stores needs store_id, store_name; the line is"),
        ("store_id:store_name", "no column store_id"),
        ("store_id,store_name,store_id", "more than one column store_id"),
        ("STORE_ID,store_name,store_id", "more than one column store_id"),
        ("store id,store_name", "no column store_id; did you mean 'store id'"),
    ],
)
def test_a_missing_or_repeated_column_is_named(tmp_path: Path, header: str, words: str) -> None:
    file = written(tmp_path, f"{header}\n1,a\n".encode())
    with pytest.raises(BadData, match=words) as caught:
        cut(file)
    assert (caught.value.file, caught.value.line) == (str(file), 1)


@pytest.mark.parametrize("end", [b"", b"\n1,a\n"])
def test_a_header_without_end_is_refused(tmp_path: Path, end: bytes) -> None:
    content = HEADER.encode() + b"," + b"x" * HEADER_LIMIT + end
    with pytest.raises(BadData, match="the header is longer than") as caught:
        cut(written(tmp_path, content))
    assert caught.value.line == 1


@pytest.mark.parametrize(
    "content",
    [
        f"{HEADER}\n1,a\n".encode("utf-16-le"),
        f"{HEADER}\n1,a\n".encode("utf-32"),
        f"{HEADER}\n1,a\n".encode("utf-16")[:-1],
        b"store_id,store_name,\xff\n",
        b"store_id,store_name\r1,a\r",
        b'store_id,store_name,"x\ny"\n1,a,b\n',
        b"store_id,store_name," + b"x" * 200_000 + b'\n"',
        bytes(range(256)) * 50,
    ],
    ids=[
        "utf-16 without a mark",
        "utf-32",
        "cut utf-16",
        "latin-1",
        "only CR",
        "newline in a name",
        "a name of 200 kB",
        "noise",
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_no_table_is_bad_data(tmp_path: Path, content: bytes, packed: bool) -> None:
    with pytest.raises(BadData):
        cut(written(tmp_path, content, packed=packed))


@pytest.mark.parametrize("size", [40, BLOCK])
@pytest.mark.parametrize("packed", [False, True])
def test_a_quote_that_is_never_closed_is_told(tmp_path: Path, size: int, packed: bool) -> None:
    content = f'{HEADER}\n1,a\n2,"b\n' + "3,c\n" * 40
    file = written(tmp_path, content.encode(), packed=packed)
    with pytest.raises(BadData, match="a quoted field is opened and never closed") as caught:
        cut(file, size)
    assert caught.value.line is not None


def test_an_open_quote_at_the_start_of_a_large_file_is_told_soon(tmp_path: Path) -> None:
    content = f'{HEADER}\n1,"a\n' + "2,bbbbbbbb\n" * 500_000
    with pytest.raises(BadData, match="never closed"):
        cut(written(tmp_path, content.encode()), 1 << 16)


GOOD_GZIP = gzip.compress(f"{HEADER}\n1,a\n".encode() * 100)


@pytest.mark.parametrize(
    "content",
    [
        GOOD_GZIP[:30],
        GOOD_GZIP[:-4],
        b"this is not gzip",
        GOOD_GZIP[:-8] + bytes(8),
        GOOD_GZIP[:12] + b"\xff" * 9 + GOOD_GZIP[21:],
        GOOD_GZIP + b"tail",
    ],
    ids=["cut", "cut checksum", "text", "wrong checksum", "damaged", "with a tail"],
)
def test_a_broken_gzip_file_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "stores.csv.gz"
    file.write_bytes(content)
    with pytest.raises(BadData, match="damaged gzip file") as caught:
        cut(file)
    assert caught.value.file == str(file)


def test_a_file_of_several_gzip_members_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "stores.csv.gz"
    file.write_bytes(gzip.compress(f"{HEADER}\n1,a\n".encode()) + gzip.compress(b"2,b\n"))
    assert b"".join(block.body for block in cut(file)) == b"1,a\n2,b\n"


@pytest.mark.parametrize("name", ["stores.csv", "stores.csv.gz"])
@pytest.mark.parametrize("is_directory", [False, True])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, is_directory: bool) -> None:
    file = tmp_path / name
    if is_directory:
        file.mkdir()
    with pytest.raises(BadData, match="cannot be read") as caught:
        cut(file)
    assert caught.value.file == str(file)


@settings(max_examples=40, deadline=None)
@given(st.text("ab\n\r", max_size=60), st.integers(0, 80), st.booleans())
def test_the_line_of_an_offset_counts_the_newlines_before_it(
    directory: Path, text: str, offset: int, packed: bool
) -> None:
    content = text.encode()
    file = written(directory, content, packed=packed)
    assert line_at(file, offset) == 1 + content[:offset].count(b"\n")


def test_the_line_of_an_offset_is_found_beyond_one_read(tmp_path: Path) -> None:
    content = b"1234567\n" * 400_000
    file = written(tmp_path, content)
    assert line_at(file, 8 * 399_999) == 400_000
    assert line_at(file, 8 * 399_999 - 1) == 399_999


def test_a_row_beyond_the_limit_is_told_where_it_begins(tmp_path: Path) -> None:
    endless = b"1,a\n2," + b"x" * (40 << 20)
    with pytest.raises(BadData, match="row is longer") as caught:
        cut(written(tmp_path, f"{HEADER}\n".encode() + endless))
    assert caught.value.line == 3


@pytest.mark.parametrize("body", ["", "1,a\n", '1,"a\nb"\n2,c'])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_text_is_one_block_like_a_file(tmp_path: Path, body: str, newline: str) -> None:
    text = (HEADER + newline + body).encode()
    block = block_of_text(STORES, "sent.csv", text)
    assert (block.columns, bytes(block.body)) == (("store_id", "store_name"), body.encode())
    assert (str(block.file), block.start) == ("sent.csv", len(HEADER + newline))
    lines = [block.line_at(offset) for offset in range(len(body) + 1)]
    file = written(tmp_path, text)
    assert lines == [line_at(file, block.start + offset) for offset in range(len(body) + 1)]


@pytest.mark.parametrize("text", [b"", b"store_id\n1\n", f'{HEADER}\n1,"a\n'.encode(), b"\xff\n"])
def test_a_text_that_is_no_table_is_bad_data_of_its_name(text: bytes) -> None:
    with pytest.raises(BadData) as caught:
        block_of_text(STORES, "sent.csv", text)
    assert caught.value.file == "sent.csv"
