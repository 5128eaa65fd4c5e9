"""`coffeeshop compare`. Imports of the system are inside, as in `coffeeshop.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from coffeeshop.commands.access import credentials, credentials_options
from coffeeshop.commands.help import Command
from coffeeshop.commands.types import DEFAULT_GATEWAY, Choice, Query, Seconds, Side
from coffeeshop.names import FORMATS
from coffeeshop.settings import Settings, set_up_logging

if TYPE_CHECKING:
    from coffeeshop.client.gateway import GatewayClient

PATIENCE = 10.0
"""Seconds that it waits for an answer."""


@click.command(
    cls=Command,
    short_help="Put two results side by side.",
    examples=(
        ("two folders of results", "coffeeshop compare results/malls results/stations"),
        ("two sessions of a gateway", "coffeeshop compare ID ID"),
        ("a year and the next", "coffeeshop compare results/example --years 2024 2025"),
    ),
)
@click.argument("a", type=Side())
@click.argument("b", required=False, type=Side())
@click.option(
    "--years",
    nargs=2,
    metavar="YEAR YEAR",
    help="Of A the rows of the first year, of B those of the second: January meets January.",
)
@click.option(
    "--period",
    nargs=3,
    metavar="COLUMN A B",
    help="Of A the rows where the column is the one value, of B those where it is the other.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="COLUMN",
    help="Rows belong together when these are equal.  [what the question groups by]",
)
@click.option("--query", type=Query(), help="One result only.")
@click.option(
    "-o",
    "--output-dir",
    "output",
    type=click.Path(path_type=Path, allow_dash=True),
    help="A folder, or - for stdout.  [results/compared]",
)
@click.option(
    "--format",
    "file_format",
    type=Choice((*FORMATS, "table")),
    default="table",
    show_default=True,
    help="table: print. Others write files: xlsx one workbook, es.csv for Spanish Excel.",
)
@click.option(
    "--rows", type=click.IntRange(min=1), default=25, show_default=True, help="Rows to print."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the rows, or the file names.")
@click.option(
    "--gateway-patience",
    "patience",
    type=Seconds(),
    help="Seconds to wait for an answer.  [COFFEESHOP_GATEWAY_PATIENCE, 10]",
)
@click.option("--gateway", help=f"[COFFEESHOP_GATEWAY, {DEFAULT_GATEWAY}]")
@credentials_options
def compare(  # noqa: PLR0913 - one for each option
    *,
    a: str,
    b: str | None,
    years: tuple[str, str] | None,
    period: tuple[str, str, str] | None,
    keys: tuple[str, ...],
    query: str | None,
    output: Path | None,
    file_format: str,
    rows: int,
    as_json: bool,
    patience: float | None,
    gateway: str | None,
) -> None:
    """Put the results of A and B side by side: values, differences, per cent.

    Each is a folder or a file of results, or a session of a gateway (its id, the beginning of it,
    or its name). Without B, A is compared with itself: say --years or --period.
    """
    from coffeeshop.commands.comparing import Request
    from coffeeshop.commands.comparing import compare as run

    run(
        Request(
            a=a,
            b=b,
            years=years,
            period=period,
            keys=keys,
            query=query,
            output=output,
            file_format=file_format,
            rows=rows,
            as_json=as_json,
            client=lambda: _client(gateway, patience),
        )
    )


def _client(gateway: str | None, patience: float | None) -> GatewayClient:
    settings = Settings.read()
    set_up_logging(settings, "normal")
    from coffeeshop.commands.connecting import connected

    url = gateway or settings.gateway or DEFAULT_GATEWAY
    waits = (patience, settings.gateway_patience, PATIENCE)
    seconds = next(each for each in waits if each is not None)
    return connected(url, seconds, credentials(settings, url))
