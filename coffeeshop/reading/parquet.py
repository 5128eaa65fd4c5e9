"""Parquet files as batches of a table's schema, and bad rows to exact complaints."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from coffeeshop.errors import BadData
from coffeeshop.reading.columns import Convert, converter, reason_of
from coffeeshop.reading.file import File
from coffeeshop.reading.names import partition_of
from coffeeshop.reading.parse import Parsed, Rejected
from coffeeshop.reading.sources import sought
from coffeeshop.reading.values import Refused, spelled_out
from coffeeshop.schema import Table

ROWS = 65_536


@dataclass(frozen=True)
class Rows:
    """Some rows of a file as the file has them, and how each of the table's columns is read."""

    table: Table
    file: File
    first: int
    """The number of the first row, from 1."""
    columns: pa.RecordBatch
    """In the order and with the names of the table."""
    converts: tuple[Convert, ...]
    warnings: tuple[str, ...] = ()

    def slice(self, offset: int, length: int) -> Rows:
        """A part of the rows."""
        columns = self.columns.slice(offset, length)
        return Rows(self.table, self.file, self.first + offset, columns, self.converts)


def parquet_rows(
    table: Table, file: File, content: IO[bytes] | None = None, groups: range | None = None
) -> Iterator[Rows]:
    """The rows of a file, or of its ``content`` when that is elsewhere; of all groups, or of some.

    Raises `BadData` for what is no Parquet, and for columns that are not there or of another type.
    """
    with _opened(file, content) as parquet:
        places = _places(table, file, parquet)
        converts = tuple(_converts(table, file, parquet, places))
        warnings = tuple(_warnings(table, file, parquet, places))
        names = [parquet.schema_arrow.names[place] for place in places]
        groups = range(parquet.metadata.num_row_groups) if groups is None else groups
        warnings = warnings if groups.start == 0 else ()
        first = 1 + sum(parquet.metadata.row_group(g).num_rows for g in range(groups.start))
        for batch in parquet.iter_batches(ROWS, groups, names, use_threads=False):
            columns = pa.record_batch(
                [batch[name] for name in names], names=[c.name for c in table.columns]
            )
            yield Rows(table, file, first, columns, converts, warnings)
            first, warnings = first + batch.num_rows, ()


def row_groups(table: Table, file: File, content: IO[bytes]) -> list[list[tuple[int, int]]]:
    """Of each group of rows where its needed columns are in the file, as offsets and lengths.

    Raises `BadData` as `parquet_rows` does.
    """
    with _opened(file, content) as parquet:
        places = _places(table, file, parquet)
        tuple(_converts(table, file, parquet, places))
        names = {parquet.schema_arrow.names[place] for place in places}
        meta = parquet.metadata
        return [
            [
                _span(chunk)
                for chunk in map(meta.row_group(group).column, range(meta.num_columns))
                if chunk.path_in_schema in names
            ]
            for group in range(meta.num_row_groups)
        ]


def _span(chunk: Any) -> tuple[int, int]:
    starts = [chunk.data_page_offset]
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        starts.append(chunk.dictionary_page_offset)
    # Old writers forget some bytes of the dictionary's head, and readers look for them behind.
    return min(starts), chunk.total_compressed_size + 100


@contextmanager
def _opened(file: File, content: IO[bytes] | None) -> Iterator[Any]:
    import pyarrow.parquet as pq  # slow to import, and seldom needed

    try:
        # Of the old instants of 96 bits; in nanoseconds, as they are read unless told so, distant
        # years become others.
        how: Any = {"coerce_int96_timestamp_unit": "us"}
        # Buffered ahead, all groups would be in memory, with columns between those that are needed.
        how["pre_buffer"] = False
        if content is None and isinstance(file, Path):
            source: Any = nullcontext(file)
        else:
            source = sought(file.open("rb")) if content is None else nullcontext(content)
        with source as readable, pq.ParquetFile(readable, **how) as parquet:
            yield parquet
    except (pa.ArrowException, OSError) as error:
        raise BadData(f"not a readable Parquet file: {error}", file=str(file)) from error


def _places(table: Table, file: File, parquet: Any) -> list[int]:
    return [_place(table, file, parquet.schema_arrow.names, c.name) for c in table.columns]


def _place(table: Table, file: File, names: list[str], wanted: str) -> int:
    places = [place for place, name in enumerate(names) if name.strip().lower() == wanted]
    if len(places) == 1:
        return places[0]
    how = "more than one" if places else "no"
    reason = f"{how} column {wanted}{partition_of(file, wanted)}"
    raise BadData(
        f"{reason}; {table.name} needs {', '.join(c.name for c in table.columns)}", file=str(file)
    )


