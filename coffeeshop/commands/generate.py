"""`coffeeshop generate`. Imports of the system are inside, as in `coffeeshop.cli`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from coffeeshop.commands.help import Command
from coffeeshop.commands.types import Choice
from coffeeshop.terminal import hint


@click.command(
    cls=Command,
    short_help="Write an example data folder into OUT.",
    examples=(
        ("100,000 transactions", "coffeeshop generate .data/example"),
        (
            "another size and seed, one file per table",
            "coffeeshop generate my/folder --transactions 5000 --seed 7 --layout flat",
        ),
    ),
)
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--transactions", type=click.IntRange(min=0), default=100_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--dialect", type=Choice(["kaggle", "export"]), default="kaggle")
@click.option("--layout", type=Choice(["dirs", "flat"]), default="dirs")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers of rows as JSON.")
def generate(
    out: Path,
    transactions: int,
    seed: int,
    dialect: str,
    layout: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write an example data folder into OUT, with the irregularities of real exports.

    The same arguments write the same bytes.
    """
    from coffeeshop.errors import UsageError
    from coffeeshop.generate import generate as run

    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty; choose an empty or new folder")
    try:
        rows = run(out, transactions=transactions, seed=seed, dialect=dialect, layout=layout)
    except OSError as error:
        raise UsageError(f"cannot write to {out}: {error.strerror}") from error
    if as_json:
        print(json.dumps(rows))
    elif not quiet:
        for table, number in rows.items():
            print(f"{number:>12,} {table}")
        hint(f"coffeeshop submit {shlex.quote(str(out))}")
