"""Request bodies of Arrow: they go on byte for byte, or are refused."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from coffeeshop.codec import decode, encode
from coffeeshop.errors import BadData, CodecError
from coffeeshop.gateway.bodies import ARROW, Batch, batch_of
from coffeeshop.reading.bodies import csv_body
from coffeeshop.schema import TABLES
from tests.unit.helpers import DATA, MENU, STORES, TRANSACTIONS, USERS, stream


def arrow(table: str, body: bytes) -> Batch:
    return batch_of(TABLES[table], ARROW, body, csv_body)


@pytest.mark.parametrize("table", DATA)
def test_an_arrow_batch_goes_on_byte_for_byte(table: str) -> None:
    body = encode(DATA[table][0])
    taken = arrow(table, body)
    assert (taken.body, taken.rows) == (body, DATA[table][0].num_rows)
    assert taken.digest == arrow(table, body).digest


def test_two_contents_have_two_digests() -> None:
    first, second = (arrow("transactions", encode(each)) for each in TRANSACTIONS)
    assert first.digest != second.digest


@pytest.mark.parametrize("body", [b"", b"hello", encode(USERS)[:90], encode(USERS)[:-60]])
def test_a_damaged_arrow_stream_is_refused(body: bytes) -> None:
    with pytest.raises(CodecError):
        arrow("users", body)


def test_any_one_byte_changed_is_refused_or_still_a_batch_of_the_table() -> None:
    body = encode(STORES)
    for place in range(len(body)):
        changed = body[:place] + bytes([body[place] ^ 0x55]) + body[place + 1 :]
        try:
            taken = arrow("stores", changed)
        except (CodecError, BadData):
            continue
        assert decode(taken.body).schema.equals(STORES.schema)


@pytest.mark.parametrize(
    "batch",
    [
        STORES,
        USERS.rename_columns(["id", "birthdate"]),
        USERS.append_column("more", pa.array([1, 2])),
        USERS.select(["user_id"]),
        USERS.select(["birthdate", "user_id"]),
        USERS.set_column(0, "user_id", pa.array([1.0, 2.0])),
    ],
    ids=["another table", "other names", "one more", "one less", "another order", "floats"],
)
def test_other_columns_are_refused(batch: pa.RecordBatch) -> None:
    with pytest.raises(CodecError, match="the batch has"):
        arrow("users", encode(batch))


def test_a_second_batch_is_not_lost_in_silence() -> None:
    with pytest.raises(CodecError, match="expected one batch, not 2"):
        arrow("transactions", stream(*TRANSACTIONS))


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_a_few_bytes_that_stand_for_many_are_refused(compression: str) -> None:
    rows = 1_000_000
    batch = pa.record_batch(
        [pa.array(np.zeros(rows, "i8")), pa.nulls(rows, pa.string())], schema=MENU.schema
    )
    body = stream(batch, compression=compression)
    before = pa.total_allocated_bytes()
    assert len(body) < 100_000
    with pytest.raises(CodecError, match="compressed"):
        arrow("menu_items", body)
    assert pa.total_allocated_bytes() <= before


def test_a_value_may_be_missing_only_where_the_schema_says_so() -> None:
    nobody = pa.record_batch([pa.nulls(1, pa.int64()), pa.nulls(1, pa.date32())], USERS.schema)
    nobody = pa.record_batch(nobody.columns, schema=USERS.schema)
    with pytest.raises(BadData, match="user_id: must not be empty"):
        arrow("users", encode(nobody))


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("users", "user_id", 2**53 + 1),
        ("users", "user_id", -(2**63)),
        ("users", "birthdate", 2**31 - 1),
        ("users", "birthdate", -(2**31)),
        ("transactions", "final_amount", 10**10 + 1),
        ("transactions", "created_at", 2**62),
        ("transactions", "created_at", -(2**62)),
        ("transaction_items", "quantity", 2**62),
        ("transaction_items", "subtotal", -(10**10) - 1),
    ],
)
def test_a_value_beyond_the_schemas_bounds_is_refused(table: str, column: str, value: int) -> None:
    schema = TABLES[table].schema
    good = DATA[table][0].slice(0, 1)
    place = schema.get_field_index(column)
    kind = schema.field(column).type
    whole = "i4" if kind == pa.date32() else "i8"
    values = pa.array(np.array([value], whole)).view(kind)
    columns = [values if i == place else each for i, each in enumerate(good.columns)]
    with pytest.raises(BadData, match=f"column {column}: out of range"):
        arrow(table, encode(pa.record_batch(columns, schema=schema)))


def test_text_that_is_not_utf8_is_refused() -> None:
    names = pa.array([b"\xff"], pa.binary()).view(pa.string())
    with pytest.raises(CodecError, match="damaged"):
        arrow("menu_items", encode(pa.record_batch([pa.array([1]), names], schema=MENU.schema)))
