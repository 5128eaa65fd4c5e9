"""The quality of a session's data as one more result: a row for each check of the data.

A session that asks for it folds five groupings more in each partition; each is a question of the
declared form. What they need travels in such a session only: ids of transactions in both tables,
and the original amounts. It changes no answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.names import QUALITY
from coffeeshop.operators.grouping import one_batch
from coffeeshop.questions.form import Answer, Column, Measure, Question
from coffeeshop.questions.groups import Groups
from coffeeshop.questions.partial import ROWS, Part

RESULT = QUALITY
EXAMPLES = 5
"""Ids that a check names at most, the least ones."""
SCHEMA = pa.schema(
    [
        ("check", pa.string()),
        ("table", pa.string()),
        ("rows_checked", pa.int64()),
        ("rows_found", pa.int64()),
        ("ids_found", pa.int64()),
        ("examples", pa.string()),
    ]
)
"""``rows_found`` of ``rows_checked`` rows of the table are wrong, with so many different ids, of
which ``examples`` names the least."""
NO_ID = "(none)"
"""Stands for an empty id among examples."""


def _grouping(name: str, table: str, key: str, kind: str, *measures: Measure) -> Question:
    column = Column(table, key, kind)
    answers = (Answer(key, Column("", "k0", kind)),)
    return Question(f"{RESULT}.{name}", table, answers, keys=(column,), measures=measures)


def _sum(table: str, column: str) -> Measure:
    return Measure("sum", Column(table, column, "amount"))


SALES = _grouping(
    "sales",
    "transactions",
    "transaction_id",
    "text",
    _sum("transactions", "original_amount"),
)
BASKETS = _grouping(
    "baskets",
    "transaction_items",
    "transaction_id",
    "text",
    _sum("transaction_items", "subtotal"),
)
STORES = _grouping("stores", "transactions", "store_id", "int")
USERS = _grouping("users", "transactions", "user_id", "int")
ITEMS = _grouping("items", "transaction_items", "item_id", "int")
GROUPINGS = (SALES, BASKETS, STORES, USERS, ITEMS)
"""What each partition folds."""


@dataclass(frozen=True)
class _Reference:
    """The grouping by a column of ids, and the dimension table that should have a row of each."""

    check: str
    grouping: Question
    dimension: str
    key: str


_REFERENCES = (
    _Reference("unknown_store", STORES, "stores", "store_id"),
    _Reference("unknown_user", USERS, "users", "user_id"),
    _Reference("unknown_item", ITEMS, "menu_items", "item_id"),
)
DIMENSIONS = {each.dimension: each.key for each in _REFERENCES}
"""The tables in which ids are looked up, and by which column."""


@cache
def parts() -> tuple[Part, ...]:
    """The groupings as a partition tells them."""
    return tuple(Part(each) for each in GROUPINGS)


def tables_read() -> dict[str, tuple[str, ...]]:
    """The columns of each table that the checks read."""
    read: dict[str, tuple[str, ...]] = {table: (key,) for table, key in DIMENSIONS.items()}
    for each in GROUPINGS:
        before = read.get(each.table, ())
        read[each.table] = tuple(dict.fromkeys((*before, *each.columns(each.table))))
    return read


class FinalQuality:
    """A fold: the groups of all partitions and the ids of dimension tables in, the checks out."""

    def __init__(self) -> None:
        self._groups = {part.stream: Groups(part.keys, part.merged) for part in parts()}
        self._known: dict[str, list[pa.Array]] = {table: [] for table in DIMENSIONS}

    def on_batch(self, stream: str, batch: pa.RecordBatch) -> None:
        """Take groups of a partition, or rows of a dimension table."""
        if stream in self._known:
            self._known[stream].append(batch[DIMENSIONS[stream]])
        else:
            self._groups[stream].add(batch)

    def on_end(self) -> pa.RecordBatch:
        """The checks in their order."""
        sales, baskets = self._grouped(SALES), self._grouped(BASKETS)
        of_sale = pc.index_in(sales["b0"], baskets["b0"])
        of_basket = pc.index_in(baskets["b0"], sales["b0"])
        # Of a repeated id no row is known to be right: it is told of once.
        single = pc.equal(sales[ROWS.name], 1)
        # An amount that is unknown is none; a comparison with it is none either.
        differs = pc.not_equal(sales["m0"], baskets["m0"].take(of_sale))
        comparable = pc.and_(single, differs.is_valid())
        compared = {name: values.filter(comparable) for name, values in sales.items()}
        rows = [
            _row("repeated_transaction_id", "transactions", sales, pc.invert(single)),
            _row("items_do_not_add_up", "transactions", compared, differs.filter(comparable)),
            _row("sale_without_items", "transactions", sales, of_sale.is_null()),
            _row("item_without_sale", "transaction_items", baskets, of_basket.is_null()),
            *(self._unknown(each) for each in _REFERENCES),
        ]
        return one_batch(pa.Table.from_pylist(rows, SCHEMA))

    def _unknown(self, reference: _Reference) -> dict[str, object]:
        found = self._grouped(reference.grouping)
        known = pa.chunked_array(self._known[reference.dimension], pa.int64()).combine_chunks()
        ids = found["b0"]
        wrong = pc.and_(ids.is_valid(), pc.invert(pc.is_in(ids, known)))
        return _row(reference.check, reference.grouping.table, found, wrong)

    def _grouped(self, question: Question) -> dict[str, pa.Array]:
        table = self._groups[Part(question).stream].unsorted()
        return {name: table[name].combine_chunks() for name in table.column_names}


def _row(
    check: str, table: str, groups: dict[str, pa.Array], wrong: pa.BooleanArray
) -> dict[str, object]:
    """One check: the groups that are ``wrong``, where null is not."""
    ids, counts = groups["b0"].filter(wrong), groups[ROWS.name].filter(wrong)
    # With the least first; a group without an id comes last.
    least = pc.select_k_unstable(ids, k=EXAMPLES, sort_keys=[("", "ascending")])
    shown = [NO_ID if each is None else str(each) for each in ids.take(least).to_pylist()]
    return {
        "check": check,
        "table": table,
        "rows_checked": pc.sum(groups[ROWS.name]).as_py() or 0,
        "rows_found": pc.sum(counts).as_py() or 0,
        "ids_found": len(ids),
        "examples": ", ".join(shown),
    }


COUNTS = ("rows_checked", "rows_found", "ids_found")
SAID = {
    "repeated_transaction_id": "Repeated transaction ids",
    "items_do_not_add_up": "Sales whose items do not add up",
    "sale_without_items": "Sales without items",
    "item_without_sale": "Items without a sale",
    "unknown_store": "Unknown stores",
    "unknown_user": "Unknown users",
    "unknown_item": "Unknown items",
}
"""The checks by name, in the order of the result."""
SHOWN = 3
"""Examples in a sentence."""
SENTENCES = {
    "repeated_transaction_id": "{ids} transaction ids are repeated, in {rows} rows",
    "items_do_not_add_up": "the items of {rows} sales do not add up to the original amount",
    "sale_without_items": "{rows} sales have no items",
    "item_without_sale": "{rows} items belong to no sale",
    "unknown_store": "{rows} sales name {ids} stores without a row in stores",
    "unknown_user": "{rows} sales name {ids} users without a row in users",
    "unknown_item": "{rows} items name {ids} item ids without a row in menu_items",
}
"""What a check says when it finds something."""


def sentences(table: pa.Table) -> list[str]:
    """What the checks found, a sentence each, with examples; empty when all is well."""
    return [
        SENTENCES[row["check"]].format(ids=f"{row['ids_found']:,}", rows=f"{row['rows_found']:,}")
        + f": {_few(row['examples'], row['ids_found'])}"
        for row in table.to_pylist()
        if row["rows_found"]
    ]


def _few(examples: str, ids: int) -> str:
    """The first examples; a mark where there are more ids."""
    more = [] if ids <= SHOWN else ["…"]
    return ", ".join([*examples.split(", ")[:SHOWN], *more])
