"""What a person sees: bars on a terminal only, and the first rows of each result."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console

from coffeeshop.client.folder import DataFolder, open_folder
from coffeeshop.client.gateway import Event
from coffeeshop.commands.show import SHOWN_ROWS, TITLES, Bars, show_results
from coffeeshop.operators.final import RESULTS
from coffeeshop.schema import TABLES


def console(*, terminal: bool = False) -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=terminal,
        force_interactive=terminal,
        width=120,
        color_system=None,
    )


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    """A folder of files of 100 bytes; one of them is empty."""
    for table in TABLES:
        (tmp_path / f"{table}.csv").write_bytes(b"" if table == "users" else b"x" * 100)
    return open_folder(tmp_path)


def test_a_terminal_shows_a_full_bar_a_table_at_the_end(folder: DataFolder) -> None:
    screen = console(terminal=True)
    with Bars(screen, folder, enabled=True) as bars:
        bars.advance("stores", 1_234, 40)
        bars.advance("stores", 1_000, 40)
    shown = said(screen)
    assert all(table in shown for table in TABLES)
    assert "2,234 rows" in shown
    assert shown.count("100 %") >= len(TABLES)


def test_answered_queries_have_a_bar_of_their_own(folder: DataFolder) -> None:
    screen = console(terminal=True)
    with pytest.raises(RuntimeError), Bars(screen, folder, enabled=True) as bars:  # noqa: PT012
        bars.event(Event("progress", {}, 0))
        for number, query in enumerate(list(TITLES)[:2]):
            bars.event(Event("result", {"query": query}, number))
        raise RuntimeError("stop here")
    assert "results" in said(screen)
    assert f"{100 * 2 // len(TITLES)} %" in said(screen)


def test_bars_stay_where_they_are_when_it_fails(folder: DataFolder) -> None:
    def fail() -> None:
        with Bars(screen, folder, enabled=True) as bars:
            bars.advance("stores", 10, 40)
            raise RuntimeError("on purpose")

    screen = console(terminal=True)
    with pytest.raises(RuntimeError):
        fail()
    assert "100 %" not in said(screen)
    assert "40 %" in said(screen)


@pytest.mark.parametrize(("terminal", "enabled"), [(False, True), (True, False)])
def test_no_bar_is_shown_off_a_terminal_or_when_not_wanted(
    folder: DataFolder, terminal: bool, enabled: bool
) -> None:
    screen = console(terminal=terminal)
    with Bars(screen, folder, enabled=enabled) as bars:
        bars.advance("stores", 10, 40)
    assert said(screen).strip() == ""


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
