"""The commands that ask a gateway. Imports of the system are inside, as in `coffeeshop.cli`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coffeeshop.cli_access import credentials, credentials_options
from coffeeshop.cli_help import Command, Example
from coffeeshop.cli_types import (
    DEFAULT_GATEWAY,
    FORMATS,
    QUERIES,
    STATES,
    Choice,
    SessionId,
    report_option,
)
from coffeeshop.settings import Settings, set_up_logging

if TYPE_CHECKING:
    from coffeeshop.client.gateway import GatewayClient

PATIENCE = 10.0
"""Seconds a command that only asks waits for an answer."""

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_quiet_option = click.option("--quiet", "-q", "ids", is_flag=True, help="Print ids only.")


def _command(
    *examples: Example, short: str | None = None
) -> Callable[[Callable[..., Any]], click.Command]:
    """A command with the options of all that ask a gateway."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        own = len(getattr(function, "__click_params__", ()))
        for option in (
            click.option(
                "--gateway-patience",
                "patience",
                type=click.FloatRange(min=0),
                help="Seconds to wait for an answer.  [COFFEESHOP_GATEWAY_PATIENCE, 10]",
            ),
            click.option("--gateway", help=f"[COFFEESHOP_GATEWAY, {DEFAULT_GATEWAY}]"),
            credentials_options,
        ):
            function = option(function)
        made: click.Command = click.command(cls=Command, examples=examples, short_help=short)(
            function
        )
        # Help shows first what is the command's own.
        made.params = made.params[-own:] + made.params[:-own]
        return made

    return decorate


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


def _mode(as_json: bool, ids: bool) -> str:
    return "json" if as_json else "ids" if ids else "table"


@_command(
    ("the newest twenty", "coffeeshop sessions"),
    ("ids of those that failed", "coffeeshop sessions --state failed -q"),
)
@click.option("--state", type=Choice(STATES))
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@_quiet_option
@_json_option
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

        remote_commands.sessions(client, state, limit, _mode(as_json, ids))


@_command(
    ("the gateway's figures", "coffeeshop status"),
    ("a session, for programs", "coffeeshop status ID --json"),
)
@click.argument("session", required=False, type=SessionId())
@_json_option
def status(session: str | None, as_json: bool, gateway: str | None, patience: float | None) -> None:
    """Show a SESSION, or without one the gateway's figures."""
    with _client(gateway, patience) as client:
        from coffeeshop import remote_commands

        remote_commands.status(client, session, as_json)


@_command(
    ("redrawn on a terminal, a line an event elsewhere", "coffeeshop watch ID"),
    ("a JSON object an event", "coffeeshop watch ID --json"),
)
@click.argument("session", type=SessionId())
@_quiet_option
@_json_option
def watch(
    session: str, ids: bool, as_json: bool, gateway: str | None, patience: float | None
) -> None:
    """Follow a SESSION to its end; ends with its exit code."""
    with _client(gateway, patience) as client:
        from coffeeshop import watching

        watching.watch(client, session, _mode(as_json, ids))


@_command(
    ("writes results/<folder name>/*.csv", "coffeeshop results ID"),
    ("one of them to standard output", "coffeeshop results ID --query query3 -o -"),
    (
        "a Parquet file",
        "coffeeshop results ID --query query1 --format parquet -o - > query1.parquet",
    ),
)
@click.argument("session", type=SessionId("completed"))
@click.option("--query", type=Choice(QUERIES), help="One result only.")
@click.option(
    "-o",
    "--output-dir",
    "output",
    type=click.Path(path_type=Path, allow_dash=True),
    help="A folder, or - for stdout.  [results/<folder name>]",
)
@click.option("--format", "file_format", type=Choice(FORMATS), default="csv", show_default=True)
@report_option
@click.option("--quiet", "-q", is_flag=True, help="Print nothing; with -o - still the result.")
@click.option("--json", "as_json", is_flag=True, help="Print the files' names as JSON.")
def results(
    session: str,
    query: str | None,
    output: Path | None,
    file_format: str,
    report: Path | None,
    quiet: bool,
    as_json: bool,
    gateway: str | None,
    patience: float | None,
) -> None:
    """Fetch the results of a completed SESSION."""
    with _client(gateway, patience) as client:
        from coffeeshop import remote_commands

        wish = remote_commands.Wish(query, output, file_format, _mode(as_json, quiet), report)
        remote_commands.results(client, session, wish)


@_command(
    ("it ends at once, for everybody", "coffeeshop cancel ID"),
    ("for programs", "coffeeshop cancel ID --json"),
)
@click.argument("session", type=SessionId("open"))
@_quiet_option
@_json_option
def cancel(
    session: str, ids: bool, as_json: bool, gateway: str | None, patience: float | None
) -> None:
    """End a SESSION."""
    with _client(gateway, patience) as client:
        from coffeeshop import remote_commands

        remote_commands.cancel(client, session, _mode(as_json, ids))


@_command(
    ("what runs, and what it does", "coffeeshop nodes"),
    ("for programs", "coffeeshop nodes --json"),
)
@_quiet_option
@_json_option
def nodes(ids: bool, as_json: bool, gateway: str | None, patience: float | None) -> None:
    """List the processes that work for this system."""
    with _client(gateway, patience) as client:
        from coffeeshop import remote_commands

        remote_commands.nodes(client, _mode(as_json, ids))


@_command(
    ("exit code 1 when something is wrong", "coffeeshop doctor"),
    ("of another gateway", "coffeeshop doctor --gateway http://127.0.0.1:9001"),
    short="Check that nothing is missing or left behind.",
)
@_json_option
def doctor(as_json: bool, gateway: str | None, patience: float | None) -> None:
    """Check that everything is there and that nothing is left behind."""
    with _client(gateway, patience) as client:
        from coffeeshop.doctor import doctor as run

        run(client, as_json)


OF_SESSIONS: tuple[click.Command, ...] = (watch, results, cancel, sessions)
OF_SYSTEM: tuple[click.Command, ...] = (status, nodes, doctor)
