"""One table written as others write it: pandas, Polars, DuckDB, pyarrow, and the way Spark does."""

from __future__ import annotations

import bz2
import csv
import datetime as dt
import gzip
import io
import lzma
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from coffeeshop.schema import NULLS, TABLES, Kind
from tests.properties.data_sets import COLUMNS, Row

PACKERS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
PYTHON: dict[Kind, Callable[[str], Any]] = {
    Kind.TEXT: str,
    Kind.ID: lambda text: int(float(text)),
    Kind.COUNT: lambda text: int(float(text)),
    Kind.AMOUNT: Decimal,
    Kind.INSTANT: dt.datetime.fromisoformat,
    Kind.DATE: dt.date.fromisoformat,
}


def typed(table: str, rows: list[Row]) -> pa.Table:
    """The rows as values of the most exact types."""
    columns = {}
    for place, name in enumerate(COLUMNS[table]):
        column = next((c for c in TABLES[table].columns if c.name == name), None)
        kind = Kind.TEXT if column is None else column.kind
        values = [row[place] for row in rows]
        columns[name] = pa.array(
            [None if each in NULLS or each is None else PYTHON[kind](each) for each in values],
            pa.timestamp("us") if kind is Kind.INSTANT else kind.read_type,
        )
    return pa.table(columns)


def _put(file: Path, content: bytes, chance: random.Random) -> None:
    suffix = chance.choice(list(PACKERS))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.with_name(file.name + suffix).write_bytes(PACKERS[suffix](content))


