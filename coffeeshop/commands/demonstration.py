"""`coffeeshop demo`: three clients at once, each with its own data set and its own answers.

Without a gateway all of it runs here, twice: calmly, and with a task killed in each session. With
one, the sessions run there, and then once more here to compare.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from coffeeshop.client.upload import Uploaded
from coffeeshop.errors import CoffeeshopError
from coffeeshop.formats import to_csv
from coffeeshop.generate import generate
from coffeeshop.local import LocalSystem
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.reading.folder import open_folder
from coffeeshop.sessions.results import Completed
from coffeeshop.settings import Credentials
from coffeeshop.terminal import console
from coffeeshop.testing.crash import crash_tasks

if TYPE_CHECKING:  # a demonstration in this process needs no HTTP client
    from coffeeshop.client.sse import Event

CLIENTS = (
    ("north", 1, "kaggle", "dirs"),
    ("south", 2, "export", "flat"),
    ("west", 3, "kaggle", "flat"),
)
NAMES = tuple(name for name, *_ in CLIENTS)
Answer = tuple[Uploaded, Completed]
Answers = dict[str, Answer]
Analyse = Callable[[str], Answer]
"""Runs the session of the client of that name."""
Gateway = tuple[str, Credentials]
"""Its URL, and what it is shown."""
Say = Callable[[str, str], None]
"""Prints what a client (by name) has to say. Thread-safe."""


class WrongAnswers(CoffeeshopError):
    """Two runs over the same data differ: a bug."""

    exit_code = 70


def demo(
    transactions: int,
    gateway: str | None = None,
    credentials: Credentials | None = None,
    *,
    as_json: bool = False,
) -> None:
    """Run the demonstration and print what happened. ``gateway``: the URL of one.

    Raises `WrongAnswers`, and with a gateway what `client.remote.analyse` raises.
    """
    screen = console()
    say = _silent if as_json else _speaker(screen)
    with tempfile.TemporaryDirectory(prefix="coffeeshop-demo-") as directory:
        data = Path(directory)
        _generate(data, transactions, say)
        if gateway is None:
            calm, again = _undisturbed_and_disturbed(data, say)
        else:
            shown = credentials or Credentials()
            calm, again = _there_and_here(data, (gateway, shown), say)
    found = [_compared(name, answer, again[name]) for name, answer in calm.items()]
    if as_json:
        print(json.dumps({"clients": [asdict(each) for each in found]}, indent=1))
    else:
        same = "same answer after a crash" if gateway is None else "same answer embedded"
        _show(screen, found, same)
    differing = [each.client for each in found if not each.same]
    if differing:
        raise WrongAnswers(
            f"two runs over the same data gave different results: {', '.join(differing)}"
        )


def _silent(client: str, text: str) -> None:
    pass


def _speaker(screen: Console) -> Say:
    lock = threading.Lock()
    began = time.perf_counter()

    def say(client: str, text: str) -> None:
        with lock:
            seconds = time.perf_counter() - began
            screen.print(f"{seconds:6.2f} s  [bold]{client:<6}[/] {escape(text)}", soft_wrap=True)

    return say


def _generate(directory: Path, transactions: int, say: Say) -> None:
    for name, seed, dialect, layout in CLIENTS:
        rows = generate(
            directory / name,
            transactions=transactions,
            seed=seed,
            dialect=dialect,
            layout=layout,
        )
        say(name, f"has {sum(rows.values()):,} rows ({dialect} dialect, {layout} layout)")


def _undisturbed_and_disturbed(directory: Path, say: Say) -> tuple[Answers, Answers]:
    calm = _embedded(directory, say)
    say("all", "the same three again; now one task of each session crashes on purpose")
    with crash_tasks(lambda task: say("crash", f"{task.producer} of {task.session[:8]}")):
        return calm, _embedded(directory, say)


def _there_and_here(directory: Path, gateway: Gateway, say: Say) -> tuple[Answers, Answers]:
    from coffeeshop.client.upload import use_one_columnar_thread

    use_one_columnar_thread()
    there = _at_once(lambda name: _remote(name, directory / name, gateway, say))
    say("all", "the same three again in this process, for comparison")
    return there, _embedded(directory, lambda client, text: None)


def _embedded(directory: Path, say: Say) -> Answers:
    with LocalSystem() as system:

        def client(name: str) -> Answer:
            answer = system.analyse(
                open_folder(directory / name),
                on_complete=lambda query: say(name, f"received {query}"),
            )
            say(name, "has all results; its session is deleted")
            return answer

        return _at_once(client)


def _remote(name: str, folder: Path, gateway: Gateway, say: Say) -> Answer:
    from coffeeshop.client.gateway import GatewayClient
    from coffeeshop.client.remote import analyse

    url, shown = gateway
    spec = SessionSpec(str(uuid.uuid4()), "fused", 1, 2)
    say(name, f"opens session {spec.id}")
    made = GatewayClient(
        url,
        token=shown.token,
        ca_file=shown.ca_file,
        proxy_sees_token=shown.proxy_sees_token,
    )
    with closing(made) as client:
        uploaded, tables, warnings = analyse(
            client, open_folder(folder), spec, on_event=lambda event: _tell(name, event, say)
        )
    return uploaded, Completed(tables, warnings)


def _tell(name: str, event: Event, say: Say) -> None:
    detail = ", ".join(f"{key} {value}" for key, value in sorted(event.data.items()))
    say(name, f"event: {event.name} {detail}".rstrip())


def _at_once(analyse: Analyse) -> Answers:
    with ThreadPoolExecutor(len(NAMES)) as pool:
        return dict(zip(NAMES, pool.map(analyse, NAMES), strict=True))


@dataclass(frozen=True)
class Compared:
    """A client's own answers, and whether both runs gave the same bytes."""

    client: str
    rows: int
    query1_rows: int
    best_seller: str | None
    same: bool


def _compared(name: str, answer: Answer, again: Answer) -> Compared:
    uploaded, completed = answer
    best = completed.tables["query2_best_selling"].slice(0, 1).to_pylist()
    return Compared(
        name,
        sum(uploaded.rows.values()),
        completed.tables["query1"].num_rows,
        best[0]["item_name"] if best else None,
        _csv_files(completed) == _csv_files(again[1]),
    )


def _show(screen: Console, found: Sequence[Compared], same: str) -> None:
    table = Table(title="The results of each client", title_justify="left")
    for column in ("client", "rows", "query 1 rows", "best seller", same):
        table.add_column(column)
    for each in found:
        table.add_row(
            each.client,
            f"{each.rows:,}",
            f"{each.query1_rows:,}",
            each.best_seller or "",
            "byte for byte" if each.same else "NO",
        )
    screen.print(table)


def _csv_files(completed: Completed) -> dict[str, bytes]:
    return {query: to_csv(table) for query, table in completed.tables.items()}
