"""Results as an Excel workbook: what a reader of such files finds in it."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.workbook import Workbook

from coffeeshop import workbook
from coffeeshop.client.results import write_results
from coffeeshop.errors import UsageError
from coffeeshop.formats import to_spanish_csv
from coffeeshop.workbook import LONGEST_TEXT, to_workbook


def opened(body: bytes) -> Workbook:
    return openpyxl.load_workbook(io.BytesIO(body))


def cells(body: bytes, sheet: str | None = None) -> list[tuple[Any, ...]]:
    found = opened(body)
    chosen = found[found.sheetnames[0] if sheet is None else sheet]
    return list(chosen.iter_rows(values_only=True))


def one(values: list[Any], kind: pa.DataType) -> dict[str, pa.Table]:
    return {"result": pa.table({"value": pa.array(values, kind)})}


def test_each_result_is_a_sheet_with_its_rows_below_a_header() -> None:
    tables = {**one(["a", "é"], pa.string()), "query3": pa.table({"n": [1], "m": [2]})}
    body = to_workbook(tables)
    assert opened(body).sheetnames == ["result", "query3"]
    assert cells(body) == [("value",), ("a",), ("é",)]
    assert cells(body, "query3") == [("n", "m"), (1, 2)]


def test_amounts_are_numbers_with_their_decimals_and_dates_are_dates() -> None:
    table = pa.table(
        {
            "amount": pa.array([Decimal("75.10")], pa.decimal128(18, 2)),
            "whole": pa.array([Decimal(7)], pa.decimal128(18, 0)),
            "day": pa.array([dt.date(2024, 2, 29)]),
            "at": pa.array([dt.datetime(2024, 2, 29, 7, 30)], pa.timestamp("s")),
            "yes": [True],
            "share": [0.25],
        }
    )
    row = next(iter(opened(to_workbook({"a": table})).worksheets[0].iter_rows(min_row=2)))
    moment = dt.datetime(2024, 2, 29)
    assert [cell.value for cell in row] == [
        *(75.1, 7, moment, moment.replace(hour=7, minute=30), True, 0.25)
    ]
    assert [cell.data_type for cell in row] == ["n", "n", "d", "d", "b", "n"]
    assert row[0].number_format == "#,##0.00"
    assert row[1].number_format == "#,##0"


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (Decimal("90071992547409.931"), pa.decimal128(30, 3), "90071992547409.931"),
        (2**53 + 1, pa.int64(), "9007199254740993"),
        (-(2**62), pa.int64(), "-4611686018427387904"),
        (dt.date(1899, 12, 31), pa.date32(), "1899-12-31"),
        (float("nan"), pa.float64(), "nan"),
        (float("inf"), pa.float64(), "inf"),
    ],
)
def test_what_excel_would_round_is_text(value: Any, kind: pa.DataType, text: str) -> None:
    assert cells(to_workbook(one([value], kind)))[1] == (text,)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "@a",
        "-1",
        "http://127.0.0.1/",
        "internal:A1",
        "00123",
        "1e5",
        "<r>x</r>",
        "<r></r>",
        "<b>&amp;</b>",
        " a ",
        "two\nlines",
    ],
)
def test_a_text_stays_that_text(text: str) -> None:
    cell = opened(to_workbook(one([text], pa.string()))).worksheets[0]["A2"]
    assert (cell.value, cell.data_type, cell.hyperlink) == (text, "s", None)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.decimals(-(10**11), 10**11, places=3), min_size=1, max_size=20))
def test_an_amount_is_read_back_exactly(amounts: list[Decimal]) -> None:
    found = cells(to_workbook(one(amounts, pa.decimal128(18, 3))))[1:]
    assert [round(Decimal(str(value)), 3) for (value,) in found] == amounts


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=8))
def test_any_name_makes_a_file_that_can_be_read(texts: list[str]) -> None:
    found = cells(to_workbook(one(texts, pa.string())))
    assert len(found) == 1 + len(texts)
    plain = [(text, got) for text, (got,) in zip(texts, found[1:], strict=True) if text.isalnum()]
    assert all(text == got for text, got in plain)


def test_an_empty_result_is_a_sheet_with_a_header() -> None:
    assert cells(to_workbook(one([], pa.int64()))) == [("value",)]


def test_a_null_is_an_empty_cell() -> None:
    assert cells(to_workbook(one([None, 1], pa.int64()))) == [("value",), (None,), (1,)]


def test_sheets_have_names_that_excel_takes() -> None:
    long = "a" * 35
    names = ["history", long, f"{long}b", f"{long}c", "Query", "query", "it's [1]"]
    table = one([], pa.int64())["result"]
    found = opened(to_workbook(dict.fromkeys(names, table))).sheetnames
    assert found == [
        *("history_", "a" * 31, "a" * 29 + "_2", "a" * 29 + "_3", "Query", "query_2", "it_s _1_")
    ]


def test_more_rows_than_a_sheet_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MOST_ROWS", 2)
    assert len(cells(to_workbook(one([1, 2], pa.int64())))) == 3
    with pytest.raises(UsageError, match="result has 3 rows and an Excel sheet at most 2: use"):
        to_workbook(one([1, 2, 3], pa.int64()))


def test_a_text_longer_than_a_cell_is_refused_not_cut() -> None:
    whole = "é" * LONGEST_TEXT
    assert cells(to_workbook(one([whole], pa.string())))[1] == (whole,)
    for text in ("a" * (LONGEST_TEXT + 1), "\U0001f600" * (LONGEST_TEXT // 2 + 1)):
        with pytest.raises(UsageError, match=r"letters in value and a cell of Excel at most"):
            to_workbook(one([text], pa.string()))


def test_equal_results_make_equal_files() -> None:
    table = one(["a"], pa.string())
    assert to_workbook(table) == to_workbook(table)


def test_all_results_are_one_file_and_a_single_one_has_its_name(tmp_path: Path) -> None:
    table = one([1], pa.int64())["result"]
    assert write_results({"a": table, "b": table}, tmp_path, "xlsx") == [tmp_path / "results.xlsx"]
    assert write_results({"a": table}, tmp_path, "xlsx") == [tmp_path / "a.xlsx"]


def test_a_refused_workbook_leaves_the_files_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = one([1, 2], pa.int64())
    (file,) = write_results(table, tmp_path, "xlsx")
    before = file.read_bytes()
    monkeypatch.setattr(workbook, "MOST_ROWS", 1)
    with pytest.raises(UsageError, match="at most 1"):
        write_results(table, tmp_path, "xlsx")
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [before]


def test_csv_for_spanish_excel_has_semicolons_and_decimal_commas() -> None:
    table = pa.table(
        {
            "store_name": ["=1", "a;b", 'c"', "d.e, f"],
            "tpv": pa.array([Decimal("1234.50")] * 4, pa.decimal128(18, 2)),
            "exact": pa.array([Decimal("75.000")] * 4, pa.decimal128(18, 3)),
            "day": [dt.date(2024, 1, 31)] * 4,
        }
    )
    assert to_spanish_csv(table).decode("utf-8-sig").splitlines() == [
        "store_name;tpv;exact;day",
        "'=1;1234,50;75,0;2024-01-31",
        '"a;b";1234,50;75,0;2024-01-31',
        '"c""";1234,50;75,0;2024-01-31',
        "d.e, f;1234,50;75,0;2024-01-31",
    ]
