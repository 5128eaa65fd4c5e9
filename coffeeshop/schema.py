"""The tables: their columns, the Arrow schema each batch has, and what a value may look like.

Only the columns that a query needs travel. Amounts travel as integer thousandths (int64), ids and
counts as int64, instants as ``timestamp[s]`` without a zone, birthdates as ``date32``: exact types
throughout, no floats.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import Enum

import pyarrow as pa


class Kind(Enum):
    """What a column's text means; the value is the Arrow type it has in a batch."""

    TEXT = pa.string()
    ID = pa.int64()
    AMOUNT = pa.decimal128(18, 3)  # travels as int64 thousandths
    INSTANT = pa.timestamp("s")
    DATE = pa.date32()

    @property
    def wire_type(self) -> pa.DataType:
        """The type in a batch: amounts are thousandths."""
        return pa.int64() if self is Kind.AMOUNT else self.value


@dataclass(frozen=True)
class Column:
    """A column that travels. ``nullable``: an empty field or ``NULL`` is a value."""

    name: str
    kind: Kind
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the input: its needed columns, in the order they have in a batch."""

    name: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of this table's batches."""
        return pa.schema(
            [pa.field(c.name, c.kind.wire_type, nullable=c.nullable) for c in self.columns]
        )


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "menu_items",
            (Column("item_id", Kind.ID), Column("item_name", Kind.TEXT, nullable=True)),
        ),
        Table(
            "stores", (Column("store_id", Kind.ID), Column("store_name", Kind.TEXT, nullable=True))
        ),
        Table("users", (Column("user_id", Kind.ID), Column("birthdate", Kind.DATE, nullable=True))),
        Table(
            "transactions",
            (
                Column("transaction_id", Kind.TEXT),
                Column("store_id", Kind.ID),
                Column("user_id", Kind.ID, nullable=True),
                Column("final_amount", Kind.AMOUNT),
                Column("created_at", Kind.INSTANT),
            ),
        ),
        Table(
            "transaction_items",
            (
                Column("item_id", Kind.ID),
                Column("quantity", Kind.ID),
                Column("subtotal", Kind.AMOUNT),
                Column("created_at", Kind.INSTANT),
            ),
        ),
    )
}
NULLS = ("", "NULL")
LARGEST_ID = 1 << 53
"""Whole numbers beyond it cannot be told apart in the ``38.0`` dialect."""
LARGEST_AMOUNT = 10_000_000_000
"""In thousandths. Sums of nine hundred million rows stay exact."""
BOUNDS = {
    Kind.ID: (-LARGEST_ID, LARGEST_ID),
    Kind.AMOUNT: (-LARGEST_AMOUNT, LARGEST_AMOUNT),
    Kind.INSTANT: (dt.datetime.min, dt.datetime.max),
    Kind.DATE: (dt.date.min, dt.date.max),
}
"""The least and the largest value there may be, amounts in thousandths."""