def _place(folder: Path, table: str, suffix: str, chance: random.Random) -> Path:
    upper = str.upper if chance.random() < 0.2 else str
    file = chance.choice(
        [
            folder / f"{upper(table)}{upper(suffix)}",
            folder / table / f"a{suffix}",
            folder / upper(table) / "2024" / f"data_0{upper(suffix)}",
        ]
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def by_pandas(folder: Path, table: str, rows: pa.Table, chance: random.Random) -> None:
    frame = rows.to_pandas(types_mapper=chance.choice([None, pd.ArrowDtype]))
    for name in rows.column_names:
        if pa.types.is_decimal(rows[name].type) and chance.random() < 0.8:
            frame[name] = frame[name].astype(chance.choice(["float64", "float64", "float32"]))
    if chance.random() < 0.3 and len(frame):
        frame[rows.column_names[0]] = frame[rows.column_names[0]].astype("category")
    if chance.random() < 0.5:
        frame.to_parquet(_place(folder, table, ".parquet", chance), index=chance.random() < 0.5)
        return
    text = frame.to_csv(
        index=chance.random() < 0.3,
        sep=chance.choice([",", ";", "\t", "|"]),
        decimal=chance.choice([".", ".", ","]),
        na_rep=chance.choice(["", "NULL", r"\N"]),
        quoting=chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        lineterminator=chance.choice(["\n", "\r\n"]),
    )
    encoding = chance.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"])
    _put(_place(folder, table, ".csv", chance), text.encode(encoding), chance)


def by_polars(folder: Path, table: str, rows: pa.Table, chance: random.Random) -> None:
    frame: Any = pl.from_arrow(rows)
    for name in rows.column_names:
        if pa.types.is_decimal(rows[name].type) and chance.random() < 0.5:
            frame = frame.with_columns(pl.col(name).cast(pl.Float64))
        if pa.types.is_timestamp(rows[name].type):
            kind = pl.Datetime(chance.choice(["ms", "us"]), chance.choice([*[None] * 7, "UTC"]))
            frame = frame.with_columns(pl.col(name).cast(kind))
    if chance.random() < 0.5:
        frame.write_parquet(
            _place(folder, table, ".parquet", chance),
            compression=chance.choice(["zstd", "snappy", "uncompressed", "lz4"]),
            row_group_size=chance.choice([3, 1000]),
        )
        return
    text = frame.write_csv(
        separator=chance.choice([",", ";", "\t"]),
        null_value=chance.choice(["", "NULL"]),
        include_bom=chance.random() < 0.3,
        quote_style=chance.choice(["necessary", "always"]),
    )
    _put(_place(folder, table, ".csv", chance), text.encode(), chance)


def by_duckdb(folder: Path, table: str, rows: pa.Table, chance: random.Random) -> None:
    with duckdb.connect() as database:
        database.register("rows", rows)
        how = chance.choice(["csv", "parquet", "partitions"])
        if how == "partitions":
            database.execute(
                f"COPY (SELECT *, 1 AS part FROM rows) TO '{folder / table}' (FORMAT"
                f" {chance.choice(['csv', 'parquet'])}, PARTITION_BY (part))"
            )
            if not any((folder / table).rglob("*.*")):  # of no rows it writes no file
                by_pyarrow(folder, table, rows, chance)
        elif how == "parquet":
            file = _place(folder, table, ".parquet", chance)
            codec = chance.choice(["zstd", "snappy", "gzip", "uncompressed"])
            database.execute(f"COPY rows TO '{file}' (FORMAT parquet, COMPRESSION {codec})")
        else:
            suffix, codec = chance.choice([("", "none"), (".gz", "gzip"), (".zst", "zstd")])
            file = _place(folder, table, f".csv{suffix}", chance)
            database.execute(
                f"COPY rows TO '{file}' (FORMAT csv, HEADER, COMPRESSION {codec},"
                f" DELIMITER '{chance.choice([',', ';', '|'])}',"
                f" NULLSTR '{chance.choice(['', 'NULL'])}')"
            )


def by_pyarrow(folder: Path, table: str, rows: pa.Table, chance: random.Random) -> None:
    if chance.random() < 0.3:
        out = pa.BufferOutputStream()
        pacsv.write_csv(rows, out, pacsv.WriteOptions(quoting_style="needed"))
        _put(_place(folder, table, ".csv", chance), out.getvalue().to_pybytes(), chance)
        return
    for place, name in enumerate(rows.column_names):
        kind = rows[name].type
        others = {
            pa.string(): [pa.large_string(), pa.binary(), pa.string_view(), kind],
            pa.int64(): [pa.float64(), pa.decimal128(38, 2), pa.string(), kind],
            pa.timestamp("us"): [
                pa.timestamp("s"),
                pa.timestamp("us", "+08:00"),
                pa.string(),
                kind,
            ],
            pa.date32(): [pa.date64(), pa.timestamp("ms"), pa.string(), kind],
            pa.decimal128(18, 3): [pa.decimal256(50, 5), pa.float64(), pa.string(), kind],
        }[kind]
        wanted = chance.choice(others)
        if pa.types.is_timestamp(wanted) and wanted.tz is not None:
            wall = rows[name].cast(pa.timestamp("us", "UTC"))
            shifted = [None if w is None else w - dt.timedelta(hours=8) for w in wall.to_pylist()]
            changed = pa.chunked_array([pa.array(shifted, wanted)])
        else:
            changed = rows[name].cast(wanted)
        if chance.random() < 0.2 and not pa.types.is_string_view(wanted):
            changed = changed.dictionary_encode()
        rows = rows.set_column(place, name, changed)
    pq.write_table(
        rows,
        _place(folder, table, chance.choice([".parquet", ".pq"]), chance),
        row_group_size=chance.choice([4, 1000]),
        version=chance.choice(["1.0", "2.6"]),
        use_dictionary=chance.random() < 0.5,
        data_page_version=chance.choice(["1.0", "2.0"]),
        store_schema=chance.random() < 0.5,
        use_deprecated_int96_timestamps=chance.random() < 0.2,
    )


def by_spark(folder: Path, table: str, rows: pa.Table, chance: random.Random) -> None:
    """Parts with marks beside them; times with a zone or without, quotes behind backslashes."""
    inside = folder / chance.choice([table, f"{table}.csv"])
    inside.mkdir()
    (inside / "_SUCCESS").touch()
    (inside / "._SUCCESS.crc").write_bytes(b"crc\x00")
    zone = chance.choice([*[""] * 7, "Z", "+08:00"])
    half = rows.num_rows // 2
    for number, part in enumerate((rows.slice(0, half), rows.slice(half))):
        name = f"part-{number:05d}-6b1f0c9e-c000"
        if chance.random() < 0.4:
            pq.write_table(part, inside / f"{name}.snappy.parquet", flavor="spark")
            continue
        out = io.StringIO()
        how: Any = chance.choice(
            [{"doublequote": True}, {"doublequote": False, "escapechar": "\\"}]
        )
        writer = csv.writer(out, lineterminator="\n", **how)
        writer.writerow(part.column_names)
        for row in part.to_pylist():
            writer.writerow([_by_spark(value, zone) for value in row.values()])
        _put(inside / f"{name}.csv", out.getvalue().encode(), chance)


def _by_spark(value: Any, zone: str) -> str:
    if isinstance(value, dt.datetime):
        return f"{value.isoformat()}.000{zone}"
    return "" if value is None else str(value)


WRITERS = (by_pandas, by_polars, by_duckdb, by_pyarrow, by_spark)
