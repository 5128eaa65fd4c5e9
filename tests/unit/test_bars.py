"""Bars that show how far an analysis is, on a terminal only."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from coffeeshop.client.sse import Event
from coffeeshop.commands.bars import DrawnBars, NoBars, bars_of
from coffeeshop.reading.folder import DataFolder
from coffeeshop.schema import TABLES


def console() -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        force_interactive=True,
        width=120,
        color_system=None,
    )


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    """A folder of files of 100 bytes; one of them is empty."""
    files = {table: tmp_path / f"{table}.csv" for table in TABLES}
    for table, file in files.items():
        file.write_bytes(b"" if table == "users" else b"x" * 100)
    sizes = {table: file.stat().st_size for table, file in files.items()}
    return DataFolder(tmp_path, {table: (file,) for table, file in files.items()}, sizes=sizes)


def test_a_terminal_shows_a_full_bar_a_table_at_the_end(folder: DataFolder) -> None:
    screen = console()
    with DrawnBars(folder, screen) as bars:
        bars.advance("stores", 1_234, 40)
        bars.advance("stores", 1_000, 40)
    shown = said(screen)
    assert all(table in shown for table in TABLES)
    assert "2,234 rows" in shown
    assert shown.count("100 %") >= len(TABLES)


def test_answered_queries_have_a_bar_of_their_own(folder: DataFolder) -> None:
    screen = console()
    with pytest.raises(RuntimeError), DrawnBars(folder, screen) as bars:  # noqa: PT012
        bars.event(Event("progress", {}, 0))
        for number, query in enumerate(("query1", "query3")):
            bars.event(Event("result", {"query": query}, number))
        raise RuntimeError("stop here")
    assert "results" in said(screen)
    assert "40 %" in said(screen)


def test_bars_stay_where_they_are_when_it_fails(folder: DataFolder) -> None:
    def fail() -> None:
        with DrawnBars(folder, screen) as bars:
            bars.advance("stores", 10, 40)
            raise RuntimeError("on purpose")

    screen = console()
    with pytest.raises(RuntimeError):
        fail()
    assert "100 %" not in said(screen)
    assert "40 %" in said(screen)


def test_a_table_that_is_done_is_full_although_its_header_was_not_counted(
    folder: DataFolder,
) -> None:
    screen = console()
    with pytest.raises(RuntimeError), DrawnBars(folder, screen) as bars:  # noqa: PT012
        bars.advance("stores", 2, 78)
        bars.advance("transactions", 1, 10)
        raise RuntimeError("stop here")
    stores = next(line for line in reversed(said(screen).splitlines()) if "stores" in line)
    assert "100 %" in stores


def test_off_a_terminal_there_are_no_bars(
    folder: DataFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    with bars_of(folder, enabled=True) as bars:
        assert isinstance(bars, NoBars)
        bars.advance("stores", 10, 40)
        bars.event(Event("result", {"query": "query1"}, 0))
    assert capsys.readouterr().err == ""
