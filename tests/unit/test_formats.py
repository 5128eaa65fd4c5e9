"""A result table as bytes."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffeeshop import formats
from coffeeshop.formats import MEDIA_TYPES, WRITERS, from_arrow, to_arrow, to_csv, to_json

TABLE = pa.table(
    {
        "name": pa.array(["North", 'a "b", c', None, "two\nlines"]),
        "day": pa.array([dt.date(1969, 12, 31), None, dt.date(2024, 2, 29), None]),
        "exact": pa.array(["75.000", "74.990", "100.005", None]).cast(pa.decimal128(18, 3)),
        "cents": pa.array(["1.50", "0.00", "-3.10", None]).cast(pa.decimal128(18, 2)),
        "number": pa.array([1, -2, None, 10**15]),
    }
)


def test_csv_has_exact_amounts_and_quotes_only_where_needed() -> None:
    assert to_csv(TABLE).decode() == (
        "name,day,exact,cents,number\n"
        "North,1969-12-31,75.0,1.50,1\n"
        '"a ""b"", c",,74.99,0.00,-2\n'
        ",2024-02-29,100.005,-3.10,\n"
        '"two\nlines",,,,1000000000000000\n'
    )


def test_an_empty_table_is_its_header() -> None:
    assert to_csv(TABLE.slice(0, 0)) == b"name,day,exact,cents,number\n"


def test_json_has_amounts_and_dates_as_text() -> None:
    found = json.loads(to_json(TABLE))
    assert found[0] == {
        "name": "North",
        "day": "1969-12-31",
        "exact": "75.000",
        "cents": "1.50",
        "number": 1,
    }
    assert found[3]["exact"] is None
    assert json.loads(to_json(TABLE.slice(0, 0))) == []


def test_json_knows_no_other_types() -> None:
    with pytest.raises(TypeError, match="timedelta"):
        to_json(pa.table({"a": pa.array([dt.timedelta(1)])}))


def test_parquet_and_arrow_bring_the_table_back() -> None:
    assert pq.read_table(io.BytesIO(formats.to_parquet(TABLE))).equals(TABLE)
    warned = TABLE.replace_schema_metadata({"warnings": '["w"]'})
    back = from_arrow(to_arrow(warned))
    assert back.equals(TABLE)
    assert back.schema.metadata == {b"warnings": b'["w"]'}


def test_every_format_has_a_writer_and_a_media_type() -> None:
    assert WRITERS.keys() == MEDIA_TYPES.keys() | {"sheet.csv", "es.csv"}  # which no gateway sends
    assert all(isinstance(write(TABLE), bytes) for write in WRITERS.values())


@given(st.lists(st.tuples(st.none() | st.text(), st.text()), max_size=8))
def test_what_any_csv_reader_reads_is_the_table(rows: list[tuple[str | None, str]]) -> None:
    columns = [pa.array([row[i] for row in rows], pa.string()) for i in (0, 1)]
    text = to_csv(pa.table(columns, ["a", "b"])).decode()
    back = list(csv.reader(io.StringIO(text, newline="")))
    assert back == [["a", "b"], *([a or "", b] for a, b in rows)]


@given(st.decimals(-(10**9), 10**9, places=3))
def test_an_exact_amount_is_written_exactly(amount: Decimal) -> None:
    text = to_csv(pa.table({"a": pa.array([amount], pa.decimal128(18, 3))})).decode()
    written = text.split("\n")[1]
    assert Decimal(written) == amount
    assert "." in written
    assert not written.endswith("0") or written.endswith(".0")
