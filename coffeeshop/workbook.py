"""Result tables as one Excel workbook, a sheet a question. Needs XlsxWriter, imported when used.

Excel keeps every number as a double and shows fifteen digits of it: a larger amount is written as
text, so that a spreadsheet rounds none. No text is ever taken for a formula or an address.
"""

from __future__ import annotations

import datetime as dt
import io
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from coffeeshop.errors import UsageError

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.workbook import Workbook
    from xlsxwriter.worksheet import Worksheet

MOST_ROWS = 1_048_575
"""Rows of a sheet below its header."""
LONGEST_TEXT = 32_767
"""UTF-16 units of a cell."""
EXACT_DIGITS = 15
"""Decimal digits that every double keeps and that Excel shows."""
FIRST_YEAR = 1900
"""Excel knows no dates before it."""
_LONGEST_NAME = 31
_PIECE = 65_536
_WIDEST = 60
_WRITTEN = dt.datetime(2000, 1, 1)
"""When every workbook says that it was made: equal results make equal files."""
_Cell = Callable[[int, int, Any], Any]


def to_workbook(tables: Mapping[str, pa.Table], currency: str = "") -> bytes:
    """The tables as the bytes of an ``.xlsx`` file, one sheet each; amounts in a ``currency``.

    Dates and instants are Excel's, amounts are numbers with their decimals, and what Excel cannot
    hold exactly is text: numbers of more than fifteen digits, dates before 1900, NaN. Raises
    `UsageError` where a table has more rows, or a text more letters, than a sheet may have. Rows
    wait in a temporary file, not in memory.
    """
    for name, table in tables.items():
        _check(name, table)
    import xlsxwriter  # seldom needed

    body = io.BytesIO()
    workbook = xlsxwriter.Workbook(
        body,
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_numbers": False,
            "strings_to_urls": False,
        },
    )
    workbook.set_properties({"title": "coffeeshop", "created": _WRITTEN})
    taken: set[str] = set()
    for name, table in tables.items():
        sheet = workbook.add_worksheet(_sheet_name(name, taken))
        _write(workbook, sheet, table, currency)
    workbook.close()
    return body.getvalue()


def _check(name: str, table: pa.Table) -> None:
    if table.num_rows > MOST_ROWS:
        raise UsageError(
            f"{name} has {table.num_rows:,} rows and an Excel sheet at most {MOST_ROWS:,}: "
            "use --format csv or parquet"
        )
    for column, values in zip(table.column_names, table.columns, strict=True):
        if not pa.types.is_string(values.type):
            continue
        for piece in values.chunks:
            for text in _long_texts(piece):
                if len(text.encode("utf-16-le")) // 2 > LONGEST_TEXT:
                    raise UsageError(
                        f"{name} has a text of {len(text):,} letters in {column} and a cell of "
                        f"Excel at most {LONGEST_TEXT:,}: use --format csv or parquet"
                    )


def _long_texts(piece: pa.StringArray) -> list[str]:
    import pyarrow.compute as pc

    found: list[str] = piece.filter(pc.greater(pc.binary_length(piece), LONGEST_TEXT)).to_pylist()
    return [text for text in found if text is not None]


def _sheet_name(name: str, taken: set[str]) -> str:
    """A name that Excel takes: 31 letters, none of its own, no two alike but for their case."""
    base = re.sub(r"[\[\]:*?/\\']", "_", name)[:_LONGEST_NAME] or "result"
    if base.lower() == "history":  # Excel keeps that one for itself
        base += "_"
    found, number = base, 1
    while found.lower() in taken:
        number += 1
        end = f"_{number}"
        found = base[: _LONGEST_NAME - len(end)] + end
    taken.add(found.lower())
    return found


def _write(workbook: Workbook, sheet: Worksheet, table: pa.Table, currency: str) -> None:
    head = workbook.add_format({"bold": True, "bottom": 1})
    plain = workbook.add_format()
    columns = [_column(workbook, sheet, plain, field.type, currency) for field in table.schema]
    for number, (name, values) in enumerate(zip(table.column_names, table.columns, strict=True)):
        sheet.set_column(number, number, _width(name, values))
    sheet.freeze_panes(1, 0)
    if table.num_columns:
        sheet.autofilter(0, 0, table.num_rows, table.num_columns - 1)
    for number, name in enumerate(table.column_names):
        _text(sheet, plain, head)(0, number, name)
    row = 0
    for batch in table.to_batches(max_chunksize=_PIECE):
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            row += 1
            for number, value in enumerate(values):
                if value is not None:
                    columns[number](row, number, value)


def _width(name: str, values: pa.ChunkedArray) -> int:
    """As wide as its header and its first values: letters."""
    longest = max((len(str(value)) for value in values.slice(0, 100).to_pylist()), default=0)
    return min(max(len(name) + 3, longest + 1), _WIDEST)  # the header has the filter's button


def is_amount(kind: pa.DataType) -> bool:
    """Whether a column of results has amounts: exact, with two or three decimals."""
    return bool(pa.types.is_decimal(kind) and kind.scale in (2, 3))


def _column(
    workbook: Workbook, sheet: Worksheet, plain: Format, kind: pa.DataType, currency: str
) -> _Cell:
    """What writes a value of that type into a cell."""
    text = _text(sheet, plain)
    if pa.types.is_boolean(kind):
        return _boolean(sheet)
    if pa.types.is_decimal(kind):
        pattern = f"#,##0.{'0' * kind.scale}".rstrip(".")
        if currency and is_amount(kind):
            pattern += f" [${currency}]"
        return _number(sheet, text, workbook.add_format({"num_format": pattern}))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _number(sheet, text, None)
    if pa.types.is_date(kind):
        return _moment(sheet, text, workbook.add_format({"num_format": "yyyy-mm-dd"}))
    if pa.types.is_timestamp(kind):
        return _moment(sheet, text, workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}))
    return text


def _boolean(sheet: Worksheet) -> _Cell:
    def write(row: int, column: int, value: bool) -> None:
        sheet.write_boolean(row, column, value)

    return write


def _text(sheet: Worksheet, plain: Format, shown: Format | None = None) -> _Cell:
    def write(row: int, column: int, value: object) -> None:
        text = str(value)
        if text.startswith("<r>") and text.endswith("</r>"):
            # XlsxWriter would take it for markup of its own. In two pieces it is text again.
            sheet.write_rich_string(row, column, text[0], plain, text[1:])
        else:
            sheet.write_string(row, column, text, shown)

    return write


def _number(sheet: Worksheet, text: _Cell, shown: Format | None) -> _Cell:
    def write(row: int, column: int, value: Decimal | int | float) -> None:
        if _is_exact(value):
            sheet.write_number(row, column, value, shown)
        else:
            text(row, column, value)

    return write


def _is_exact(value: Decimal | float) -> bool:
    """Whether Excel keeps and shows all digits of it."""
    if isinstance(value, float):
        return math.isfinite(value)
    digits = str(abs(value)).replace(".", "").strip("0")
    return len(digits) <= EXACT_DIGITS


def _moment(sheet: Worksheet, text: _Cell, shown: Format) -> _Cell:
    def write(row: int, column: int, value: dt.date) -> None:
        if value.year < FIRST_YEAR:
            text(row, column, value.isoformat())
        else:
            sheet.write_datetime(row, column, value, shown)

    return write
