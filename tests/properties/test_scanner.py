"""Whatever the native scanner accepts, the columnar parser accepts with the same values.

Bodies are compared as they travel, byte for byte: values, nulls, widths and schema.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from coffeeshop.codec import encode
from coffeeshop.reading import native, scanner
from coffeeshop.reading.parse import read
from coffeeshop.schema import TABLES, Table
from tests.properties.plain import HEADERS, block_of, check, plain_rows

needs_scanner = pytest.mark.skipif(
    native.in_use() is None, reason="the native scanner was not built, or is switched off"
)


def values(text: str) -> list[str]:
    """What stands between bars."""
    return text.split("|")


ODD = {
    "whole": values(
        "|NULL|\\N|0|-0|007|1.|.0|1.0|1.00|-5|-|--1|1e3|+1| 1|1 |x|0x1|12345678|123456789|"
        "999999999999999|9007199254740991|9007199254740992|99999999999999999999|12a45678|1.5|"
        "1000000000|1000000001"
    ),
    "amount": values(
        "|NULL|\\N|0|0.0|-0.001|.5|5.|-.5|1.2345|12345678.9|1.2.3|1e2|1,5|-|.|..|1.-5|10000000|"
        "10000000.000|10000000.001|-10000000.001|123456.78|1234567.8|12345.678|1234.5678|1.23a|"
        "a.5|99999999999999999"
    ),
    "date": values(
        "|NULL|\\N|2023-02-29|2024-02-29|1900-02-29|2000-02-29|2100-02-29|0001-01-01|0000-01-01|"
        "2024-13-01|2024-00-01|2024-01-00|2024-01-32|2024-04-31|2024-1-01|9999-12-31|1969-12-31|"
        "2024/01/01|2024-01-0a|20240101"
    ),
    "instant": values(
        "|NULL|2024-01-01 24:00:00|2024-01-01 23:60:00|2024-01-01 23:59:60|2024-01-01|"
        "2024-01-01 23:59:59|2024-01-01T00:00:00|2024-01-01 00:00|2024-01-01 00:00:00Z|"
        "2024-01-01 00:00:00.0|2024-01-01_00:00:00|2024-01-01 0:0:0|2023-02-29 00:00:00|"
        "1900-02-29 00:00:00|2000-02-29 12:00:00|0001-01-01 00:00:00|0000-12-31 00:00:00|"
        "1969-12-31 23:59:59|2024-01-01 00-00-00|2024-01-01 1a:00:00|9999-12-31 23:59:59"
    ),
    "text": values("|NULL|\\N|\\|a\\b|\\n|null|N/A|nan|a b| a|\x00|\ufeffa|é|\x7f|'|a'b|NULLS|NUL"),
}
"""Values of each kind that are nearly plain, or just about."""
KINDS = {"id": "whole", "count": "whole"}

whole = st.one_of(st.integers(-9, 99).map(str), st.integers(-(10**17), 10**17).map(str))
amount = st.one_of(
    st.decimals(-100, 10_000, places=3).map(str),
    st.integers(0, 999_999).map(lambda n: f"{n // 10}.{n % 10}"),
    st.integers(0, 10**11).map(str),
)
date = st.dates().map(str)
instant = st.datetimes().map(lambda moment: moment.isoformat(" ", "seconds"))
text = st.one_of(
    st.uuids().map(str),
    st.text(st.characters(codec="ascii", exclude_characters='"\r\n,'), max_size=12),
    st.text(max_size=6),
)
OF_KIND = {"text": text, "whole": whole, "amount": amount, "date": date, "instant": instant}


def kind_of(table: Table, name: str) -> str:
    kinds = {column.name: column.kind.value for column in table.columns}
    kind = kinds.get(name, "text")
    return KINDS.get(kind, kind)


def field_of(table: Table, name: str) -> st.SearchStrategy[str]:
    kind = kind_of(table, name)
    return st.one_of(OF_KIND[kind], OF_KIND[kind], st.sampled_from(ODD[kind]))


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    """Rows that are mostly plain, in one of the dialects, perhaps with something odd."""
    name = draw(st.sampled_from(sorted(HEADERS)))
    columns = HEADERS[name]
    newline = draw(st.sampled_from(["\n", "\n", "\r\n", "\r\n", "\n\n"]))
    quoted = draw(st.sets(st.sampled_from(columns)))
    fields = [field_of(TABLES[name], column) for column in columns]
    rows = draw(st.lists(st.tuples(*fields), min_size=1, max_size=4))
    written = [
        ",".join(
            f'"{value}"' if column in quoted else value
            for column, value in zip(columns, row, strict=True)
        )
        for row in rows
    ]
    ending = draw(st.sampled_from([newline, newline, newline, ""]))
    return name, (newline.join(written) + ending).encode(errors="replace")


@needs_scanner
@given(bodies())
@example(("users", b"1,,2000-01-01,\n" * 4000))
@example(("users", b"NULL,,2000-01-01,\n"))
@example(("menu_items", b'1,"12"" cup",a,1\n'))
@example(("menu_items", b'1,12" cup,a,1\n'))
@example(("menu_items", b'1,"a,b",",",1\n'))
@example(("menu_items", b'1,"a\nb",c,1\n'))
@example(("menu_items", b"1,a,b,1\n2,a,b\n,c,1\n"))
@example(("menu_items", b"1,a,b\r,1\r\n"))
@example(("menu_items", b"1,a,b,1\r\n2,a,b,1\n"))
@example(("stores", b"\n"))
@example(("stores", b'1,"a\\",x\n2,"b\\""",y\n'))
@example(("stores", b'1,a,"x\\"\n'))
@example(("stores", b"1,a\\nb,x\n2,\\N,x\n"))
@example(("users", b"1,\\n,2000-01-01,\n"))
def test_the_scanner_says_what_the_columnar_parser_says(case: tuple[str, bytes]) -> None:
    table, body = case
    event("taken" if check(table, body) else "not mine")