def _leaf(parquet: Any, place: int) -> Any:
    """The column's own description in the file; None for one that has columns in it."""
    name = parquet.schema_arrow.names[place]
    leaves = (parquet.schema.column(number) for number in range(len(parquet.schema)))
    return next((leaf for leaf in leaves if leaf.path == name), None)


def _converts(table: Table, file: File, parquet: Any, places: list[int]) -> Iterator[Convert]:
    for column, place in zip(table.columns, places, strict=True):
        leaf = _leaf(parquet, place)
        is_uuid = leaf is not None and leaf.logical_type.type == "UUID"
        try:
            yield converter(column, parquet.schema_arrow.field(place).type, is_uuid=is_uuid)
        except Refused as error:
            raise BadData(str(error), file=str(file), column=column.name) from error


def _warnings(table: Table, file: File, parquet: Any, places: list[int]) -> Iterator[str]:
    for column, place in zip(table.columns, places, strict=True):
        leaf = _leaf(parquet, place)
        if leaf is not None and leaf.physical_type == "INT96":
            yield (
                f"{file}: column {column.name} is of the old type INT96, which does not tell "
                "whether its times are in UTC; they are taken for those of the shops' own clocks"
            )


def converted(rows: Rows, *, skip_bad_rows: bool = False) -> Parsed:
    """The rows in the table's schema.

    Raises `BadData` for the first bad row with its file, row, column and value, or leaves bad rows
    out and tells them in ``rejected``.
    """
    batch = _batch(rows)
    if batch is not None:
        return Parsed(rows.table, batch, (), _doubts(rows, batch))
    if not skip_bad_rows:
        raise _complaint(_first_bad(rows))
    good, bad = [], []
    for piece in _sorted_out(rows):
        if isinstance(piece, pa.RecordBatch):
            good.append(piece)
        else:
            bad.append(Rejected(_complaint(piece), _shown(piece)))
    together = pa.Table.from_batches(good, rows.table.schema).combine_chunks()
    batches = together.to_batches() or [pa.RecordBatch.from_pylist([], rows.table.schema)]
    return Parsed(rows.table, batches[0], tuple(bad), _doubts(rows, batches[0]))


def _doubts(rows: Rows, batch: pa.RecordBatch) -> tuple[str, ...]:
    return (*rows.warnings, *spelled_out(rows.table, batch, rows.file))


def _batch(rows: Rows) -> pa.RecordBatch | None:
    try:
        arrays = [
            convert(values)
            for convert, values in zip(rows.converts, rows.columns.columns, strict=True)
        ]
    except (pa.ArrowException, Refused):
        return None
    return pa.record_batch(arrays, schema=rows.table.schema)


def _first_bad(rows: Rows) -> Rows:
    while rows.columns.num_rows > 1:
        half = rows.columns.num_rows // 2
        first = rows.slice(0, half)
        rows = first if _batch(first) is None else rows.slice(half, rows.columns.num_rows - half)
    return rows


def _sorted_out(rows: Rows) -> Iterator[pa.RecordBatch | Rows]:
    batch = _batch(rows)
    count = rows.columns.num_rows
    if batch is not None:
        yield batch
    elif count == 1:
        yield rows
    else:
        half = count // 2
        yield from _sorted_out(rows.slice(0, half))
        yield from _sorted_out(rows.slice(half, count - half))


def _complaint(rows: Rows) -> BadData:
    """What is wrong with the one row, which does not convert."""
    parts = zip(rows.table.columns, rows.converts, rows.columns.columns, strict=True)
    for column, convert, values in parts:
        try:
            convert(values)
        except (pa.ArrowException, Refused) as error:
            value = _text(values)
            return BadData(
                reason_of(column.kind, error, value),
                file=str(rows.file),
                row=rows.first,
                column=column.name,
                value=value,
            )
    raise AssertionError(f"row {rows.first} of {rows.file} converts column by column only")


def _text(values: pa.Array) -> str:
    value = values[0].as_py()
    return (
        ""
        if value is None
        else value.decode(errors="replace")
        if isinstance(value, bytes)
        else str(value)
    )


def _shown(rows: Rows) -> str:
    """The needed columns of the one row as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([_text(values) for values in rows.columns.columns])
    return out.getvalue()
