"""The commands that ask a gateway. Imports of the system are inside, as in `coffeeshop.cli`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coffeeshop.commands.access import credentials, credentials_options
from coffeeshop.commands.help import Command, Example
from coffeeshop.commands.types import (
    DEFAULT_GATEWAY,
    Choice,
    Duration,
    Query,
    Seconds,
    SessionId,
    currency_option,
    report_option,
)
from coffeeshop.errors import UsageError
from coffeeshop.names import FORMATS, STATES
from coffeeshop.settings import Settings, set_up_logging

if TYPE_CHECKING:
    from coffeeshop.client.gateway import GatewayClient

PATIENCE = 10.0
"""Seconds a command that only asks waits for an answer."""

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_quiet_option = click.option("--quiet", "-q", "ids", is_flag=True, help="Print ids only.")


_gateway_options = (
    click.option(
        "--gateway-patience",
        "patience",
        type=Seconds(),
        help="Seconds to wait for an answer.  [COFFEESHOP_GATEWAY_PATIENCE, 10]",
    ),
    click.option("--gateway", help=f"[COFFEESHOP_GATEWAY, {DEFAULT_GATEWAY}]"),
    credentials_options,
)


def _command(
    *examples: Example, short: str | None = None
) -> Callable[[Callable[..., None]], click.Command]:
    """A command whose function gets a client of the gateway, then what its own options say."""

    def decorate(function: Callable[..., None]) -> click.Command:
        @wraps(function)
        def ask(gateway: str | None, patience: float | None, **own: Any) -> None:
            with closing(_client(gateway, patience)) as client:
                if own.get("session") is not None:
                    from coffeeshop.commands.connecting import session_id

                    own["session"] = session_id(client, own["session"])
                function(client, **own)

        number = len(getattr(function, "__click_params__", ()))
        for option in _gateway_options:
            ask = option(ask)
        made: click.Command = click.command(cls=Command, examples=examples, short_help=short)(ask)
        # Help shows first what is the command's own.
        made.params = made.params[-number:] + made.params[:-number]
        return made

    return decorate


def _client(gateway: str | None, patience: float | None) -> GatewayClient:
    settings = Settings.read()
    set_up_logging(settings, "normal")
    from coffeeshop.commands.connecting import connected

    waits = (patience, settings.gateway_patience, PATIENCE)
    url = gateway or settings.gateway or DEFAULT_GATEWAY
    seconds = next(seconds for seconds in waits if seconds is not None)
    return connected(url, seconds, credentials(settings, url))


def _mode(as_json: bool, ids: bool) -> str:
    return "json" if as_json else "ids" if ids else "table"


@_command(
    ("the newest twenty", "coffeeshop sessions"),
    ("ids of those that failed", "coffeeshop sessions --state failed -q"),
    ("those of one data set", "coffeeshop sessions --search malls"),
)
@click.option("--state", type=Choice(STATES))
@click.option("--search", default="", help="Words that name, id, owner, plan or reason contain.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--wide", is_flag=True, help="Whole ids, plans, and times to the second.")
@_quiet_option
@_json_option
def sessions(
    client: GatewayClient,
    state: str | None,
    search: str,
    limit: int,
    wide: bool,
    ids: bool,
    as_json: bool,
) -> None:
    """List sessions, newest first.

    Other commands take the beginning of an id, or a session's name (its folder's).
    """
    from coffeeshop.commands import remote

    remote.sessions(client, state, limit, _mode(as_json, ids), wide=wide, search=search)


@_command(
    ("counters of the gateway", "coffeeshop status"),
    ("a session as JSON", "coffeeshop status ID --json"),
)
@click.argument("session", required=False, type=SessionId())
@_json_option
def status(client: GatewayClient, session: str | None, as_json: bool) -> None:
    """Show a SESSION, or the gateway's counters."""
    from coffeeshop.commands import remote

    remote.status(client, session, as_json)


@_command(
    ("redraws on a terminal, prints one line per event elsewhere", "coffeeshop watch ID"),
    ("one JSON object per event", "coffeeshop watch ID --json"),
)
@click.argument("session", type=SessionId())
@_quiet_option
@_json_option
def watch(client: GatewayClient, session: str, ids: bool, as_json: bool) -> None:
    """Follow a SESSION to its end; the exit code tells how it ended."""
    from coffeeshop.commands import watching

    watching.watch(client, session, _mode(as_json, ids))


