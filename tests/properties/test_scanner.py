"""Whatever the native scanner accepts, the columnar parser accepts with the same values.

Bodies are compared as they travel, byte for byte: values, nulls, widths and schema.
"""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from coffeeshop.client import native, scanner
from coffeeshop.client.blocks import Block
from coffeeshop.client.parse import Refused, parse, read
from coffeeshop.codec import encode
from coffeeshop.errors import BadData
from coffeeshop.operators import NOTHING_LATE, Late
from coffeeshop.plan import PLANS
from coffeeshop.schema import TABLES, Table

HEADERS = {
    "menu_items": ("item_id", "item_name", "category", "price"),
    "stores": ("store_id", "store_name", "street"),
    "users": ("user_id", "gender", "birthdate", "registered_at"),
    "transactions": (
        "transaction_id",
        "store_id",
        "payment_method_id",
        "voucher_id",
        "user_id",
        "original_amount",
        "discount_applied",
        "final_amount",
        "created_at",
    ),
    "transaction_items": (
        "transaction_id",
        "item_id",
        "quantity",
        "unit_price",
        "subtotal",
        "created_at",
    ),
}
needs_scanner = pytest.mark.skipif(
    native.in_use() is None, reason="the native scanner was not built, or is switched off"
)


def block_of(table: str, body: bytes, columns: tuple[str, ...] | None = None) -> Block:
    return Block(TABLES[table], Path("f.csv"), columns or HEADERS[table], 0, body)


def columnar(block: Block, late: Late) -> bytes | None:
    """The body that the columnar parser makes; None when it refuses the block."""
    try:
        return encode(late.withheld(parse(block).batch))
    except (BadData, Refused, pa.ArrowException):
        return None


def check(table: str, body: bytes, columns: tuple[str, ...] | None = None) -> bool:
    """Whether the scanner takes the block; fails when the columnar parser says something else."""
    block = block_of(table, body, columns)
    taken = []
    for late in (NOTHING_LATE, PLANS["fused"].late_columns(table)):
        for portable in (False, True):
            found = scanner.scan(
                block.table, block.columns, memoryview(body), late, portable=portable
            )
            taken.append(found is not None)
            if found is not None:
                found.validate(full=True)
                assert encode(found) == columnar(block, late)
    assert len(set(taken)) == 1
    return taken[0]


whole = st.one_of(
    st.integers(-9, 99).map(str),
    st.integers(-(10**17), 10**17).map(str),
    st.integers(0, 10**9).map("{}.0".format),
    st.sampled_from(["", "NULL", "0", "-0", "007", "1.", ".0", "1.00", "1e3", "+1", " 1", "x"]),
)
amount = st.one_of(
    st.decimals(-100, 10_000, places=3).map(str),
    st.integers(0, 999_999).map(lambda n: f"{n // 10}.{n % 10}"),
    st.integers(0, 10**11).map(str),
    st.sampled_from(["", "NULL", "0.0", ".5", "5.", "-.5", "1.2345", "12345678.9", "1.2.3", "1e2"]),
)
date = st.one_of(
    st.dates().map(str),
    st.sampled_from(
        [
            "",
            "NULL",
            "2023-02-29",
            "2024-02-29",
            "1900-02-29",
            "2000-02-29",
            "0001-01-01",
            "0000-01-01",
            "2024-13-01",
            "2024-00-01",
            "2024-01-00",
            "2024-1-01",
            "9999-12-31",
        ]
    ),
)
instant = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat(" ", "seconds")),
    st.datetimes().map(lambda moment: moment.isoformat("T", "seconds")),
    date,
    st.sampled_from(
        [
            "2024-01-01 24:00:00",
            "2024-01-01 23:60:00",
            "2024-01-01 23:59:60",
            "2024-01-01 00:00",
            "2024-01-01 00:00:00Z",
            "2024-01-01 00:00:00.0",
            "2024-01-01_00:00:00",
            "2024-01-01 0:0:0",
        ]
    ),
)
text = st.one_of(
    st.uuids().map(str),
    st.text(st.characters(codec="ascii", exclude_characters='"\r\n,'), max_size=12),
    st.text(max_size=6),
    st.sampled_from(["", "NULL", "null", "N/A", "\\N", "a b", "\x00", "\ufeffa"]),
)
of_kind = {"text": text, "id": whole, "count": whole, "amount": amount, "instant": instant}


def field_of(table: Table, name: str) -> st.SearchStrategy[str]:
    kinds = {column.name: column.kind.value for column in table.columns}
    return date if kinds.get(name) == "date" else of_kind.get(kinds.get(name, "text"), text)


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


def plain_rows(table: str, random_: random.Random, count: int, newline: str, quote: bool) -> bytes:
    """Plain rows as branches export them."""
    rows = []
    for _ in range(count):
        day = dt.datetime(random_.randrange(2020, 2030), 1, 1)
        moment = str(day + dt.timedelta(seconds=random_.randrange(366 * 86_400)))
        moment = f'"{moment}"' if quote else moment
        user = random_.choice(["", "NULL", str(random_.randrange(3_000_000)), "17.0"])
        paid = f"{random_.randrange(200_000) / 1000:.{random_.randrange(1, 4)}f}"
        by_name = {
            "store_id": str(random_.randrange(300)),
            "user_id": user if table == "transactions" else str(random_.randrange(1 << 40)),
            "item_id": str(random_.randrange(10)),
            "quantity": str(random_.randrange(4)),
            "final_amount": paid,
            "subtotal": paid,
            "created_at": moment,
            "birthdate": moment.strip('"')[:10],
            "store_name": "Store",
            "item_name": random_.choice(["Latte", ""]),
        }
        rows.append(
            ",".join(by_name.get(name, f"{random_.getrandbits(40):x}") for name in HEADERS[table])
        )
    return "".join(row + newline for row in rows).encode()


@needs_scanner
@pytest.mark.parametrize("quote", [False, True])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("table", sorted(HEADERS))
def test_blocks_of_many_plain_rows_are_taken_and_right(
    table: str, newline: str, quote: bool
) -> None:
    seed = 7
    print(f"seed {seed}")
    random_ = random.Random(f"{seed} {table} {newline} {quote}")
    for count in (1, 2, 63, 5000):
        assert check(table, plain_rows(table, random_, count, newline, quote))


@needs_scanner
@pytest.mark.parametrize("table", sorted(HEADERS))
def test_one_byte_changed_anywhere_is_judged_alike(table: str) -> None:
    seed = 11
    print(f"seed {seed}")
    random_ = random.Random(f"{seed} {table}")
    body = plain_rows(table, random_, 3, "\n", False)
    for _ in range(400):
        place = random_.randrange(len(body))
        sign = random_.choice(b'0123456789,.-:" \r\n\x00\\NULT\xe9\xff')
        check(table, body[:place] + bytes([sign]) + body[place + 1 :])


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
