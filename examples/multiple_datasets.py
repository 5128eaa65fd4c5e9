"""Several clients at once, each with its own data set, each getting its own answers only.

    python examples/multiple_datasets.py
    python examples/multiple_datasets.py --gateway http://127.0.0.1:9000 --clients 8

Generates a small data set per client in a temporary folder, runs all clients at once, prints what
each one was answered, and checks it against an analysis of that data set alone. Without a gateway
the clients share an embedded system; no broker and no other process is needed. With one, they are
HTTP clients, as `coffeeshop submit` is then. Exits with 1 when an answer is wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from coffeeshop.client.folder import open_folder
from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse
from coffeeshop.client.results import to_csv
from coffeeshop.client.upload import use_one_columnar_thread
from coffeeshop.generate import generate
from coffeeshop.local import LocalSystem
from coffeeshop.messages import SessionSpec
from coffeeshop.telemetry import configure_logging

Tables = dict[str, pa.Table]
"""The answers of one session by query name."""
Analyse = Callable[[Path], Tables]
"""Runs one session over a data folder. Thread-safe."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; returns the exit code."""
    options = _options(arguments)
    configure_logging("quiet")
    with tempfile.TemporaryDirectory(prefix="coffeeshop-example-") as directory:
        folders = make_data(Path(directory), options.clients, options.transactions, options.seed)
        if options.gateway is None:
            answers = embedded(folders)
        else:
            answers = by_gateway(folders, options.gateway)
        wrong = [
            folder.name
            for folder, answer in zip(folders, answers, strict=True)
            if not report(folder, answer, alone(folder))
        ]
    if wrong:
        print(f"WRONG: {', '.join(wrong)}", file=sys.stderr)
        return 1
    print(f"{len(folders)} clients at once, each with the answers of its own data")
    return 0


def make_data(directory: Path, clients: int, transactions: int, seed: int) -> list[Path]:
    """A data set for each client: another seed and another size, so another answer."""
    folders = [directory / f"dataset{number}" for number in range(1, clients + 1)]
    for number, folder in enumerate(folders, start=1):
        dialect = "export" if number % 2 else "kaggle"
        generate(folder, transactions=transactions * number, seed=seed + number, dialect=dialect)
    return folders


def embedded(folders: Sequence[Path]) -> list[Tables]:
    """All folders at once by one system inside this process."""
    with LocalSystem() as system:
        return at_once(folders, lambda folder: system.analyse(open_folder(folder))[1].tables)


def by_gateway(folders: Sequence[Path], url: str) -> list[Tables]:
    """All folders at once by the system behind a gateway; a client and a session for each."""
    use_one_columnar_thread()  # the clients are threads already

    def client(folder: Path) -> Tables:
        connection = GatewayClient(url)
        session = SessionSpec(str(uuid.uuid4()), plan="fused", producers=1, partitions=2)
        try:
            _, tables, _ = analyse(connection, open_folder(folder), session)
        finally:
            connection.close()
        return tables

    return at_once(folders, client)


def at_once(folders: Sequence[Path], analyse: Analyse) -> list[Tables]:
    """Every folder's answers, in the order of the folders; a thread for each."""
    with ThreadPoolExecutor(len(folders)) as pool:
        return list(pool.map(analyse, folders))


def alone(folder: Path) -> Tables:
    """The answers of a folder that nobody shares a system with."""
    with LocalSystem() as system:
        return system.analyse(open_folder(folder))[1].tables


def report(folder: Path, answer: Tables, expected: Tables) -> bool:
    """Print a client's answers; whether they are, byte for byte, those of its data alone."""
    print(f"{folder.name}:")
    for query, table in answer.items():
        first = next(iter(table.slice(0, 1).to_pylist()), None)
        begins = "" if first is None else ", beginning with " + " ".join(map(str, first.values()))
        print(f"  {query:<22} {table.num_rows:>5} rows{begins}")
    return csv_files(answer) == csv_files(expected)


def csv_files(tables: Tables) -> dict[str, bytes]:
    """The five result files as they would be written."""
    return {query: to_csv(table) for query, table in tables.items()}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--gateway", help="URL of a running gateway; embedded without it")
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--transactions", type=int, default=2_000, help="of the smallest data set")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.clients < 1 or options.transactions < 0:
        parser.error("at least one client, and no fewer than 0 transactions")
    return options


if __name__ == "__main__":
    sys.exit(main())
