"""Result files: what is in them, and that there are all of them or none."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coffeeshop.client.results import write_results
from coffeeshop.errors import BadData, UsageError
from coffeeshop.formats import MEDIA_TYPES, WRITERS, as_text, from_arrow, to_arrow, to_csv, to_json
from coffeeshop.names import FORMATS
from coffeeshop.operators.final import RESULTS
from coffeeshop.reading.parse import Rejected


def result(name: str, *rows: tuple[Any, ...]) -> pa.Table:
    """A result of the real schema, its rows in one or more pieces."""
    schema = RESULTS[name]
    columns = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(schema)]
    return pa.table(columns, schema=schema)


TABLES = {
    "query1": result("query1", ("a", Decimal("75.000")), ("é", Decimal("75.001"))),
    "query3": result("query3", ("2024-H1", 'Nort"h, 5', Decimal("0.50"))),
    "query4": result("query4", ("Å", dt.date(1969, 12, 31), 3), ("B", None, 2)),
}
TEXTS = {
    "query1.csv": "transaction_id,final_amount\na,75.0\né,75.001\n",
    "query3.csv": 'year_half_created_at,store_name,tpv\n2024-H1,"Nort""h, 5",0.50\n',
    "query4.csv": "store_name,birthdate,purchases_qty\nÅ,1969-12-31,3\nB,,2\n",
}
REJECTED = (
    Rejected(BadData("no store", file="t.csv", line=9, column="store_id", value=""), 'a,"b"'),
    Rejected(BadData("expected 2 fields", file="t.csv", line=12), "c\nd"),
)


def contents(directory: Path) -> dict[str, str]:
    return {file.name: file.read_text("utf-8") for file in directory.iterdir()}


def test_csv_files_hold_the_rows(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    files = write_results(TABLES, out, "csv")
    assert files == [out / name for name in TEXTS]
    assert contents(out) == TEXTS


def test_json_files_hold_exact_amounts_as_text(tmp_path: Path) -> None:
    write_results(TABLES, tmp_path, "json")
    found = {name: json.loads(text) for name, text in contents(tmp_path).items()}
    assert found == {
        "query1.json": [
            {"transaction_id": "a", "final_amount": "75.000"},
            {"transaction_id": "é", "final_amount": "75.001"},
        ],
        "query3.json": [
            {"year_half_created_at": "2024-H1", "store_name": 'Nort"h, 5', "tpv": "0.50"}
        ],
        "query4.json": [
            {"store_name": "Å", "birthdate": "1969-12-31", "purchases_qty": 3},
            {"store_name": "B", "birthdate": None, "purchases_qty": 2},
        ],
    }


def test_parquet_files_hold_the_same_tables(tmp_path: Path) -> None:
    files = write_results(TABLES, tmp_path, "parquet")
    assert {file.stem: pq.read_table(file) for file in files} == TABLES


@pytest.mark.parametrize("file_format", [each for each in FORMATS if each != "xlsx"])
def test_a_result_without_rows_is_a_file_all_the_same(tmp_path: Path, file_format: str) -> None:
    empty = {name: result(name) for name in RESULTS}
    files = write_results(empty, tmp_path, file_format)
    assert [file.name for file in files] == [f"{name}.{file_format}" for name in RESULTS]
    if file_format == "csv":
        headers = [",".join(schema.names) + "\n" for schema in RESULTS.values()]
        assert [file.read_text() for file in files] == headers


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("75.000", "75.0"),
        ("100.000", "100.0"),
        ("0.000", "0.0"),
        ("75.500", "75.5"),
        ("75.050", "75.05"),
        ("75.001", "75.001"),
        ("-0.010", "-0.01"),
        ("9999999.999", "9999999.999"),
        ("-120.000", "-120.0"),
    ],
)
def test_an_exact_amount_has_no_idle_zeros(amount: str, text: str) -> None:
    table = result("query1", ("a", Decimal(amount)))
    assert as_text(table["final_amount"]).to_pylist() == [text]


@pytest.mark.parametrize("amount", ["0.00", "1.10", "-0.01", "1000000.00", "90071992547409.93"])
def test_money_has_two_decimals(amount: str) -> None:
    table = result("query3", ("2024-H1", "a", Decimal(amount)))
    assert as_text(table["tpv"]).to_pylist() == [amount]


@pytest.mark.parametrize("sign", [",", '"', "\n", "\r", "\r\n"])
def test_a_name_with_a_special_sign_is_quoted(sign: str) -> None:
    name = f"a{sign}b"
    text = to_csv(result("query3", ("2024-H1", name, Decimal(1)), ("2024-H2", "c", Decimal(2))))
    quoted = name.replace('"', '""')
    assert text.decode() == (
        f'year_half_created_at,store_name,tpv\n2024-H1,"{quoted}",1.00\n2024-H2,c,2.00\n'
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.text("ab\",'\n\r é;", max_size=6), st.text(max_size=4), st.just(Decimal(1))),
        max_size=4,
    )
)
def test_a_reader_finds_in_the_csv_what_the_result_holds(
    rows: list[tuple[str, str, Decimal]],
) -> None:
    lines = io.StringIO(to_csv(result("query3", *rows)).decode(), newline="")
    found = list(csv.reader(lines))
    assert found[1:] == [[half, name, "1.00"] for half, name, _ in rows]


def test_a_result_in_several_pieces_is_one_file() -> None:
    pieces = [result("query1", (name, Decimal(75))) for name in "abc"]
    text = to_csv(pa.concat_tables(pieces)).decode()
    assert text == "transaction_id,final_amount\na,75.0\nb,75.0\nc,75.0\n"


@pytest.mark.parametrize("name", TABLES)
def test_an_arrow_stream_holds_the_table_and_its_warnings(name: str) -> None:
    table = TABLES[name].replace_schema_metadata({"warnings": '["odd"]'})
    assert from_arrow(to_arrow(table)).equals(table, check_metadata=True)


def test_every_format_has_a_media_type() -> None:
    assert WRITERS.keys() == MEDIA_TYPES.keys() | {"sheet.csv", "es.csv"}  # which no gateway sends
    assert set(FORMATS) <= WRITERS.keys()


def test_a_value_without_a_json_form_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="bytes"):
        to_json(pa.table({"a": pa.array([b"x"])}))


def test_rejected_rows_are_written_with_their_place_and_reason(tmp_path: Path) -> None:
    files = write_results(TABLES, tmp_path, "csv", REJECTED)
    assert files[-1] == tmp_path / "rejected.csv"
    with files[-1].open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["file", "line", "column", "value", "reason", "row"],
            ["t.csv", "9", "store_id", "", "no store", 'a,"b"'],
            ["t.csv", "12", "", "", "expected 2 fields", "c\nd"],
        ]


def test_rejected_rows_of_an_earlier_run_do_not_stay(tmp_path: Path) -> None:
    write_results(TABLES, tmp_path, "csv", REJECTED)
    write_results(TABLES, tmp_path, "csv")
    assert contents(tmp_path) == TEXTS


def test_earlier_results_are_replaced_and_other_files_kept(tmp_path: Path) -> None:
    (tmp_path / "query1.csv").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    write_results(TABLES, tmp_path, "csv")
    assert contents(tmp_path) == {**TEXTS, "notes.txt": "mine"}


def test_a_file_in_the_place_of_the_directory_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    for place in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(UsageError, match="cannot write to"):
            write_results(TABLES, place, "csv")
    assert contents(tmp_path) == {"out": "mine"}


def test_a_failure_while_writing_leaves_everything_as_it_was(tmp_path: Path) -> None:
    write_results(TABLES, tmp_path, "csv", REJECTED)
    before = contents(tmp_path)
    with pytest.raises(UsageError, match="cannot write to"):
        write_results({**TABLES, "missing/name": TABLES["query1"]}, tmp_path, "csv")
    assert contents(tmp_path) == before


def test_a_directory_in_the_place_of_a_result_leaves_everything_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "query4.csv").mkdir()
    (tmp_path / "query1.csv").write_text("old")
    with pytest.raises(UsageError, match="cannot write to"):
        write_results(TABLES, tmp_path, "csv")
    assert (tmp_path / "query1.csv").read_text() == "old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["query1.csv", "query4.csv"]
