"""The commands that ask a gateway. Imports of the system are inside, as in `coffeeshop.cli`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from coffeeshop.cli_access import credentials, credentials_options, token
from coffeeshop.settings import Settings, set_up_logging

if TYPE_CHECKING:
    from coffeeshop.client.gateway import GatewayClient

DEFAULT_GATEWAY = "http://127.0.0.1:9000"
PATIENCE = 10.0
"""Seconds a command that only asks waits for an answer."""

_gateway_option = click.option("--gateway", help="[COFFEESHOP_GATEWAY, http://127.0.0.1:9000]")
_patience_option = click.option(
    "--gateway-patience",
    "patience",
    type=click.FloatRange(min=0),
    help="Seconds to wait for an answer.  [COFFEESHOP_GATEWAY_PATIENCE, 10]",
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_format_option = click.option(
    "--format", "file_format", type=click.Choice(["csv", "json", "parquet"]), default="csv"
)


@contextmanager
def _client(gateway: str | None, patience: float | None) -> Iterator[GatewayClient]:
    settings = Settings.read()
    set_up_logging(settings, "normal")
    from coffeeshop.client.gateway import GatewayClient

    waits = (patience, settings.gateway_patience, PATIENCE)
    shown = credentials(settings)
    client = GatewayClient(
        gateway or settings.gateway or DEFAULT_GATEWAY,
        patience=next(seconds for seconds in waits if seconds is not None),
        token=shown.token,
        ca_file=shown.ca_file,
    )
    try:
        yield client
    finally:
        client.close()


@click.command()
@click.option("--state", type=click.Choice(["open", "completed", "failed", "cancelled", "aborted"]))
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--quiet", "-q", "ids", is_flag=True, help="Print ids only.")
@_json_option
@_gateway_option
@_patience_option
def sessions(
    state: str | None,
    limit: int,
    ids: bool,
    as_json: bool,
    gateway: str | None,
    patience: float | None,
) -> None:
    """List sessions, newest first."""
    with _client(gateway, patience) as client:
        from coffeeshop import remote_commands

        mode = "json" if as_json else "ids" if ids else "table"
        remote_commands.sessions(client, state, limit, mode)


@click.command()
@click.argument("session", required=False)
@_json_option
@_gateway_option
@_patience_option
def status(session: str | None, as_json: bool, gateway: str | None, patience: float | None) -> None:
    """Show a SESSION, or without one the gateway's figures."""
    with _client(gateway, patience) as client:
        from coffeeshop import remote_commands

        remote_commands.status(client, session, as_json)


@click.command()
@click.argument("session")
@_json_option
@_gateway_option
@_patience_option
def watch(session: str, as_json: bool, gateway: str | None, patience: float | None) -> None:
    """Follow a SESSION to its end; ends with its exit code."""
    with _client(gateway, patience) as client:
        from coffeeshop import remote_commands

        remote_commands.watch(client, session, as_json)


@click.command()
@click.argument("session")
@click.option("--query", help="One result only, such as query1.")
@click.option(
    "-o",
    "--output-dir",
    "output",
    type=click.Path(path_type=Path, allow_dash=True),
    help="A folder, or - for stdout.  [results/<folder name>]",
)
@_format_option
@_gateway_option
@_patience_option
def results(
    session: str,
    query: str | None,
    output: Path | None,
    file_format: str,
    gateway: str | None,
    patience: float | None,
) -> None:
    """Fetch the results of a completed SESSION."""
    with _client(gateway, patience) as client:
        from coffeeshop import remote_commands

        remote_commands.results(client, session, query, output, file_format)


@click.command()
@click.argument("session")
@_json_option
@_gateway_option
@_patience_option
def cancel(session: str, as_json: bool, gateway: str | None, patience: float | None) -> None:
    """End a SESSION."""
    with _client(gateway, patience) as client:
        from coffeeshop import remote_commands

        remote_commands.cancel(client, session, as_json)


@click.command()
@_json_option
@_gateway_option
@_patience_option
def nodes(as_json: bool, gateway: str | None, patience: float | None) -> None:
    """List the processes that work for this system."""
    with _client(gateway, patience) as client:
        from coffeeshop import remote_commands

        remote_commands.nodes(client, as_json)


@click.command()
@_json_option
@_gateway_option
@_patience_option
def doctor(as_json: bool, gateway: str | None, patience: float | None) -> None:
    """Check that everything is there and that nothing is left behind."""
    with _client(gateway, patience) as client:
        from coffeeshop.doctor import doctor as run

        run(client, as_json)


def add_to(group: click.Group) -> None:
    """Add the commands to the command line."""
    for command in (sessions, status, watch, results, cancel, nodes, doctor):
        group.add_command(credentials_options(command))
    group.add_command(token)
