"""What a person sees on the terminal: progress bars, result tables, a summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from coffeeshop.client.folder import DataFolder
from coffeeshop.client.results import as_text

if TYPE_CHECKING:  # an analysis in this process needs no HTTP client
    from coffeeshop.client.gateway import Event

SHOWN_ROWS = 10
TITLES = {
    "query1": "Query 1 · transactions of 75 and more, 2024-2025, 06:00-23:00",
    "query2_best_selling": "Query 2 · best selling item per month",
    "query2_most_profitable": "Query 2 · most profitable item per month",
    "query3": "Query 3 · total payment value per half-year and store",
    "query4": "Query 4 · top three customers per store",
}


class Bars:
    """A progress bar per table. Use as a context manager; does nothing off a terminal."""

    def __init__(self, console: Console, folder: DataFolder, *, enabled: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<18}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[rows]:>12,} rows"),
            console=console,
            disable=not enabled or not console.is_interactive,
        )
        self._bars: dict[str, TaskID] = {
            # A compressed file holds more than its size: such a bar fills early.
            table: self._progress.add_task(table, total=max(folder.size(table), 1), rows=0)
            for table in folder.files
        }
        self._rows = dict.fromkeys(folder.files, 0)
        self._answered: list[str] = []
        self._answers: TaskID | None = None

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            for bar in self._bars.values():
                total = self._progress.tasks[bar].total
                self._progress.update(bar, completed=total)
        self._progress.stop()

    def event(self, event: Event) -> None:
        """Show what a gateway tells of the session: the queries that are answered."""
        if event.name == "result":
            self._answered.append(str(event.data["query"]))
            if self._answers is None:
                self._answers = self._progress.add_task("results", total=len(TITLES), rows=0)
            self._progress.update(self._answers, completed=len(self._answered))

    def advance(self, table: str, rows: int, size: int) -> None:
        """Show that a batch was taken."""
        self._rows[table] += rows
        self._progress.update(self._bars[table], advance=size, rows=self._rows[table])


def show_results(console: Console, tables: Mapping[str, pa.Table]) -> None:
    """Print each result's first rows."""
    for name, result in tables.items():
        table = Table(title=TITLES[name], title_justify="left", header_style="bold")
        for column, kind in zip(result.column_names, result.schema.types, strict=True):
            number = pa.types.is_decimal(kind) or pa.types.is_integer(kind)
            table.add_column(column, justify="right" if number else "left")
        columns = [as_text(column).to_pylist() for column in result.slice(0, SHOWN_ROWS).columns]
        for row in zip(*columns, strict=True):
            table.add_row(*map(Text, row))  # as text: a name may look like markup
        if result.num_rows > SHOWN_ROWS:
            table.caption = f"{SHOWN_ROWS} of {result.num_rows:,} rows"
        console.print(table)
