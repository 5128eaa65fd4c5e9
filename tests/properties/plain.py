"""Plain blocks of CSV, and the judgement whether scanner and columnar parser read them alike."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

import pyarrow as pa

from coffeeshop.codec import encode
from coffeeshop.errors import BadData
from coffeeshop.operators import NOTHING_LATE, Late
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.reading import scanner
from coffeeshop.reading.blocks import Block
from coffeeshop.reading.parse import Refused, parse
from coffeeshop.schema import TABLES

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


def block_of(table: str, body: bytes, columns: tuple[str, ...] | None = None) -> Block:
    return Block(TABLES[table], Path("f.csv"), columns or HEADERS[table], 0, body)


def columnar(block: Block, late: Late) -> bytes | None:
    """The body that the columnar parser makes; None when it refuses the block."""
    try:
        return encode(late.withheld(parse(block).batch))
    except (BadData, Refused, pa.ArrowException):
        return None


def says_the_same(
    table: str, body: bytes, late: Late, columns: tuple[str, ...] | None = None
) -> bool:
    """Whether the scanner takes the block; fails when the columnar parser says something else."""
    block = block_of(table, body, columns)
    taken = []
    for portable in (False, True):
        view = memoryview(body)
        found = scanner.scan(block.table, block.columns, view, late, portable=portable)
        taken.append(found is not None)
        if found is not None:
            found.validate(full=True)
            assert encode(found) == columnar(block, late), (table, body, late)
    assert taken[0] == taken[1], (table, body, late)
    return taken[0]


def check(table: str, body: bytes, columns: tuple[str, ...] | None = None) -> bool:
    """`says_the_same` with every text, and without those that are late."""
    lates = (NOTHING_LATE, PLANS["fused"].late_columns(table))
    taken = {says_the_same(table, body, late, columns) for late in lates}
    assert len(taken) == 1
    return taken.pop()


def plain_rows(table: str, seed: str, count: int, newline: str, quote: bool) -> bytes:
    """Plain rows as branches export them."""
    chance = random.Random(seed)
    rows = []
    for _ in range(count):
        day = dt.datetime(chance.randrange(2020, 2030), 1, 1)
        moment = str(day + dt.timedelta(seconds=chance.randrange(366 * 86_400)))
        moment = f'"{moment}"' if quote else moment
        user = chance.choice(["", "NULL", str(chance.randrange(3_000_000)), "17.0"])
        paid = f"{chance.randrange(200_000) / 1000:.{chance.randrange(1, 4)}f}"
        by_name = {
            "store_id": str(chance.randrange(300)),
            "user_id": user if table == "transactions" else str(chance.randrange(1 << 40)),
            "item_id": str(chance.randrange(10)),
            "quantity": str(chance.randrange(4)),
            "final_amount": paid,
            "subtotal": paid,
            "created_at": moment,
            "birthdate": moment.strip('"')[:10],
            "store_name": "Store",
            "item_name": chance.choice(["Latte", ""]),
        }
        rows.append(
            ",".join(by_name.get(name, f"{chance.getrandbits(40):x}") for name in HEADERS[table])
        )
    return "".join(row + newline for row in rows).encode()
