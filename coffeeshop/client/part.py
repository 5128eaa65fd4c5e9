"""A CSV text that came in one piece as one batch."""

from __future__ import annotations

import pyarrow as pa

from coffeeshop.client.blocks import block_of_text
from coffeeshop.client.parse import read
from coffeeshop.schema import Table


def csv_batch(table: Table, text: bytes) -> pa.RecordBatch:
    """The text's rows, whole numbers perhaps narrowed. Raises `BadData` that names the place."""
    return read(block_of_text(table, "body", text)).batch