@_command(
    ("writes results/<folder name>/*.csv", "coffeeshop results ID"),
    ("one result to standard output", "coffeeshop results ID --query query3 -o -"),
    ("one Excel workbook, a sheet a question", "coffeeshop results ID --format xlsx"),
)
@click.argument("session", type=SessionId("completed"))
@click.option("--query", type=Query(), help="One result only.")
@click.option(
    "--partial",
    is_flag=True,
    help="Of an open session: print what is known so far, which is no answer.",
)
@click.option(
    "-o",
    "--output-dir",
    "output",
    type=click.Path(path_type=Path, allow_dash=True),
    help="A folder, or - for stdout.  [results/<folder name>]",
)
@click.option(
    "--format",
    "file_format",
    type=Choice((*FORMATS, "table")),
    default="csv",
    show_default=True,
    help="xlsx: one workbook. es.csv: CSV for Spanish Excel. table: print the first rows.",
)
@report_option
@currency_option
@click.option("--quiet", "-q", is_flag=True, help="Print nothing, except the result with -o -.")
@click.option("--json", "as_json", is_flag=True, help="Print the file names as JSON.")
def results(
    client: GatewayClient,
    session: str,
    *,
    query: str | None,
    partial: bool,
    output: Path | None,
    file_format: str,
    report: Path | None,
    currency: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Fetch the results of a completed SESSION."""
    from coffeeshop.commands import remote

    if partial:
        if any((query, output, report)) or file_format != "csv":
            raise UsageError("--partial writes nothing: leave out --query, -o, --format, --report")
        remote.partial(client, session, _mode(as_json, quiet))
        return

    named = Settings.read().currency if currency is None else currency
    request = remote.ResultsRequest(
        query, output, file_format, _mode(as_json, quiet), report, named
    )
    remote.results(client, session, request)


@_command(
    ("ends the session for all its clients", "coffeeshop cancel ID"),
    ("as JSON", "coffeeshop cancel ID --json"),
)
@click.argument("session", type=SessionId("open"))
@_quiet_option
@_json_option
def cancel(client: GatewayClient, session: str, ids: bool, as_json: bool) -> None:
    """Cancel a SESSION."""
    from coffeeshop.commands import remote

    remote.cancel(client, session, _mode(as_json, ids))


@_command(
    ("for a week from now", "coffeeshop keep ID"),
    ("for a month", "coffeeshop keep ID --days 30"),
    short="Keep a session's results longer.",
)
@click.argument("session", type=SessionId("completed"))
@click.option(
    "--days", type=click.FloatRange(min=0), default=7.0, show_default=True, help="From now on."
)
@_quiet_option
@_json_option
def keep(client: GatewayClient, session: str, days: float, ids: bool, as_json: bool) -> None:
    """Keep the results of a SESSION at least so long; they are deleted afterwards."""
    from coffeeshop.commands import remote

    remote.keep(client, session, days, _mode(as_json, ids))


@_command(
    ("for a week", "coffeeshop share ID"),
    ("for twelve hours", "coffeeshop share ID --for 12h"),
    ("end all links to a session", "coffeeshop share ID --end"),
    short="Make a read-only link to a session.",
)
@click.argument("session", type=SessionId("completed"))
@click.option(
    "--for", "seconds", type=Duration(), default="7d", show_default=True, help="7d, 12h or 30m."
)
@click.option("--end", is_flag=True, help="End all links to the session instead.")
@_quiet_option
@_json_option
def share(
    client: GatewayClient, session: str, seconds: float, end: bool, ids: bool, as_json: bool
) -> None:
    """Print a link that shows the results of a SESSION to those who have it, without a token.

    It shows them read-only, and holds until then, or until the results are deleted.
    """
    from coffeeshop.commands import remote

    mode = _mode(as_json, ids)
    if end:
        remote.unshare(client, session, mode)
    else:
        remote.share(client, session, seconds, mode)


@_command(
    ("all gateways and workers", "coffeeshop nodes"),
    ("as JSON", "coffeeshop nodes --json"),
)
@_quiet_option
@_json_option
def nodes(client: GatewayClient, ids: bool, as_json: bool) -> None:
    """List the running gateways and workers."""
    from coffeeshop.commands import remote

    remote.nodes(client, _mode(as_json, ids))


@_command(
    ("exit code 1 when something is wrong", "coffeeshop doctor"),
    ("ask another gateway", "coffeeshop doctor --gateway http://127.0.0.1:9001"),
    short="Check that the system is complete and clean.",
)
@_json_option
def doctor(client: GatewayClient, as_json: bool) -> None:
    """Check that every part runs and that nothing is left on the broker."""
    from coffeeshop.commands.doctor import doctor as run

    run(client, as_json)


OF_SESSIONS: tuple[click.Command, ...] = (watch, results, keep, share, cancel, sessions)
OF_SYSTEM: tuple[click.Command, ...] = (status, nodes, doctor)
