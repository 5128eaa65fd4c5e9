"""A file that is read by ranges gives the rows and complaints of one that is here."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coffeeshop.errors import BadData, UsageError
from coffeeshop.reading import ranges
from coffeeshop.reading.blocks import blocks_of
from coffeeshop.reading.parquet import converted, parquet_rows
from coffeeshop.reading.parse import read
from coffeeshop.reading.ranges import Step, StepReader, first_step, step_of
from coffeeshop.reading.sources import is_parquet
from coffeeshop.schema import TABLES

STORES = TABLES["stores"]
Found = tuple[list[dict[str, Any]], list[str]]


def elsewhere(file: Path) -> tuple[Found, list[int]]:
    """The rows and warnings by steps, each of which passes as text, and the bytes of each step."""
    content = file.read_bytes()
    step: Step | None = first_step(str(file), len(content))
    rows: list[dict[str, Any]] = []
    warnings: list[str] = []
    sizes = []
    while step is not None:
        step = step_of(step.text(), len(content))
        sent = b"".join(content[at : at + length] for at, length in step.ranges)
        sizes.append(len(sent))
        reader = StepReader(STORES, str(file), len(content), step, io.BytesIO(sent))
        for parsed in reader:
            rows += parsed.batch.to_pylist()
            warnings += parsed.warnings
        step = reader.next
    return (rows, warnings), sizes


def here(file: Path) -> Found:
    parts = (
        [converted(rows) for rows in parquet_rows(STORES, file)]
        if is_parquet(file)
        else [read(block) for block in blocks_of(STORES, file)]
    )
    return (
        [row for part in parts for row in part.batch.to_pylist()],
        [warning for part in parts for warning in part.warnings],
    )


def outcome(reading: Any) -> Any:
    """What is read, or the complaint without the line, which an open quote has elsewhere."""
    try:
        return reading()
    except BadData as error:
        line = None if "never closed" in error.reason else error.line
        return (error.reason, line, error.row, error.column, error.value)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few bytes in a step, so that small files take several."""
    monkeypatch.setattr(ranges, "RANGE", 64)
    monkeypatch.setattr(ranges, "FOOT", 64)
    monkeypatch.setattr(ranges, "WHOLE", 100)
    monkeypatch.setattr(ranges, "GROUPS", 400)


CELLS = st.sampled_from(["North", '"a,b"', '"two\nlines"', '12" cup', "", "NULL", "Café", "x" * 90])
IDS = st.sampled_from(["1", "2.0", "77", "x", ""])
LINES = st.lists(st.tuples(IDS, CELLS).map(",".join), max_size=12)


@settings(max_examples=60, deadline=None)
@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.sampled_from(["utf-8", "utf-16"]))
def test_a_text_by_ranges_is_the_text(
    directory: Path, lines: list[str], newline: str, ended: bool, encoding: str
) -> None:
    text = newline.join(["store_id,store_name", *lines]) + (newline if ended else "")
    file = directory / "stores.csv"
    file.write_bytes(text.encode(encoding))
    assert outcome(lambda: elsewhere(file)[0]) == outcome(lambda: here(file))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_dialect_is_the_same_in_every_step(tmp_path: Path, separator: str) -> None:
    lines = [f"{n}{separator}a{'.' if separator == ',' else ','}b" for n in range(60)]
    file = tmp_path / "stores.csv"
    file.write_text(f"sep={separator}\nStore_ID{separator}STORE_NAME\n" + "\n".join(lines) + "\n")
    found, sizes = elsewhere(file)
    assert found == here(file)
    assert len(found[0]) == 60
    assert len(sizes) > 2


def test_the_line_of_a_complaint_counts_through_the_steps(tmp_path: Path) -> None:
    file = tmp_path / "stores.csv"
    file.write_text("store_id,store_name\n" + '1,"two\nlines"\n' * 40 + "x,a\n" + "1,a\n" * 20)
    with pytest.raises(BadData) as caught:
        elsewhere(file)
    assert (caught.value.line, caught.value.value) == (82, "x")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_file_is_one_step(tmp_path: Path, pack: Any) -> None:
    suffix = {gzip.compress: "gz", bz2.compress: "bz2", lzma.compress: "xz"}[pack]
    file = tmp_path / f"stores.csv.{suffix}"
    rows = b"".join(b"%d,name\n" % n for n in range(500))
    file.write_bytes(pack(b"store_id,store_name\n" + rows[:999]) + pack(rows[999:]))
    found, sizes = elsewhere(file)
    assert found == here(file)
    assert len(found[0]) == 500
    assert sizes == [file.stat().st_size]


@pytest.mark.parametrize("name", ["stores.parquet", "part-00000"])
def test_a_parquet_file_is_sent_group_by_group_without_columns_that_are_not_needed(
    tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    columns = {
        "unused": pa.array([f"{n:02000d}" for n in range(300)]),
        "Store_Id": pa.array(range(300)),
        "store_name": pa.array([f"name {n}" for n in range(300)]),
    }
    pq.write_table(pa.table(columns), file, row_group_size=50, compression="none")
    found, sizes = elsewhere(file)
    assert found == here(file)
    assert len(found[0]) == 300
    assert len(sizes) > 6
    assert max(sizes) < file.stat().st_size / 3


def test_a_row_of_a_parquet_file_is_numbered_through_the_steps(tmp_path: Path) -> None:
    file = tmp_path / "stores.parquet"
    ids = [*range(120), None]
    table = pa.table({"store_id": pa.array(ids), "store_name": pa.array(["x"] * len(ids))})
    pq.write_table(table, file, row_group_size=25)
    with pytest.raises(BadData) as caught:
        elsewhere(file)
    assert (caught.value.row, caught.value.column) == (121, "store_id")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"ranges":[],"form":"text","at":0,"line":1,"groups":[0,0]}',
        '{"ranges":[[0,11]],"form":"text","at":0,"line":1,"groups":[0,0]}',
        '{"ranges":[[-1,2]],"form":"text","at":0,"line":1,"groups":[0,0]}',
        '{"ranges":[[0,1]],"form":"other","at":0,"line":1,"groups":[0,0]}',
        '{"ranges":[[0,1]],"form":"text","at":5,"line":1,"groups":[0,0]}',
        '{"ranges":[[0,1]],"form":"text","at":0,"line":1,"groups":[2,1]}',
        '{"ranges":[[0,1e99]],"form":"text","at":0,"line":1,"groups":[0,0]}',
        "[" * 100_000,
    ],
)
def test_what_is_no_step_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        step_of(text, 10)
