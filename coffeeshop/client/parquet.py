"""Parquet files as batches of a table's schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.client.parse import checked
from coffeeshop.errors import BadData
from coffeeshop.schema import Column, Kind, Table

ROWS = 65_536


def parquet_batches(table: Table, file: Path) -> Iterator[pa.RecordBatch]:
    """The file's rows, converted; raises `BadData` for what the schema refuses."""
    import pyarrow.parquet as pq  # slow to import, and seldom needed

    try:
        with pq.ParquetFile(file) as parquet:
            names = parquet.schema_arrow.names
            for column in table.columns:
                if names.count(column.name) != 1:
                    how = "no" if column.name not in names else "more than one"
                    raise BadData(f"{how} column {column.name}", file=str(file))
            wanted = [column.name for column in table.columns]
            for batch in parquet.iter_batches(ROWS, columns=wanted):
                arrays = [_converted(column, batch[column.name], file) for column in table.columns]
                yield pa.record_batch(arrays, schema=table.schema)
    except (pa.ArrowException, OSError) as error:
        raise BadData(f"not a readable parquet file: {error}", file=str(file)) from error


def _converted(column: Column, values: pa.Array, file: Path) -> pa.Array:
    try:
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            values = pc.if_else(pc.is_in(values, pa.array(["", "NULL"], values.type)), None, values)
        if column.kind.whole:
            values = values.cast(pa.float64())
        elif column.kind is Kind.AMOUNT and pa.types.is_floating(values.type):
            rounded = pc.round(values, 3)
            if pc.any(pc.greater(pc.abs(pc.subtract(rounded, values)), 1e-6)).as_py():
                raise BadData("has more than 3 decimals", file=str(file), column=column.name)
            values = rounded.cast(column.kind.read_type)
        else:
            values = values.cast(column.kind.read_type)
        return checked(column, values)
    except (pa.ArrowException, ValueError) as error:
        raise BadData(str(error), file=str(file), column=column.name) from error
