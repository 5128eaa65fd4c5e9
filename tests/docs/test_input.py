"""Each row of the tables in docs/queries.md of what is understood and what is refused."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coffeeshop.errors import BadData
from coffeeshop.reading.blocks import block_of_text
from coffeeshop.reading.folder import open_folder
from coffeeshop.reading.parquet import converted, parquet_rows
from coffeeshop.reading.parse import parse, read
from coffeeshop.schema import TABLES, Kind
from tests.docs.markdown import ROOT

PAGE = (ROOT / "docs" / "queries.md").read_text()
GOOD = {
    "transaction_id": "t",
    "store_id": "1",
    "user_id": "2",
    "final_amount": "5",
    "created_at": "2024-01-01 06:00:00",
}


def rows_of(heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    part = PAGE.split(f"\n### {heading}\n")[1].split("\n#")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")][1:]
    rows = [re.split(r"(?<!\\) \| ", line.removeprefix("| ").removesuffix(" |")) for line in lines]
    return [[cell.replace("\\|", "|") for cell in row] for row in rows]


def code(cell: str) -> list[str]:
    """What is in backquotes."""
    return re.findall(r"`([^`]*)`", cell)


def expect(wanted: str, reading: Callable[[], str]) -> None:
    """Hold a reading against what the page says of it."""
    if wanted.startswith("refused: "):
        with pytest.raises(BadData) as caught:
            reading()
        assert wanted.removeprefix("refused: ") in str(caught.value)
    else:
        assert reading() == wanted.split(":")[0] if wanted.startswith("read") else wanted


@pytest.mark.parametrize(("files", "wanted"), rows_of("Files"))
def test_what_the_page_says_of_files_is_so(tmp_path: Path, files: str, wanted: str) -> None:
    paths = code(files)
    for path in [*paths, *(f"{table}.csv" for table in TABLES if table != "users")]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    if wanted.startswith("refused"):
        expect(wanted, lambda: str(open_folder(tmp_path)))
        return
    folder = open_folder(tmp_path)
    assert folder.files["users"]
    if wanted == "read":
        assert folder.warnings == ()
    else:
        assert wanted.removeprefix("warning: ") in " ".join(folder.warnings)


def shown(value: Any, kind: Kind) -> str:
    if value is None:
        return "empty"
    return f"{Decimal(value) / 1000:.3f}" if kind is Kind.AMOUNT else str(value)


def values(table: str, text: str) -> list[str]:
    """The one row of a text, read by the scanner where it can and by the columnar parser."""
    block = block_of_text(TABLES[table], "file.csv", text.encode())
    (row,) = parse(block).batch.to_pylist()
    (again,) = read(block).batch.to_pylist()
    kinds = {column.name: column.kind for column in TABLES[table].columns}
    found, same = ([shown(each[n], kinds[n]) for n in kinds] for each in (row, again))
    assert len(found) == len(same)
    return found


@pytest.mark.parametrize(("column", "written", "wanted"), rows_of("Values"))
def test_what_the_page_says_of_values_is_so(column: str, written: str, wanted: str) -> None:
    value = "" if written == "(empty)" else code(written)[0]
    text = ",".join(GOOD) + "\n" + ",".join((GOOD | {column: value}).values()) + "\n"
    place = list(GOOD).index(column)
    if wanted.startswith("refused"):
        expect(wanted, lambda: values("transactions", text)[place])
    else:
        assert values("transactions", text)[place] == wanted


@pytest.mark.parametrize(("header", "row", "wanted"), rows_of("Texts"))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_the_page_says_of_texts_is_so(
    header: str, row: str, wanted: str, encoding: str
) -> None:
    table = "transaction_items" if "item_id" in header else "stores"
    text = f"{code(header)[0]}\n{code(row)[0]}\n".replace("⇥", "\t")
    packed = text.encode(encoding)

    def reading() -> str:
        block = block_of_text(TABLES[table], "file.csv", packed)
        kinds = {column.name: column.kind for column in TABLES[table].columns}
        (found,) = parse(block).batch.to_pylist()
        return ", ".join(shown(found[name], kinds[name]) for name in kinds)

    if wanted.startswith("refused"):
        expect(wanted, reading)
    else:
        assert reading() == wanted


MOMENT = dt.datetime(2024, 1, 1, 6)
TYPES: dict[str, pa.DataType] = {
    "date32": pa.date32(),
    "date64": pa.date64(),
    "double": pa.float64(),
    "float": pa.float32(),
    "halffloat": pa.float16(),
    "bool": pa.bool_(),
    "uuid": pa.uuid(),
    "list": pa.list_(pa.string()),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
}


def type_of(name: str) -> pa.DataType:
    found = re.fullmatch(r"timestamp\[(\w+)(?:, tz=(.*))?\]", name)
    if found is not None:
        return pa.timestamp(found[1], found[2])
    found = re.fullmatch(r"(decimal\d+)\((\d+), (\d+)\)", name)
    if found is not None:
        kind: pa.DataType = getattr(pa, found[1])(int(found[2]), int(found[3]))
        return kind
    return TYPES[name] if name in TYPES else getattr(pa, name)()


def one_value(kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array([MOMENT], kind)
    if pa.types.is_date(kind):
        return pa.array([MOMENT.date()], kind)
    if kind == pa.uuid():
        return pa.array([uuid.UUID(int=5).bytes], kind)
    if pa.types.is_list(kind):
        return pa.array([["5"]], kind)
    if pa.types.is_decimal(kind):
        return pa.array([Decimal(5)], kind)
    if pa.types.is_boolean(kind):
        return pa.array([True])
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return pa.array([5], kind)
    if pa.types.is_dictionary(kind):
        return pa.array(["5"]).dictionary_encode()
    return pa.array([b"5" if "binary" in str(kind) else "5"], kind)


PARQUET = [
    (column, name, wanted) for column, names, wanted in rows_of("Parquet") for name in code(names)
]


@pytest.mark.parametrize(("column", "name", "wanted"), PARQUET)
def test_what_the_page_says_of_parquet_is_so(
    tmp_path: Path, column: str, name: str, wanted: str
) -> None:
    columns = {
        "transaction_id": pa.array(["t"]),
        "store_id": pa.array([1]),
        "user_id": pa.array([2]),
        "final_amount": pa.array([5.0]),
        "created_at": pa.array([MOMENT]),
    }
    file = tmp_path / "transactions.parquet"
    pq.write_table(pa.table({**columns, column: one_value(type_of(name))}), file)

    def reading() -> str:
        (rows,) = parquet_rows(TABLES["transactions"], file)
        return str(converted(rows).batch.to_pylist())

    if wanted.startswith("refused"):
        expect(wanted, reading)
    else:
        value = converted(next(parquet_rows(TABLES["transactions"], file))).batch[column][0].as_py()
        meant = {"final_amount": 5000, "store_id": 5, "transaction_id": "5", "created_at": MOMENT}
        if name == "uuid":
            meant["transaction_id"] = str(uuid.UUID(int=5))
        if "Kuala" in name:
            meant["created_at"] = MOMENT + dt.timedelta(hours=8)
        assert value == meant[column]
