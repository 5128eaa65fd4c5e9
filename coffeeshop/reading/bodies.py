"""Bodies of requests: the rows of one CSV text or one Parquet file as one batch."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa

from coffeeshop.reading.blocks import block_of_text
from coffeeshop.reading.parquet import converted, parquet_rows
from coffeeshop.reading.parse import read
from coffeeshop.schema import Table


def csv_body(table: Table, text: bytes) -> pa.RecordBatch:
    """A CSV text's rows, whole numbers perhaps narrowed. Raises `BadData` that names the place."""
    return read(block_of_text(table, "body", text)).batch


def parquet_body(table: Table, content: bytes) -> pa.RecordBatch:
    """A Parquet file's rows; raises `BadData` with row, column and value."""
    pieces = [
        converted(rows).batch for rows in parquet_rows(table, Path("body"), io.BytesIO(content))
    ]
    whole = pa.Table.from_batches(pieces, table.schema).combine_chunks()
    batches = whole.to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]
    return batches[0]
