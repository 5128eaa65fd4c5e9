"""Whatever the native kernels take, numpy and the columnar library say the same of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffeeshop import kernels
from coffeeshop.operators import (
    Range,
    Rows,
    RowsFold,
    filter_year,
    partial_query2,
    partial_query3,
    partial_query4,
)
from coffeeshop.operators.filters import meets
from coffeeshop.operators.loops import mask_of, pairs_of
from coffeeshop.schema import CATALOG

pytestmark = pytest.mark.skipif(
    kernels.in_use() is None, reason="the native kernels were not built, or are switched off"
)
FIRST_SECOND, LAST_SECOND = 1_704_067_200, 1_767_225_599  # of 2024, of 2025
WIDTHS = (pa.int8(), pa.int16(), pa.int32(), pa.int64())


@contextmanager
def without_kernels() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "in_use", lambda: None)
        yield


def whole_of(kind: pa.DataType) -> st.SearchStrategy[int]:
    bits = kind.bit_width - 1
    edges = st.sampled_from((-(1 << bits), -1, 0, 1, (1 << bits) - 1))
    return st.one_of(st.integers(0, 100), st.integers(-(1 << bits), (1 << bits) - 1), edges)


@st.composite
def columns(draw: st.DrawFn, rows: int, *, nulls: bool = True) -> pa.Array:
    """Whole numbers of any width, perhaps with nulls, perhaps a part of a longer column."""
    kind = draw(st.sampled_from(WIDTHS))
    values: st.SearchStrategy[Any] = whole_of(kind)
    if nulls and draw(st.booleans()):
        values = st.none() | values
    before = draw(st.sampled_from((0, 0, 0, 3)))
    found = draw(st.lists(values, min_size=rows + before, max_size=rows + before))
    return pa.array(found, kind).slice(before)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    ends = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-200, 200)
    modulus = draw(st.sampled_from((0, 0, 1, 7, 86_400, 1 << 40)))
    return Range(draw(st.sampled_from(("a", "b"))), draw(ends), draw(ends), modulus)


@given(st.data())
def test_they_keep_the_rows_that_numpy_keeps(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 40))
    batch = pa.record_batch({name: data.draw(columns(rows)) for name in ("a", "b")})
    wanted = tuple(data.draw(st.lists(ranges(), min_size=1, max_size=3)))
    with without_kernels():
        expected = meets(batch, wanted)
    assert meets(batch, wanted).tolist() == expected.tolist()


@given(st.data())
def test_more_rows_than_they_look_at_at_a_time_are_all_looked_at(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1000, 3100))
    seed = data.draw(st.integers(0, 1 << 30))
    numbers = np.random.default_rng(seed).integers(-100, 100, rows)
    batch = pa.record_batch({"a": pa.array(numbers.tolist(), pa.int8())})
    wanted = (Range("a", -50, 60), Range("a", 1, 2, 3))
    with without_kernels():
        expected = meets(batch, wanted)
    assert meets(batch, wanted).tolist() == expected.tolist()


IDS = st.sampled_from(
    (
        (pa.int8(), st.integers(0, 12)),
        (pa.int16(), st.integers(0, 300)),
        (pa.int64(), st.integers(0, 5000)),
        (pa.int64(), st.integers(-3, 3)),
        (pa.int64(), st.integers(0, 1 << 45)),
    )
)
AMOUNTS = st.sampled_from(
    (
        (pa.int16(), st.integers(-9, 9000)),
        (pa.int32(), st.integers(0, 1 << 30)),
        (pa.int64(), st.integers(-(10**10), 10**10)),
    )
)
INSTANTS = st.integers(FIRST_SECOND - 90_000, LAST_SECOND + 90_000) | st.sampled_from(
    (0, FIRST_SECOND, LAST_SECOND, FIRST_SECOND - 1, LAST_SECOND + 1, -1)
)


def column(data: st.DataObject, rows: int, choice: Any, *, nullable: bool = False) -> pa.Array:
    kind, values = choice
    values = st.none() | values if nullable else values
    return pa.array(data.draw(st.lists(values, min_size=rows, max_size=rows)), kind)


def folded(make: Callable[[], Any], batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """What the fold makes of the batches behind the filter of years, and without kernels."""
    fold = make()
    assert isinstance(fold, RowsFold)
    for batch in batches:
        fold.on_rows("rows", filter_year(Rows(batch)))
    found = fold.on_end()
    other = make()
    with without_kernels():
        for batch in batches:
            other.on_batch("rows", filter_year(Rows(batch)).batch())
        assert found.equals(other.on_end())
    return found


def instants(data: st.DataObject, rows: int) -> pa.Array:
    found = data.draw(st.lists(INSTANTS, min_size=rows, max_size=rows))
    if data.draw(st.booleans()):
        return pa.array(found, pa.timestamp("s"))
    return pa.array(found, pa.int32())  # as it travels


def travelling(arrays: dict[str, pa.Array]) -> pa.RecordBatch:
    """The columns with what a body says of those that were narrowed."""
    wide = {each.name: each.kind.wire_type for table in CATALOG.values() for each in table.columns}
    fields = [
        pa.field(
            name,
            array.type,
            metadata=None if array.type == wide[name] else {"wide": str(wide[name])},
        )
        for name, array in arrays.items()
    ]
    return pa.record_batch(list(arrays.values()), schema=pa.schema(fields))


@given(st.data())
def test_they_add_up_items_as_numpy_does(data: st.DataObject) -> None:
    batches = []
    for rows in data.draw(st.lists(st.integers(0, 12), min_size=1, max_size=3)):
        choices = {"item_id": IDS, "quantity": AMOUNTS, "subtotal": AMOUNTS}
        found = {name: column(data, rows, data.draw(each)) for name, each in choices.items()}
        batches.append(travelling({**found, "created_at": instants(data, rows)}))
    folded(partial_query2, batches)


@given(st.data())
def test_they_add_up_payments_as_numpy_does(data: st.DataObject) -> None:
    batches = []
    for rows in data.draw(st.lists(st.integers(0, 12), min_size=1, max_size=3)):
        choices = {"store_id": IDS, "final_amount": AMOUNTS}
        found = {name: column(data, rows, data.draw(each)) for name, each in choices.items()}
        batches.append(travelling({**found, "created_at": instants(data, rows)}))
    folded(partial_query3, batches)


@given(st.data())
def test_they_count_pairs_as_numpy_does(data: st.DataObject) -> None:
    batches = []
    for rows in data.draw(st.lists(st.integers(0, 12), min_size=1, max_size=3)):
        stores = column(data, rows, data.draw(IDS))
        users = column(data, rows, data.draw(IDS), nullable=data.draw(st.booleans()))
        found = {"store_id": stores, "user_id": users, "created_at": instants(data, rows)}
        batches.append(travelling(found))
    folded(partial_query4, batches)


def test_what_they_cannot_read_is_for_the_others() -> None:
    texts = pa.record_batch({"a": pa.array(["x"]), "b": pa.array([1], pa.int64())})
    assert mask_of(texts, [("a", 0, 0, 1)]) is None
    assert pairs_of(texts, None, ("b", "a"), 10, 43) is None
    negative = pa.record_batch({"a": pa.array([-1], pa.int64()), "b": pa.array([1], pa.int64())})
    assert pairs_of(negative, None, ("a", "b"), 10, 43) is None


def test_switched_off_they_are_not_there() -> None:
    batch = pa.record_batch({"a": pa.array([1], pa.int8())})
    assert mask_of(batch, [("a", 0, 0, 1)]) is not None
    with without_kernels():
        assert mask_of(batch, [("a", 0, 0, 1)]) is None


def test_a_buffer_that_is_too_short_is_refused() -> None:
    module = kernels.in_use()
    short = (pa.py_buffer(b"\0" * 3), 1, None)
    whole = (pa.py_buffer(b"\0" * 4), 1, None)
    mask, keys = np.ones(4, np.bool_), np.zeros(4, np.int64)
    with pytest.raises(ValueError, match="too short"):
        module.keep(4, mask, short, 0, 0, 1)
    with pytest.raises(ValueError, match="too short"):
        module.keep(4, mask[:3], whole, 0, 0, 1)
    with pytest.raises(ValueError, match="too short"):
        module.pairs(4, mask, whole, whole, 10, 43, keys[:3])
    with pytest.raises(ValueError, match="too short"):
        module.pairs(4, mask, whole, (pa.py_buffer(b"\0" * 4), 1, b""), 10, 43, keys)
    arrays = (np.zeros((2, 4), np.int64), np.zeros((2, 3), np.int64))
    with pytest.raises(ValueError, match="too short"):
        module.sums(4, mask, whole, whole, 0, np.zeros(9, np.int64), 9, 2, 4, (whole,), arrays)
    with pytest.raises(ValueError, match="bytes"):
        module.keep(4, mask, (b"\0" * 12, 3, None), 0, 0, 1)
    with pytest.raises(BufferError):
        module.keep(4, bytes(4), whole, 0, 0, 1)
