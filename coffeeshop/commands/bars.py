"""Progress on a terminal: a bar a table, and one of the answers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol, Self

from coffeeshop.reading.folder import DataFolder
from coffeeshop.terminal import console, is_redrawn

if TYPE_CHECKING:  # an analysis in this process needs no HTTP client, one off a terminal no bars
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from coffeeshop.client.sse import Event

RESULTS = 5


class Bars(Protocol):
    """Shows how far an analysis is. A context manager; shown from its beginning to its end."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None: ...

    def advance(self, table: str, rows: int, size: int) -> None:
        """A batch was taken: rows, and bytes of input."""
        ...

    def event(self, event: Event) -> None:
        """What a gateway tells of the session."""
        ...


def bars_of(folder: DataFolder, *, enabled: bool) -> Bars:
    """Bars where standard error is a terminal that can be redrawn; nothing at all elsewhere."""
    drawn = enabled and is_redrawn(sys.stderr)
    if drawn:
        return DrawnBars(folder, console(stderr=True))
    return Lines() if enabled else NoBars()


def word_of_workers(event: Event) -> str:
    """What is said of the workers, if that is what an event is about."""
    match event.name:
        case "waiting":
            return f"{event.data.get('reason', 'No worker is running')}."
        case "working":
            return "A worker is there: the analysis goes on."
    return ""


class NoBars:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        pass

    def advance(self, table: str, rows: int, size: int) -> None:
        """Nothing."""

    def event(self, event: Event) -> None:
        """Nothing."""


class Lines(NoBars):
    """Says on standard error what is to be known now: that no worker runs."""

    def event(self, event: Event) -> None:
        """Print what is said of workers."""
        if words := word_of_workers(event):
            console(stderr=True).print(words, highlight=False, soft_wrap=True)


class DrawnBars:
    """A bar per table; one of the answers when a gateway tells of them."""

    def __init__(self, folder: DataFolder, screen: Console) -> None:
        from rich.progress import BarColumn, Progress, TextColumn  # 50 ms that only a terminal pays

        self._progress: Progress = Progress(
            TextColumn("{task.description:<18}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[rows]:>12,} rows"),
            console=screen,
        )
        self._bars: dict[str, TaskID] = {
            # A compressed file holds more than its size: such a bar fills early.
            table: self._progress.add_task(table, total=max(folder.size(table), 1), rows=0)
            for table in folder.files
        }
        self._rows = dict.fromkeys(folder.files, 0)
        self._table: str | None = None
        self._answered = 0
        self._answers: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            for table in self._bars:
                self._fill(table)
        self._progress.stop()

    def event(self, event: Event) -> None:
        """Show the queries that are answered, and what is said of workers."""
        if words := word_of_workers(event):
            self._progress.console.print(words, highlight=False, soft_wrap=True)
        if event.name == "result":
            self._answered += 1
            if self._answers is None:
                self._answers = self._progress.add_task("results", total=RESULTS, rows=0)
            self._progress.update(self._answers, completed=self._answered)

    def advance(self, table: str, rows: int, size: int) -> None:
        """Show that a batch was taken. Tables come one after the other."""
        if self._table not in (None, table):
            self._fill(self._table)  # what is counted leaves out headers
        self._table = table
        self._rows[table] += rows
        self._progress.update(self._bars[table], advance=size, rows=self._rows[table])

    def _fill(self, table: str | None) -> None:
        if table is not None:
            bar = self._bars[table]
            self._progress.update(bar, completed=self._progress.tasks[bar].total)
