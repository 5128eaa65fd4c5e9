"""A result table as bytes: csv, json, parquet, an Excel workbook or an Arrow stream."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.workbook import to_workbook

_PIECE = 65_536
"""Rows of a CSV text that are made at a time."""


def to_csv(table: pa.Table) -> bytes:
    """A result as CSV: a header, LF line ends, quotes only where a value needs them."""
    return _csv(table.column_names, [as_text(column) for column in table.columns], ",")


def _csv(names: list[str], columns: list[pa.ChunkedArray], separator: str) -> bytes:
    header = separator.join(names) + "\n"
    quoted = [_quoted(column, separator) for column in columns]
    return b"".join([header.encode(), *_lines(quoted, separator)])


def _lines(columns: list[pa.ChunkedArray], separator: str) -> Iterator[pa.Buffer]:
    """The rows' bytes, each with its line end, a piece at a time."""
    whole = pa.table(columns, [str(number) for number in range(len(columns))])
    for batch in whole.to_batches(max_chunksize=_PIECE):
        rows = pc.binary_join_element_wise(*batch.columns, separator)
        yield _bytes_of(pc.binary_join_element_wise(rows, "", "\n"))


def _bytes_of(text: pa.StringArray) -> pa.Buffer:
    """All texts of an array, one behind the other, as they lie there."""
    _, offsets, data = text.buffers()
    ends = memoryview(offsets).cast("i")[text.offset : text.offset + len(text) + 1]
    return data[ends[0] : ends[-1]]


def _quoted(text: pa.ChunkedArray, separator: str) -> pa.ChunkedArray:
    pieces = [_bytes_of(chunk).to_pybytes() for chunk in text.chunks]
    signs = (b'"', separator.encode(), b"\r", b"\n")
    if not any(sign in piece for piece in pieces for sign in signs):
        return text
    special = pc.match_substring_regex(text, f'["{separator}\r\n]')
    inside = pc.replace_substring(text, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise('"', inside, '"', ""), text)


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A result column as it is written: null is empty, exact amounts have no idle zeros."""
    if pa.types.is_decimal(column.type) and column.type.scale == 3:
        return pa.chunked_array([_amounts(column.combine_chunks())])
    return pc.fill_null(column.cast(pa.string()), "")


def _amounts(amounts: pa.Decimal128Array) -> pa.StringArray:
    found = amounts.dictionary_encode()  # of prices there are few, and each is written once
    text = pc.utf8_rtrim(found.dictionary.cast(pa.string()), "0")
    bare = pc.ends_with(text, ".")
    text = pc.if_else(bare, pc.binary_join_element_wise(text, "0", ""), text)
    return pc.fill_null(text.take(found.indices), "")


_FORMULA = "^[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def to_sheet_csv(table: pa.Table) -> bytes:
    """A result as CSV to open in a spreadsheet: with the mark by which it knows UTF-8, and with an
    apostrophe before each text that it would take for a formula. Not the canonical bytes."""
    columns = [_harmless(column) for column in table.columns]
    return BYTE_ORDER_MARK + to_csv(pa.table(columns, table.column_names))


def to_spanish_csv(table: pa.Table) -> bytes:
    """As `to_sheet_csv`, for a spreadsheet that is set to Spanish: semicolons between the values,
    and a comma before the decimals."""
    columns = [_comma(_harmless(column)) for column in table.columns]
    return BYTE_ORDER_MARK + _csv(table.column_names, columns, ";")


def _comma(column: pa.ChunkedArray) -> pa.ChunkedArray:
    is_fraction = pa.types.is_decimal(column.type) or pa.types.is_floating(column.type)
    text = as_text(column)
    return pc.replace_substring(text, ".", ",") if is_fraction else text


def no_formula(cell: object) -> object:
    """A cell as `to_sheet_csv` writes it."""
    return f"'{cell}" if isinstance(cell, str) and re.match(_FORMULA, cell) else cell


def _harmless(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_string(column.type):
        return column
    formula = pc.match_substring_regex(column, _FORMULA)
    return pc.if_else(formula, pc.binary_join_element_wise("'", column, ""), column)


def to_json(table: pa.Table) -> bytes:
    """A result as a JSON list of objects; amounts are strings, since numbers would be floats."""
    text = json.dumps(table.to_pylist(), default=_plain, indent=1, ensure_ascii=False)
    return f"{text}\n".encode()


def _plain(value: object) -> str:
    match value:
        case Decimal():
            return str(value)
        case dt.date():
            return value.isoformat()
    raise TypeError(type(value).__name__)


def to_parquet(table: pa.Table) -> bytes:
    """A result as a Parquet file."""
    import pyarrow.parquet as pq  # slow to import, and seldom needed

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def to_xlsx(table: pa.Table, name: str = "result", currency: str = "") -> bytes:
    """A result as an Excel workbook with one sheet; see `coffeeshop.workbook`, also for what it
    raises."""
    return to_workbook({name: table}, currency)


def to_arrow(table: pa.Table) -> bytes:
    """A result as an Arrow IPC stream; its schema's metadata carries the warnings."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def from_arrow(body: bytes) -> pa.Table:
    """The inverse of `to_arrow`."""
    with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
        return reader.read_all()


def warnings_of(tables: Mapping[str, pa.Table]) -> tuple[str, ...]:
    """What the results' metadata warns of, each sentence once."""
    return tuple(
        dict.fromkeys(
            warning
            for table in tables.values()
            for warning in json.loads((table.schema.metadata or {}).get(b"warnings", b"[]"))
        )
    )


WRITERS: dict[str, Callable[[pa.Table], bytes]] = {
    "csv": to_csv,
    "json": to_json,
    "parquet": to_parquet,
    "arrow": to_arrow,
    "xlsx": to_xlsx,
    "sheet.csv": to_sheet_csv,
    "es.csv": to_spanish_csv,
}
"""By the name of the format."""
MEDIA_TYPES = {
    "csv": "text/csv",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "arrow": "application/vnd.apache.arrow.stream",
}


def body_of(name: str, table: pa.Table, file_format: str, currency: str = "") -> bytes:
    """One result in a format of `WRITERS`; of them a workbook shows amounts in a ``currency``.
    Raises `UsageError` where the format cannot hold it."""
    return to_xlsx(table, name, currency) if file_format == "xlsx" else WRITERS[file_format](table)
