"""The three filters. Each takes a batch with ``created_at`` or ``final_amount`` and keeps rows."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.operators.calendar import (
    CLOSING,
    END_DAY,
    FIRST_DAY,
    OPENING,
    SECONDS_PER_DAY,
    seconds,
)

LEAST_AMOUNT = 75_000
"""Query 1's least final amount, in thousandths."""


def filter_year(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Rows created in 2024 or 2025."""
    at = seconds(batch["created_at"])
    keep = pc.and_(
        pc.greater_equal(at, FIRST_DAY * SECONDS_PER_DAY), pc.less(at, END_DAY * SECONDS_PER_DAY)
    )
    return _keep(batch, keep)


def filter_hour(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Rows created from 06:00:00 to 23:00:00, both included."""
    since = pc.subtract(seconds(batch["created_at"]), FIRST_DAY * SECONDS_PER_DAY)
    second = pc.subtract(since, pc.multiply(pc.divide(since, SECONDS_PER_DAY), SECONDS_PER_DAY))
    keep = pc.and_(pc.greater_equal(second, OPENING), pc.less_equal(second, CLOSING))
    return _keep(batch, keep)


def filter_amount(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Rows whose final amount is at least 75."""
    return _keep(batch, pc.greater_equal(batch["final_amount"], LEAST_AMOUNT))


def _keep(batch: pa.RecordBatch, keep: pa.BooleanArray) -> pa.RecordBatch:
    # Copying every row of a batch that loses none is the commonest waste.
    return batch if keep.true_count == batch.num_rows else batch.filter(keep)
