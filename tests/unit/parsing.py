"""Files of tables, written, read and complained of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coffeeshop.errors import BadData
from coffeeshop.reading.blocks import BLOCK, blocks_of
from coffeeshop.reading.parse import Rejected, parse
from coffeeshop.schema import TABLES
from tests.unit.helpers import tuples

HEADERS = {
    "menu_items": "item_id,item_name,category,price,is_seasonal,available_from,available_to",
    "stores": "store_id,store_name",
    "users": "user_id,gender,birthdate,registered_at",
    "transactions": "transaction_id,store_id,payment_method_id,voucher_id,user_id,"
    "original_amount,discount_applied,final_amount,created_at",
    "transaction_items": "transaction_id,item_id,quantity,unit_price,subtotal,created_at",
}
Rows = list[tuple[Any, ...]]


def written(directory: Path, table: str, body: str | bytes) -> Path:
    file = directory / f"{table}.csv"
    body = body.encode() if isinstance(body, str) else body
    file.write_bytes(f"{HEADERS[table]}\n".encode() + body)
    return file


def read(file: Path, *, skip: bool = False, size: int = BLOCK) -> tuple[Rows, list[Rejected]]:
    """The rows of a file and those that were left out."""
    rows: Rows = []
    rejected: list[Rejected] = []
    table = TABLES[file.stem]
    for block in blocks_of(table, file, size):
        parsed = parse(block, skip_bad_rows=skip)
        assert parsed.table is table
        assert parsed.batch.schema.equals(table.schema)
        parsed.batch.validate(full=True)
        rows.extend(tuples(parsed.batch))
        rejected.extend(parsed.rejected)
    return rows, rejected


def complaint(file: Path, **options: Any) -> BadData:
    with pytest.raises(BadData) as caught:
        read(file, **options)
    return caught.value


def transaction(**values: str) -> str:
    """A good row of transactions with some values changed."""
    fields = dict.fromkeys(HEADERS["transactions"].split(","), "")
    fields |= {"transaction_id": "t", "store_id": "1", "final_amount": "5"}
    fields |= {"created_at": "2024-01-01 06:00:00"}
    return ",".join((fields | values).values()) + "\n"