@needs_scanner
@pytest.mark.parametrize("quote", [False, True])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("table", sorted(HEADERS))
def test_blocks_of_many_plain_rows_are_taken_and_right(
    table: str, newline: str, quote: bool
) -> None:
    seed = 7
    print(f"seed {seed}")
    for count in (1, 2, 63, 5000):
        assert check(table, plain_rows(table, f"{seed} {count}", count, newline, quote))


@needs_scanner
@pytest.mark.parametrize("table", sorted(HEADERS))
def test_one_byte_changed_anywhere_is_judged_alike(table: str) -> None:
    seed = 11
    print(f"seed {seed}")
    chance = random.Random(f"{seed} {table}")
    body = plain_rows(table, f"{seed}", 3, "\n", False)
    for _ in range(400):
        place = chance.randrange(len(body))
        sign = chance.choice(b'0123456789,.-:" \r\n\x00\\NULT\xe9\xff')
        check(table, body[:place] + bytes([sign]) + body[place + 1 :])


@needs_scanner
@pytest.mark.parametrize("quote", [False, True])
@pytest.mark.parametrize("table", sorted(HEADERS))
def test_a_value_that_is_nearly_plain_is_judged_alike(table: str, quote: bool) -> None:
    columns = HEADERS[table]
    before, row, after = plain_rows(table, "13", 3, "\n", False).splitlines(keepends=True)
    fields = row.decode().rstrip("\n").split(",")
    taken = 0
    for place, name in enumerate(columns):
        for odd in ODD[kind_of(TABLES[table], name)]:
            value = f'"{odd}"' if quote else odd
            changed = ",".join([*fields[:place], value, *fields[place + 1 :]])
            taken += check(table, before + f"{changed}\n".encode() + after)
    assert taken > len(columns)


@needs_scanner
def test_columns_in_another_order_are_found_by_their_names() -> None:
    columns = ("created_at", "x", "final_amount", "user_id", "store_id", "y", "transaction_id")
    body = b"2024-05-06 07:08:09,,75.0,,3,,a\n2024-05-06 07:08:09,,74.9,8,4,,b\n"
    assert check("transactions", body, columns)


@needs_scanner
def test_a_last_row_without_its_newline_is_taken() -> None:
    assert check("users", b"1,f,2000-01-01,\n2,m,2000-01-02,x")
    assert check("users", b"1,f,2000-01-01,\r\n2,m,2000-01-02,x")


@needs_scanner
def test_the_scanner_reads_nothing_beyond_its_block() -> None:
    whole_text = b"1,f,2000-01-01,x\n22,m,2000-01-02,y\n"
    part = memoryview(whole_text)[:17]
    found = scanner.scan(TABLES["users"], HEADERS["users"], part)
    assert found is not None
    assert found["user_id"].to_pylist() == [1]


@needs_scanner
def test_what_is_not_plain_is_read_by_the_columnar_parser() -> None:
    block = block_of("menu_items", b'1,"a, b",x,1\n2,Caf\xc3\xa9,x,1\n')
    assert scanner.scan(block.table, block.columns, block.body) is None
    assert read(block).batch["item_name"].to_pylist() == ["a, b", "Café"]


def test_without_the_scanner_a_block_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    block = block_of("users", b"1,f,2000-01-01,x\n")
    expected = encode(read(block).batch)
    monkeypatch.setattr(native, "_switched_off", True)
    assert scanner.scan(block.table, block.columns, block.body) is None
    assert encode(read(block).batch) == expected
