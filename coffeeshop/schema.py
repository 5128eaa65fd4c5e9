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
import pyarrow.compute as pc


class Kind(Enum):
    """What a column's text means."""

    TEXT = "text"
    ID = "id"
    COUNT = "count"
    AMOUNT = "amount"
    INSTANT = "instant"
    DATE = "date"

    @property
    def read_type(self) -> pa.DataType:
        """The Arrow type its text is read as, apart from ids and counts (``38.0``)."""
        return _READ_TYPES[self]

    @property
    def wire_type(self) -> pa.DataType:
        """The type in a batch: amounts are thousandths."""
        return pa.int64() if self is Kind.AMOUNT else _READ_TYPES[self]

    @property
    def whole(self) -> bool:
        """Whether it is a whole number that may be written ``38.0``."""
        return self in (Kind.ID, Kind.COUNT)


_READ_TYPES = {
    Kind.TEXT: pa.string(),
    Kind.ID: pa.int64(),
    Kind.COUNT: pa.int64(),
    Kind.AMOUNT: pa.decimal128(18, 3),
    Kind.INSTANT: pa.timestamp("s"),
    Kind.DATE: pa.date32(),
}


LARGEST_ID = (1 << 53) - 1
"""Whole numbers beyond it cannot be told apart in the ``38.0`` dialect."""
LARGEST_COUNT = 1_000_000_000
"""Of one item in one row. Sums of nine thousand million such rows stay exact."""
LARGEST_AMOUNT = 10_000_000_000
"""In thousandths. Sums of nine hundred million rows stay exact."""
_EPOCH = dt.datetime(1970, 1, 1)


def _seconds(moment: dt.datetime) -> int:
    return (moment - _EPOCH) // dt.timedelta(seconds=1)


_BOUNDS = {
    Kind.ID: (-LARGEST_ID, LARGEST_ID),
    Kind.COUNT: (-LARGEST_COUNT, LARGEST_COUNT),
    Kind.AMOUNT: (-LARGEST_AMOUNT, LARGEST_AMOUNT),
    # The columnar library has years that Python's dates have not.
    Kind.INSTANT: (_seconds(dt.datetime.min), _seconds(dt.datetime.max)),
    Kind.DATE: (1 - _EPOCH.toordinal(), dt.date.max.toordinal() - _EPOCH.toordinal()),
}
"""As the whole numbers that travel."""


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
                Column("quantity", Kind.COUNT),
                Column("subtotal", Kind.AMOUNT),
                Column("created_at", Kind.INSTANT),
            ),
        ),
    )
}

IDS = {
    "stores": "store_id",
    "menu_items": "item_id",
    "users": "user_id",
    "payment_methods": "method_id",
    "vouchers": "voucher_id",
}
"""Of each dimension table the column by which other tables name its rows."""
UPLOAD_ORDER = (
    "menu_items",
    "stores",
    "users",
    "payment_methods",
    "vouchers",
    "transactions",
    "transaction_items",
)
"""The tables in the order in which a client sends them: dimensions are small and come first."""


def _table(name: str, **columns: Kind) -> Table:
    """A table with all its columns; those of `TABLES` are as they are there."""
    known = {column.name: column for column in TABLES[name].columns} if name in TABLES else {}
    return Table(
        name,
        tuple(
            known.get(column, Column(column, kind, nullable=column != IDS.get(name)))
            for column, kind in columns.items()
        ),
    )


CATALOG: dict[str, Table] = {
    table.name: table
    for table in (
        _table(
            "transactions",
            transaction_id=Kind.TEXT,
            store_id=Kind.ID,
            payment_method_id=Kind.ID,
            voucher_id=Kind.ID,
            user_id=Kind.ID,
            original_amount=Kind.AMOUNT,
            discount_applied=Kind.AMOUNT,
            final_amount=Kind.AMOUNT,
            created_at=Kind.INSTANT,
        ),
        _table(
            "transaction_items",
            transaction_id=Kind.TEXT,
            item_id=Kind.ID,
            quantity=Kind.COUNT,
            unit_price=Kind.AMOUNT,
            subtotal=Kind.AMOUNT,
            created_at=Kind.INSTANT,
        ),
        _table(
            "stores",
            store_id=Kind.ID,
            store_name=Kind.TEXT,
            street=Kind.TEXT,
            postal_code=Kind.TEXT,
            city=Kind.TEXT,
            state=Kind.TEXT,
        ),
        _table(
            "menu_items",
            item_id=Kind.ID,
            item_name=Kind.TEXT,
            category=Kind.TEXT,
            price=Kind.AMOUNT,
            is_seasonal=Kind.TEXT,
        ),
        _table(
            "users",
            user_id=Kind.ID,
            gender=Kind.TEXT,
            birthdate=Kind.DATE,
            registered_at=Kind.INSTANT,
        ),
        _table("payment_methods", method_id=Kind.ID, method_name=Kind.TEXT, category=Kind.TEXT),
        _table(
            "vouchers",
            voucher_id=Kind.ID,
            voucher_code=Kind.TEXT,
            discount_type=Kind.TEXT,
            discount_value=Kind.AMOUNT,
        ),
    )
}
"""Every table with every column that a question may read. A session has those that its questions
read: `TABLES` for the four."""
NULLS = ("", "NULL", "\\N")
"""How an empty field is written; ``\\N`` is MySQL's and Hive's."""


def bounds(kind: Kind) -> tuple[int, int]:
    """The least and largest value as the whole number that travels; all of int64 without bounds."""
    return _BOUNDS.get(kind, (-(1 << 63), (1 << 63) - 1))


def in_bounds(column: Column, values: pa.Array) -> bool:
    """Whether all values are ones there may be; nulls do not count.

    ``values`` have the column's wire type, or a narrower whole number's.
    """
    if column.kind not in _BOUNDS:
        return True
    if not pa.types.is_integer(values.type):
        values = values.view(pa.int64() if values.type.bit_width == 64 else pa.int32())
    ends = pc.min_max(values).as_py()
    least, largest = _BOUNDS[column.kind]
    return ends["min"] is None or (least <= ends["min"] and ends["max"] <= largest)
