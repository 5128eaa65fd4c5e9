"""The first rows of each result, as tables."""

from __future__ import annotations

import io
from decimal import Decimal

import pyarrow as pa
import pytest
from rich.console import Console

from coffeeshop.commands.show import SHOWN_ROWS, TITLES, show_results
from coffeeshop.operators.final import RESULTS


def console() -> Console:
    return Console(file=io.StringIO(), force_terminal=False, width=120, color_system=None)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def results(rows: int, name: str = "Store {}") -> dict[str, pa.Table]:
    columns = [["2024-H1"] * rows, [name.format(n) for n in range(rows)], [Decimal(1)] * rows]
    schema = RESULTS["query3"]
    arrays = [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
    return {"query3": pa.table(arrays, schema=schema)}


def test_every_result_has_a_title() -> None:
    assert TITLES.keys() == RESULTS.keys()


def test_a_small_result_is_shown_whole() -> None:
    screen = console()
    show_results(screen, results(SHOWN_ROWS))
    shown = said(screen)
    assert shown.startswith(TITLES["query3"][:30])
    assert "year_half_created_at" in shown
    assert all(f"Store {n} " in shown for n in range(SHOWN_ROWS))
    assert "1.00" in shown
    assert " rows" not in shown


def test_of_a_large_result_the_first_rows_are_shown_and_the_others_counted() -> None:
    screen = console()
    show_results(screen, results(1_500))
    assert f"Store {SHOWN_ROWS - 1} " in said(screen)
    assert f"Store {SHOWN_ROWS} " not in said(screen)
    assert f"{SHOWN_ROWS} of 1,500 rows" in said(screen)


def test_a_result_without_rows_shows_its_columns() -> None:
    screen = console()
    show_results(screen, results(0))
    assert "store_name" in said(screen)


@pytest.mark.parametrize("name", ["Café [/b] №5", "[red]{}", "[/]", "a [link"])
def test_a_name_is_shown_as_it_is(name: str) -> None:
    screen = console()
    show_results(screen, results(1, name))
    assert name.format(0) in said(screen)
