"""`coffeeshop demo`: three clients, three data sets, and a task killed in each session."""

from __future__ import annotations

import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from coffeeshop.client.folder import open_folder
from coffeeshop.client.results import to_csv
from coffeeshop.client.upload import Uploaded
from coffeeshop.gateway.results import Completed
from coffeeshop.generate import generate
from coffeeshop.local import LocalSystem
from coffeeshop.testing.crash import crash_tasks

CLIENTS = (
    ("north", 1, "kaggle", "dirs"),
    ("south", 2, "export", "flat"),
    ("west", 3, "kaggle", "flat"),
)


def demo(transactions: int) -> None:
    """Run the demonstration and print what happened."""
    console = Console()
    lock = threading.Lock()

    def say(client: str, text: str) -> None:
        with lock:
            console.print(f"{time.perf_counter() - began:6.2f} s  [bold]{client:<6}[/] {text}")

    with tempfile.TemporaryDirectory(prefix="coffeeshop-demo-") as directory:
        began = time.perf_counter()
        for name, seed, dialect, layout in CLIENTS:
            rows = generate(
                Path(directory) / name,
                transactions=transactions,
                seed=seed,
                dialect=dialect,
                layout=layout,
            )
            say(name, f"has {sum(rows.values()):,} rows ({dialect} dialect, {layout} layout)")
        calm = _run_all(Path(directory), say)
        say("all", "now the same three once more, and one task in each session is made to crash")
        with crash_tasks(lambda task: say("crash", f"{task.producer} of {task.session[:8]}")):
            disturbed = _run_all(Path(directory), say)
        _compare(console, calm, disturbed)


Answer = tuple[Uploaded, Completed]


def _run_all(directory: Path, say: object) -> dict[str, Answer]:
    assert callable(say)
    with LocalSystem() as system, ThreadPoolExecutor(len(CLIENTS)) as pool:

        def client(name: str) -> Answer:
            answer = system.analyse(
                open_folder(directory / name),
                on_complete=lambda query: say(name, f"received {query}"),
            )
            say(name, "is done; its session is released")
            return answer

        names = [name for name, *_ in CLIENTS]
        return dict(zip(names, pool.map(client, names), strict=True))


def _compare(console: Console, calm: dict[str, Answer], disturbed: dict[str, Answer]) -> None:
    table = Table(title="Each client's own answers", title_justify="left")
    for column in ("client", "rows", "query 1 rows", "best seller", "same answer after a crash"):
        table.add_column(column)
    for name, (uploaded, completed) in calm.items():
        again = disturbed[name][1]
        same = all(to_csv(t) == to_csv(again.tables[q]) for q, t in completed.tables.items())
        best = completed.tables["query2_best_selling"].slice(0, 1).to_pylist()
        table.add_row(
            name,
            f"{sum(uploaded.rows.values()):,}",
            f"{completed.tables['query1'].num_rows:,}",
            best[0]["item_name"] if best else "",
            "byte for byte" if same else "NO",
        )
    console.print(table)
