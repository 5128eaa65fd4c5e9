"""Several clients at once, each with its own data set, each getting its own answers only.

    python examples/multiple_datasets.py
    python examples/multiple_datasets.py --gateway http://127.0.0.1:9000 --clients 8

Generates a small data set per client in a temporary folder, runs all clients at once, prints what
each one was answered, and checks it against an analysis of that data set alone. Without a gateway
the clients share one `coffeeshop.Client`, which analyses in this process; no broker and no other
process is needed. With one, each is a client of its own. Exits with 1 when an answer is wrong.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import coffeeshop

HERE = "memory:"
Analyse = Callable[[Path], coffeeshop.Results]
"""Runs one session over a data folder. Thread-safe."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; returns the exit code."""
    options = _options(arguments)
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
        how = {
            "--transactions": str(transactions * number),
            "--seed": str(seed + number),
            "--dialect": "export" if number % 2 else "kaggle",
        }
        options = [word for pair in how.items() for word in pair]
        command = [sys.executable, "-m", "coffeeshop", "generate", "--quiet", str(folder)]
        subprocess.run([*command, *options], check=True)
    return folders


def embedded(folders: Sequence[Path]) -> list[coffeeshop.Results]:
    """All folders at once by one client inside this process."""
    with coffeeshop.Client(HERE) as client:
        return at_once(folders, client.submit)


def by_gateway(folders: Sequence[Path], url: str) -> list[coffeeshop.Results]:
    """All folders at once by the system behind a gateway; a client and a session for each."""

    def client(folder: Path) -> coffeeshop.Results:
        with coffeeshop.Client(url) as connected:
            return connected.submit(folder)

    return at_once(folders, client)


def at_once(folders: Sequence[Path], analyse: Analyse) -> list[coffeeshop.Results]:
    """Every folder's answers, in the order of the folders; a thread for each."""
    with ThreadPoolExecutor(len(folders)) as pool:
        return list(pool.map(analyse, folders))


def alone(folder: Path) -> coffeeshop.Results:
    """The answers of a folder that nobody shares a system with."""
    with coffeeshop.Client(HERE) as client:
        return client.submit(folder)


def report(folder: Path, answer: coffeeshop.Results, expected: coffeeshop.Results) -> bool:
    """Print a client's answers; whether they are, byte for byte, those of its data alone."""
    print(f"{folder.name}:")
    for query, table in answer.items():
        first = next(iter(table.slice(0, 1).to_pylist()), None)
        begins = "" if first is None else ", beginning with " + " ".join(map(str, first.values()))
        print(f"  {query:<22} {table.num_rows:>5} rows{begins}")
    return csv_files(answer) == csv_files(expected)


def csv_files(results: coffeeshop.Results) -> dict[str, bytes]:
    """The five result files as they are written."""
    with tempfile.TemporaryDirectory(prefix="coffeeshop-example-") as directory:
        return {file.name: file.read_bytes() for file in results.write(directory)}


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
