"""Generated data sets: seeded, streaming, with every oddity of the real exports.

``generate`` writes the five tables of a chain as CSV. The same arguments always write the same
bytes. Memory is bounded by ``CHUNK`` rows, whatever the number of transactions: what two tables
share (a transaction's id and time) is drawn twice from the same seed instead of kept.

numpy is imported here only: nothing on the path of an analysis needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

CHUNK = 200_000
ITEMS_PER_TRANSACTION = 2
MENU = (
    ("Espresso", "coffee", 6.0),
    ("Americano", "coffee", 7.0),
    ("Latte", "coffee", 8.0),
    ("Cappuccino", "coffee", 8.0),
    ("Flat White", "coffee", 9.0),
    ("Mocha, dark", "coffee", 9.5),
    ("Hot Chocolate", "non-coffee", 9.0),
    ("Matcha Latte", "non-coffee", 10.0),
)
STORES = (
    "G Coffee @ USJ 89q",
    "G Coffee @ Kondominium Putra",
    "G Coffee @ USJ 57W",
    "G Coffee @ Kampung Changkat",
    "G Coffee @ Seksyen 21",
    "G Coffee @ Alam Tun Hussein Onn",
    "G Coffee @ Damansara Saujana",
    'G Coffee "Mulia", Bandar Seri',
    "G Coffee @ PJS8",
    "G Coffee @ Taman Damansara",
)
# Both sides of every limit the queries draw: years, hours to the second, half-years, months.
BOUNDARY_TIMES = (
    "2023-12-31 23:59:59",
    "2024-01-01 00:00:00",
    "2024-01-01 05:59:59",
    "2024-01-01 06:00:00",
    "2024-06-30 23:00:00",
    "2024-06-30 23:00:01",
    "2024-07-01 06:00:00",
    "2024-12-31 23:59:59",
    "2025-01-01 06:00:00",
    "2025-12-31 23:00:00",
    "2025-12-31 23:59:59",
    "2026-01-01 00:00:00",
)
BOUNDARY_AMOUNTS = (74_999, 75_000, 75_001)  # thousandths
FIRST_DAY = np.datetime64("2023-12-01T00:00:00", "s").astype(np.int64)
LAST_DAY = np.datetime64("2026-01-15T00:00:00", "s").astype(np.int64)
DASHES = (8, 13, 18, 23)

TIED_MONTHS = np.array(["2024-06", "2024-12", "2025-12"], "datetime64[M]")
"""Months of `BOUNDARY_TIMES` in which items sell in pairs only, so the leading ones are equal."""
PAIRS = np.array([[2, 3], [4, 6]])
"""Places in `MENU` of items that cost the same."""
DAY = 86_400
OPENING, CLOSING = 7 * 3600, 23 * 3600
# What a generator is for: the middle number of its seed.
_USERS, _MOMENTS, _TRANSACTIONS, _ITEMS = range(4)

Columns = dict[str, pa.Array]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Dialect:
    """How values are written."""

    null: str
    whole: str
    """What follows the digits of an amount or nullable id that is a whole number."""
    quote: str
    """Around timestamps."""
    line_ends: dict[str, str]
    """By table, where it is not a newline."""
    marks: dict[str, str]
    """By table, what comes before the header."""

    def amounts(self, thousandths: Ints) -> pa.Array:
        """Exact decimals without needless zeros."""
        texts = [f"{v // 1000}.{v % 1000:03d}".rstrip("0") for v in thousandths.tolist()]
        return pa.array([t[:-1] + self.whole if t[-1] == "." else t for t in texts], pa.string())

    def nullable_ids(self, ids: Ints, missing: npt.NDArray[np.bool_]) -> pa.Array:
        """Ids, null where ``missing``."""
        return _joined(pa.array(ids, mask=missing).cast(pa.string()), self.whole)

    def instants(self, seconds: Ints) -> pa.Array:
        """Timestamps to the second."""
        texts = pa.array(seconds).cast(pa.timestamp("s")).cast(pa.string())
        return _joined(self.quote, texts, self.quote) if self.quote else texts


DIALECTS = {
    "kaggle": _Dialect("", ".0", "", {}, {}),
    "export": _Dialect("NULL", "", '"', {"users": "\r\n"}, {"stores": "\N{BOM}"}),
}
LAYOUTS = ("dirs", "flat")


def generate(
    out: Path,
    *,
    transactions: int,
    seed: int,
    dialect: str = "kaggle",
    layout: str = "dirs",
    users: int | None = None,
    progress: Callable[[str, int], None] = lambda table, rows: None,
) -> dict[str, int]:
    """Write a data folder below ``out`` and return the number of rows of each table.

    ``dialect`` is ``kaggle`` (``38.0``, ``17272.0``, empty nulls) or ``export`` (``38``,
    ``17272``, ``NULL``, quoted timestamps); ``layout`` is ``dirs`` (one folder a table, several
    files) or ``flat`` (one file a table). ``users`` defaults to a seventh of the transactions.
    ``progress`` is called with a table and the rows just written. Numbered files of an earlier
    set in the same folder are removed.
    """
    members = max(1, transactions // 7) if users is None else users
    if transactions < 0 or members < 1 or seed < 0:
        raise ValueError("transactions and seed must not be negative, users must be positive")
    if dialect not in DIALECTS or layout not in LAYOUTS:
        raise ValueError(f"dialect is one of {', '.join(DIALECTS)}; layout of {', '.join(LAYOUTS)}")
    how = DIALECTS[dialect]
    tables = {
        "menu_items": _menu(how),
        "stores": _stores(),
        "users": _users(how, seed, members),
        "transactions": _transactions(how, seed, transactions, members),
        "transaction_items": _items(how, seed, transactions),
    }
    return {
        table: _write(_targets(out, table, layout), table, chunks, how, progress)
        for table, chunks in tables.items()
    }


def _targets(out: Path, table: str, layout: str) -> Iterator[Path]:
    """The file of each chunk; what is left of an earlier set is removed first."""
    for old in out.glob(f"{table}/{table}_[0-9][0-9][0-9][0-9].csv"):
        old.unlink()
    folder = out / table if layout == "dirs" else out
    folder.mkdir(parents=True, exist_ok=True)
    number = 0
    while True:
        yield folder / (f"{table}_{number:04d}.csv" if layout == "dirs" else f"{table}.csv")
        number += 1


def _write(
    targets: Iterator[Path],
    table: str,
    chunks: Iterator[Columns],
    how: _Dialect,
    progress: Callable[[str, int], None],
) -> int:
    total, previous = 0, None
    end = how.line_ends.get(table, "\n")
    for target, columns in zip(targets, chunks, strict=False):  # the targets never end
        with target.open("ab" if target == previous else "wb") as file:
            if target != previous:
                file.write((how.marks.get(table, "") + ",".join(columns) + end).encode())
            file.write(_csv_rows(columns, how.null, end))
        rows = len(next(iter(columns.values())))
        total, previous = total + rows, target
        progress(table, rows)
    return total


def _csv_rows(columns: Columns, null: str, end: str) -> memoryview:
    """The rows as CSV: the bytes of one long string array."""
    *others, last = columns.values()
    texts = [values.cast(pa.string()) for values in others]
    last = _joined(last.cast(pa.string()).fill_null(null), end)
    rows = pc.binary_join_element_wise(
        *texts, last, ",", null_handling="replace", null_replacement=null
    )
    data = rows.buffers()[2]
    return memoryview(data if data is not None else b"")


def _joined(*parts: Any) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def _quoted(texts: list[str]) -> pa.Array:
    """Texts as CSV fields: in quotes where they hold a comma or a quote."""
    return pa.array(
        ['"' + t.replace('"', '""') + '"' if "," in t or '"' in t else t for t in texts]
    )


def _menu(how: _Dialect) -> Iterator[Columns]:
    names, categories, _ = zip(*MENU, strict=True)
    nothing = pa.nulls(len(MENU), pa.string())
    yield {
        "item_id": pa.array(range(1, len(MENU) + 1)),
        "item_name": _quoted(list(names)),
        "category": pa.array(categories),
        "price": how.amounts(_prices()),
        "is_seasonal": pa.array(["False"] * len(MENU)),
        "available_from": nothing,
        "available_to": nothing,
    }


def _prices() -> Ints:
    return np.array([round(price * 1000) for _, _, price in MENU])


def _stores() -> Iterator[Columns]:
    ids = range(1, len(STORES) + 1)
    yield {
        "store_id": pa.array(ids),
        "store_name": _quoted(list(STORES)),
        "street": _quoted([f"Jalan Dewan Bahasa {i}, Blok {i % 3}" for i in ids]),
        "postal_code": pa.array([str(50_000 + 997 * i) for i in ids]),
        "city": _quoted([name.removeprefix("G Coffee").strip(" @") for name in STORES]),
        "state": pa.array(["Kuala Lumpur" if i % 2 else "Selangor Darul Ehsan" for i in ids]),
        "latitude": pa.array([f"{2.9 + i / 37:.6f}" for i in ids]),
        "longitude": pa.array([f"{101.4 + i / 41:.6f}" for i in ids]),
    }


def _chunks(total: int) -> Iterator[tuple[int, int]]:
    """Each chunk's number and rows; at least one, so that every table gets its header."""
    for number in range(max(1, -(-total // CHUNK))):
        yield number, min(CHUNK, total - number * CHUNK)


def _users(how: _Dialect, seed: int, total: int) -> Iterator[Columns]:
    for number, rows in _chunks(total):
        rng = np.random.default_rng([seed, _USERS, number])
        old = rng.random(rows) < 0.12
        born = np.where(old, rng.integers(-9_000, 0, rows), rng.integers(0, 14_000, rows))
        if number == 0:
            born[:2] = (-1, 0)[:rows]  # 1969-12-31, 1970-01-01
        ids = np.arange(rows) + number * CHUNK + 1
        yield {
            "user_id": pa.array(ids),
            "gender": pa.array(["female", "male"]).take(pa.array(rng.integers(0, 2, rows))),
            "birthdate": pa.array(born.astype("datetime64[D]")),
            "registered_at": how.instants(rng.integers(FIRST_DAY, LAST_DAY, rows)),
        }


def _moments(seed: int, number: int, rows: int) -> tuple[pa.Array, Ints]:
    """The ids and the seconds since 1970 of a chunk of transactions."""
    rng = np.random.default_rng([seed, _MOMENTS, number])
    ids = _uuids(rng.bytes(16 * rows))
    days = rng.integers(FIRST_DAY // DAY, LAST_DAY // DAY, rows)
    seconds = rng.integers(OPENING, CLOSING, rows)
    night = rng.random(rows) < 0.03
    seconds[night] = rng.integers(0, DAY, int(night.sum()))
    seconds += days * DAY
    if number == 0:
        edges = np.array(BOUNDARY_TIMES, "datetime64[s]").astype(np.int64)
        planted = np.tile(edges, len(BOUNDARY_AMOUNTS))[:rows]
        seconds[: len(planted)] = planted
    return ids, seconds


def _uuids(data: bytes) -> pa.Array:
    rows = len(data) // 16
    text = np.full((rows, 36), ord("-"), np.uint8)
    digits = np.delete(np.arange(36), DASHES)
    text[:, digits] = np.frombuffer(data.hex().encode(), np.uint8).reshape(rows, 32)
    offsets = np.arange(rows + 1, dtype=np.int32) * 36
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(text))


def _amounts() -> tuple[Ints, Ints]:
    """Original amounts and discounts to draw from: each amount without and with five percent.

    The last ones are for `BOUNDARY_AMOUNTS`.
    """
    original = np.repeat(np.arange(4_000, 80_500, 500), 2)
    discount = original // 20
    discount[::2] = 0
    edges = np.array(BOUNDARY_AMOUNTS)
    above = np.full(len(edges), 75_500)
    return np.append(original, above), np.append(discount, above - edges)


def _transactions(how: _Dialect, seed: int, total: int, members: int) -> Iterator[Columns]:
    original, discount = _amounts()
    texts = {
        "original_amount": how.amounts(original),
        "discount_applied": how.amounts(discount),
        "final_amount": how.amounts(original - discount),
    }
    first_edge = len(original) - len(BOUNDARY_AMOUNTS)
    for number, rows in _chunks(total):
        ids, seconds = _moments(seed, number, rows)
        rng = np.random.default_rng([seed, _TRANSACTIONS, number])
        kinds = 2 * rng.integers(0, first_edge // 2, rows) + (rng.random(rows) < 0.1)
        if number == 0:
            planted = np.repeat(np.arange(first_edge, len(original)), len(BOUNDARY_TIMES))[:rows]
            kinds[: len(planted)] = planted
        yield {
            "transaction_id": ids,
            "store_id": pa.array(rng.integers(1, len(STORES) + 1, rows)),
            "payment_method_id": pa.array(rng.integers(1, 6, rows)),
            "voucher_id": how.nullable_ids(rng.integers(1, 51, rows), discount[kinds] == 0),
            "user_id": how.nullable_ids(
                rng.integers(1, members + 1, rows), rng.random(rows) < 0.5
            ),
            **{name: values.take(pa.array(kinds)) for name, values in texts.items()},
            "created_at": how.instants(seconds),
        }


def _items(how: _Dialect, seed: int, total: int) -> Iterator[Columns]:
    most = 3
    prices = how.amounts(_prices())
    subtotals = how.amounts(np.outer(_prices(), np.arange(most + 1)).ravel())
    for number, rows in _chunks(total):
        ids, seconds = _moments(seed, number, rows)
        rng = np.random.default_rng([seed, _ITEMS, number])
        items, quantities = _baskets(rng, seconds, most)
        owner = pa.array(np.repeat(np.arange(rows), ITEMS_PER_TRANSACTION))
        columns = {
            "transaction_id": ids.take(owner),
            "item_id": pa.array(items + 1),
            "quantity": pa.array(quantities),
            "unit_price": prices.take(pa.array(items)),
            "subtotal": subtotals.take(pa.array(items * (most + 1) + quantities)),
            "created_at": how.instants(seconds).take(owner),
        }
        for start in range(0, max(1, len(owner)), CHUNK):
            yield {name: values.slice(start, CHUNK) for name, values in columns.items()}


def _baskets(rng: np.random.Generator, seconds: Ints, most: int) -> tuple[Ints, Ints]:
    """Places in `MENU` and quantities, the rows of a transaction together.

    One transaction in twenty has identical rows; those of `TIED_MONTHS` sell a pair.
    """
    shape = (len(seconds), ITEMS_PER_TRANSACTION)
    items = rng.integers(0, len(MENU), shape)
    quantities = rng.integers(1, most + 1, shape)
    same = rng.random(len(seconds)) < 0.05
    same[1:2] = True  # whatever the seed, one that counts
    months = seconds.astype("datetime64[s]").astype("datetime64[M]")
    tied = np.isin(months, TIED_MONTHS)
    items[same] = items[same, :1]
    quantities[same | tied] = quantities[same | tied, :1]
    items[tied] = PAIRS[rng.integers(0, len(PAIRS), int(tied.sum()))]
    return items.ravel(), quantities.ravel()
