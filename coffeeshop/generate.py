"""Generated data sets: seeded, streaming, with every oddity of the real exports.

``generate`` writes the five tables of a chain as CSV. The same arguments always write the same
bytes. Memory is bounded by ``CHUNK`` rows: what two tables share (a transaction's id and time) is
drawn twice from one seed. numpy is imported here only: no analysis needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

CHUNK = 200_000
ITEMS_PER_TRANSACTION = 2
# fmt: off
MENU = (
    ("Espresso", "coffee", 6.0), ("Americano", "coffee", 7.0), ("Latte", "coffee", 8.0),
    ("Cappuccino", "coffee", 8.0), ("Flat White", "coffee", 9.0), ("Mocha, dark", "coffee", 9.5),
    ("Hot Chocolate", "non-coffee", 9.0), ("Matcha Latte", "non-coffee", 10.0),
)
STORES = (
    "G Coffee @ USJ 89q", "G Coffee @ Kondominium Putra", "G Coffee @ USJ 57W",
    "G Coffee @ Kampung Changkat", "G Coffee @ Seksyen 21", "G Coffee @ Alam Tun Hussein Onn",
    "G Coffee @ Damansara Saujana", 'G Coffee "Mulia", Bandar Seri', "G Coffee @ PJS8",
    "G Coffee @ Taman Damansara",
)
# Both sides of every limit the queries draw: years, hours to the second, half-years, months.
BOUNDARY_TIMES = (
    "2023-12-31 23:59:59", "2024-01-01 00:00:00", "2024-01-01 05:59:59", "2024-01-01 06:00:00",
    "2024-06-30 23:00:00", "2024-06-30 23:00:01", "2024-07-01 06:00:00", "2024-12-31 23:59:59",
    "2025-01-01 06:00:00", "2025-12-31 23:00:00", "2025-12-31 23:59:59", "2026-01-01 00:00:00",
)
# fmt: on
BOUNDARY_AMOUNTS = (74_999, 75_000, 75_001)  # thousandths
FIRST_DAY = np.datetime64("2023-12-01T00:00:00", "s").astype(np.int64)
LAST_DAY = np.datetime64("2026-01-15T00:00:00", "s").astype(np.int64)
DASHES = (8, 13, 18, 23)
# Months of BOUNDARY_TIMES in which items of one price sell in pairs only, so the best are equal.
TIED_MONTHS = np.array(["2024-06", "2024-12", "2025-12"], "datetime64[M]")
PAIRS = np.array([[2, 3], [4, 6]])  # places in MENU
PRICES = np.array([round(price * 1000) for _, _, price in MENU])
MOST = 3  # of one item in a transaction
DAY, OPENING, CLOSING = 86_400, 7 * 3600, 23 * 3600
_USERS, _MOMENTS, _TRANSACTIONS, _ITEMS = range(4)  # what a seed is for

Columns = dict[str, pa.Array]
Chunks = Iterator[Columns]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Dialect:
    """How values are written."""

    null: str
    whole: str  # follows an amount or nullable id that is a whole number
    quote: str  # around timestamps
    crlf: str = ""  # the table whose lines end so
    bom: str = ""  # the table that begins so

    def amounts(self, thousandths: Ints) -> pa.Array:
        """Exact decimals without needless zeros."""
        texts = [f"{v // 1000}.{v % 1000:03d}".rstrip("0") for v in thousandths.tolist()]
        return pa.array([t[:-1] + self.whole if t[-1] == "." else t for t in texts], pa.string())

    def nullable_ids(self, ids: Ints, missing: npt.NDArray[np.bool_]) -> pa.Array:
        """Ids, null where ``missing``."""
        return _joined(pa.array(ids, mask=missing), self.whole)

    def instants(self, seconds: Ints) -> pa.Array:
        """Timestamps to the second."""
        return _joined(self.quote, pa.array(seconds.astype("datetime64[s]")), self.quote)


DIALECTS = {
    "kaggle": _Dialect("", ".0", ""),
    "export": _Dialect("NULL", "", '"', crlf="users", bom="stores"),
}


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
    ``progress`` gets a table and the rows just written. Numbered files of an earlier set in
    ``out`` are removed, other files left alone. Raises ValueError before anything is written.
    """
    members = max(1, transactions // 7) if users is None else users
    if transactions < 0 or members < 1 or seed < 0:
        raise ValueError("transactions and seed must not be negative, users must be positive")
    if dialect not in DIALECTS or layout not in ("dirs", "flat"):
        raise ValueError(f"no dialect {dialect!r} or no layout {layout!r}")
    how = DIALECTS[dialect]
    tables = {
        "menu_items": _menu(how),
        "stores": _stores(),
        "users": _users(how, seed, members),
        "transactions": _transactions(how, seed, transactions, members),
        "transaction_items": _items(how, seed, transactions),
    }
    rows = dict.fromkeys(tables, 0)
    for table, chunks in tables.items():
        for count in _write(out, table, chunks, how, layout == "dirs"):
            rows[table] += count
            progress(table, count)
    return rows


def _write(out: Path, table: str, chunks: Chunks, how: _Dialect, dirs: bool) -> Iterator[int]:
    """Write the chunks, each to its file or all to one; yields the rows of each."""
    for old in out.glob(f"{table}/{table}_[0-9][0-9][0-9][0-9].csv"):
        old.unlink()
    end = "\r\n" if table == how.crlf else "\n"
    for number, columns in enumerate(chunks):
        target = out / table / f"{table}_{number:04d}.csv" if dirs else out / f"{table}.csv"
        target.parent.mkdir(parents=True, exist_ok=True)
        begins = dirs or number == 0
        with target.open("wb" if begins else "ab") as file:
            if begins:
                mark = "\N{BOM}" if table == how.bom else ""
                file.write((mark + ",".join(columns) + end).encode())
            file.write(_csv_rows(columns, how.null, end))
        yield len(next(iter(columns.values())))


def _csv_rows(columns: Columns, null: str, end: str) -> memoryview:
    """The rows as CSV: the bytes of one array of long strings."""
    *others, last = (values.cast(pa.string()).fill_null(null) for values in columns.values())
    rows = pc.binary_join_element_wise(*others, _joined(last, end), ",")
    size = pc.sum(pc.binary_length(rows)).as_py() or 0  # the buffer may be longer
    return memoryview(rows.buffers()[2] or b"")[:size]


def _joined(*parts: Any) -> pa.Array:
    texts = [part if isinstance(part, str) else part.cast(pa.string()) for part in parts]
    return pc.binary_join_element_wise(*texts, "")


def _quoted(texts: Iterable[str]) -> pa.Array:
    """Texts as CSV fields: in quotes where they hold a comma or a quote."""
    escaped = ((t, t.replace('"', '""')) for t in texts)
    return pa.array([f'"{e}"' if "," in t or e != t else t for t, e in escaped])


def _menu(how: _Dialect) -> Chunks:
    yield {
        "item_id": pa.array(range(1, len(MENU) + 1)),
        "item_name": _quoted(name for name, _, _ in MENU),
        "category": _quoted(category for _, category, _ in MENU),
        "price": how.amounts(PRICES),
        "is_seasonal": pa.array(["False"] * len(MENU)),
        "available_from": pa.nulls(len(MENU)),
        "available_to": pa.nulls(len(MENU)),
    }


def _stores() -> Chunks:
    ids = range(1, len(STORES) + 1)
    yield {
        "store_id": pa.array(ids),
        "store_name": _quoted(STORES),
        "street": _quoted(f"Jalan Dewan Bahasa {i}, Blok {i % 3}" for i in ids),
        "postal_code": pa.array([str(50_000 + 997 * i) for i in ids]),
        "city": _quoted(name.removeprefix("G Coffee").strip(" @") for name in STORES),
        "state": pa.array(["Kuala Lumpur" if i % 2 else "Selangor Darul Ehsan" for i in ids]),
        "latitude": _quoted(f"{2.9 + i / 37:.6f}" for i in ids),
        "longitude": _quoted(f"{101.4 + i / 41:.6f}" for i in ids),
    }


def _chunks(total: int, seed: int, use: int) -> Iterator[tuple[int, int, np.random.Generator]]:
    """Each chunk's number, rows and generator; at least one, so that every table has a header."""
    for number in range(max(1, -(-total // CHUNK))):
        rows = min(CHUNK, total - number * CHUNK)
        yield number, rows, np.random.default_rng([seed, use, number])


def _plant(values: Ints, edges: Ints) -> None:
    values[: len(edges)] = edges[: len(values)]


def _users(how: _Dialect, seed: int, total: int) -> Chunks:
    for number, rows, rng in _chunks(total, seed, _USERS):
        old = rng.random(rows) < 0.12
        born = np.where(old, rng.integers(-9_000, 0, rows), rng.integers(0, 14_000, rows))
        if number == 0:
            _plant(born, np.array([-1, 0]))  # 1969-12-31, 1970-01-01
        yield {
            "user_id": pa.array(np.arange(rows) + number * CHUNK + 1),
            "gender": pa.array(["female", "male"]).take(pa.array(rng.integers(0, 2, rows))),
            "birthdate": pa.array(born.astype("datetime64[D]")),
            "registered_at": how.instants(rng.integers(FIRST_DAY, LAST_DAY, rows)),
        }


def _moments(seed: int, number: int, rows: int) -> tuple[pa.Array, Ints]:
    """The ids and the seconds since 1970 of a chunk of transactions."""
    rng = np.random.default_rng([seed, _MOMENTS, number])
    ids, seconds = _uuids(rng.bytes(16 * rows)), rng.integers(OPENING, CLOSING, rows)
    night = rng.random(rows) < 0.03
    seconds[night] = rng.integers(0, DAY, int(night.sum()))
    seconds += rng.integers(FIRST_DAY // DAY, LAST_DAY // DAY, rows) * DAY
    if number == 0:
        edges = np.array(BOUNDARY_TIMES, "datetime64[s]").astype(np.int64)
        _plant(seconds, np.tile(edges, len(BOUNDARY_AMOUNTS)))
    return ids, seconds


def _uuids(data: bytes) -> pa.Array:
    rows = len(data) // 16
    text = np.full((rows, 36), ord("-"), np.uint8)
    text[:, np.delete(np.arange(36), DASHES)] = np.frombuffer(
        data.hex().encode(), np.uint8
    ).reshape(rows, 32)
    ends = np.arange(rows + 1, dtype=np.int32) * 36
    return pa.StringArray.from_buffers(rows, pa.py_buffer(ends), pa.py_buffer(text))


def _amounts() -> tuple[Ints, Ints]:
    """Original amounts and discounts to draw from: none or five percent; the edges come last."""
    original = np.repeat(np.arange(4_000, 80_500, 500), 2)
    discount = original // 20
    discount[::2] = 0
    above = np.full(len(BOUNDARY_AMOUNTS), 75_500)
    return np.append(original, above), np.append(discount, above - BOUNDARY_AMOUNTS)


def _transactions(how: _Dialect, seed: int, total: int, members: int) -> Chunks:
    original, discount = _amounts()
    originals, discounts, finals = map(how.amounts, (original, discount, original - discount))
    first_edge = len(original) - len(BOUNDARY_AMOUNTS)
    for number, rows, rng in _chunks(total, seed, _TRANSACTIONS):
        ids, seconds = _moments(seed, number, rows)
        kinds = 2 * rng.integers(0, first_edge // 2, rows) + (rng.random(rows) < 0.1)
        if number == 0:
            edges = np.arange(first_edge, len(original))
            _plant(kinds, np.repeat(edges, len(BOUNDARY_TIMES)))  # each amount at each time
        yield {
            "transaction_id": ids,
            "store_id": pa.array(rng.integers(1, len(STORES) + 1, rows)),
            "payment_method_id": pa.array(rng.integers(1, 6, rows)),
            "voucher_id": how.nullable_ids(rng.integers(1, 51, rows), discount[kinds] == 0),
            "user_id": how.nullable_ids(rng.integers(1, members + 1, rows), rng.random(rows) < 0.5),
            "original_amount": originals.take(pa.array(kinds)),
            "discount_applied": discounts.take(pa.array(kinds)),
            "final_amount": finals.take(pa.array(kinds)),
            "created_at": how.instants(seconds),
        }


def _items(how: _Dialect, seed: int, total: int) -> Chunks:
    prices = how.amounts(PRICES)
    subtotals = how.amounts(np.outer(PRICES, np.arange(MOST + 1)).ravel())
    for number, rows, rng in _chunks(total, seed, _ITEMS):
        ids, seconds = _moments(seed, number, rows)
        items, quantities = _baskets(rng, seconds)
        owner = pa.array(np.repeat(np.arange(rows), ITEMS_PER_TRANSACTION))
        columns = {
            "transaction_id": ids.take(owner),
            "item_id": pa.array(items + 1),
            "quantity": pa.array(quantities),
            "unit_price": prices.take(pa.array(items)),
            "subtotal": subtotals.take(pa.array(items * (MOST + 1) + quantities)),
            "created_at": how.instants(seconds).take(owner),
        }
        for start in range(0, max(1, len(owner)), CHUNK):
            yield {name: values.slice(start, CHUNK) for name, values in columns.items()}


def _baskets(rng: np.random.Generator, seconds: Ints) -> tuple[Ints, Ints]:
    """Places in `MENU` and quantities: one in twenty has identical rows, tied months sell pairs."""
    shape = (len(seconds), ITEMS_PER_TRANSACTION)
    items = rng.integers(0, len(MENU), shape)
    quantities = rng.integers(1, MOST + 1, shape)
    same = rng.random(len(seconds)) < 0.05
    same[1:2] = True  # whatever the seed, one that counts
    tied = np.isin(seconds.astype("datetime64[s]").astype("datetime64[M]"), TIED_MONTHS)
    items[same] = items[same, :1]
    quantities[same | tied] = quantities[same | tied, :1]
    items[tied] = PAIRS[rng.integers(0, len(PAIRS), int(tied.sum()))]
    return items.ravel(), quantities.ravel()
