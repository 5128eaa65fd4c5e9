"""What `coffeeshop compare` does: it finds both sides, compares them, and shows or writes that."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from rich.table import Table
from rich.text import Text

from coffeeshop.client.result_files import read_results
from coffeeshop.client.results import write_results
from coffeeshop.comparison import (
    DIFFERENCE,
    PERCENT,
    A,
    B,
    Comparison,
    Sides,
    checked_years,
    known_by_sql,
)
from coffeeshop.comparison import compare as compared
from coffeeshop.errors import UsageError
from coffeeshop.formats import as_text, body_of, to_json
from coffeeshop.names import error_of
from coffeeshop.suggestions import did_you_mean
from coffeeshop.terminal import console, shown

if TYPE_CHECKING:  # folders need no HTTP client
    from coffeeshop.client.gateway import GatewayClient

PLACE = Path("results", "compared")


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of one run."""

    a: str
    b: str | None
    years: tuple[str, str] | None
    period: tuple[str, str, str] | None
    keys: tuple[str, ...]
    query: str | None
    output: Path | None
    file_format: str
    rows: int
    as_json: bool
    client: Callable[[], GatewayClient]
    """Asked once a side is no folder and no file."""


@dataclass(frozen=True)
class Found:
    """The results of a side, and the key columns that its questions say."""

    tables: Mapping[str, pa.Table]
    known: Mapping[str, tuple[str, ...]]


def compare(request: Request) -> None:
    """Compare and print, or write. Raises `UsageError`, and what a gateway says no to."""
    _check(request)
    sides = Sides(checked_years(request.years), request.period)
    a = _found(request, request.a)
    b = a if request.b is None else _found(request, request.b)
    known = {**b.known, **a.known}
    left, right = ({n: t for n, t in side.tables.items() if _wanted(request, n)} for side in (a, b))
    if request.query is not None and not left and not right:
        there = list(dict.fromkeys((*a.tables, *b.tables)))
        meant = did_you_mean(request.query, there) or f"; there are {', '.join(there)}"
        raise UsageError(f"no result {request.query!r}{meant}")
    found = compared(left, right, sides=sides, keys=request.keys, known=known)
    for name, why in found.left_out.items():
        print(f"{shown(name)} is left out: {shown(why)}", file=sys.stderr)
    if request.file_format == "table":
        _print(request, found)
    else:
        _write(request, found)


def _check(request: Request) -> None:
    if request.b is None and request.years is None and request.period is None:
        raise UsageError("what is it compared with? Name B, or say --years or --period")
    if request.file_format == "table" and request.output is not None:
        raise UsageError("--format table prints: with --output-dir say another, such as csv")
    if str(request.output) == "-" and request.as_json:
        raise UsageError("--json lists files, but -o - writes none: leave out one of them")


def _wanted(request: Request, name: str) -> bool:
    return request.query in (None, name)


def _found(request: Request, side: str) -> Found:
    place = Path(side)
    if place.is_dir() or place.is_file():
        return Found(read_results(place), {})
    if len(place.parts) > 1:
        raise UsageError(f"there is no folder and no file {side}")
    from coffeeshop.client.remote import fetch, queries_of
    from coffeeshop.commands.connecting import session_id

    with closing(request.client()) as client:
        known: dict[str, Any] = client.session(session_id(client, side))
        if known["state"] == "open":
            raise UsageError(f"not complete yet; follow it with: coffeeshop watch {known['id']}")
        if (error := error_of(known["state"], known["reason"])) is not None:
            raise error
        queries = [query for query in queries_of(known) if _wanted(request, query)]
        tables = fetch(client, known["id"], queries)
    texts = {each["name"]: each["sql"] for each in known.get("questions") or ()}
    return Found(tables, known_by_sql(texts, tables))


def _print(request: Request, found: Comparison) -> None:
    if request.as_json:
        rows = {name: json.loads(to_json(table)) for name, table in found.tables.items()}
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    labels = _labels(request)
    for name, table in found.tables.items():
        for drawn in _drawn(name, table, labels, request.rows):
            console().print(drawn)


def _labels(request: Request) -> tuple[str, str]:
    """What the sides are called on the terminal."""
    if request.period is not None:
        return request.period[1], request.period[2]
    names = [Path(each).name[:12] for each in (request.a, request.b or request.a)]
    if request.years is not None:
        names = [f"{n} {y}" for n, y in zip(names, request.years, strict=True)]
        return (names[0], names[1]) if request.b else request.years
    return (names[0], names[1]) if names[0] != names[1] else ("A", "B")


def _drawn(name: str, table: pa.Table, labels: tuple[str, str], most: int) -> Iterator[Table]:
    """A table for each column that is compared: the keys, both sides, and how they differ."""
    columns = table.column_names
    values = [each.removesuffix(B) for each in columns if _is_value(each, columns)]
    texts = {each: as_text(table[each].slice(0, most)).to_pylist() for each in columns}
    of_values = {value + suffix for value in values for suffix in (A, B, DIFFERENCE, PERCENT)}
    keys = [each for each in columns if each not in of_values]
    for value in values:
        told = {A: labels[0], B: labels[1], DIFFERENCE: "difference", PERCENT: "%"}
        there = {value + end: head for end, head in told.items() if value + end in texts}
        drawn = Table(title=shown(f"{name}: {value}"), title_justify="left", header_style="bold")
        for key in keys:
            drawn.add_column(shown(key), overflow="fold")
        for head in there.values():
            drawn.add_column(shown(head), justify="right")
        for cells in zip(*(texts[each] for each in (*keys, *there)), strict=True):
            # As text, since a name may look like markup.
            drawn.add_row(*(Text(shown(cell)) for cell in cells))
        if table.num_rows > most:
            drawn.caption = f"{most} of {table.num_rows:,} rows"
        yield drawn


def _is_value(column: str, columns: Sequence[str]) -> bool:
    return column.endswith(B) and column.removesuffix(B) + A in columns


def _write(request: Request, found: Comparison) -> None:
    if str(request.output) == "-":
        if len(found.tables) != 1:
            raise UsageError(f"-o - needs one --query: {', '.join(found.tables)}")
        ((name, table),) = found.tables.items()
        if request.file_format in ("parquet", "xlsx") and sys.stdout.isatty():
            raise UsageError(f"{request.file_format} is binary and not for terminals")
        sys.stdout.buffer.write(body_of(name, table, request.file_format))
        return
    files = write_results(found.tables, request.output or PLACE, request.file_format)
    if request.as_json:
        print(json.dumps({"files": [str(file) for file in files]}, indent=1))
    else:
        print("".join(f"{shown(str(file))}\n" for file in files), end="")
