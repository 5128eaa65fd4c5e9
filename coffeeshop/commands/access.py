"""Options of the command line about who may do what, and the command that makes tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from coffeeshop.commands.help import Command
from coffeeshop.settings import Credentials, Settings, read_secret
from coffeeshop.terminal import hint

if TYPE_CHECKING:
    from coffeeshop.gateway.security.access import Access

_FILE = click.Path(path_type=Path, dir_okay=False)
_STORED = "coffeeshop.access"
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def _store(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    context.meta.setdefault(_STORED, {})[parameter.name] = value


def _stored(context: click.Context | None = None) -> dict[str, Any]:
    stored: dict[str, Any] = (context or click.get_current_context()).meta.get(_STORED, {})
    return stored


def credentials_options(command: Decorated) -> Decorated:
    """Add what a client shows a gateway; `credentials` gives it."""
    for option in (
        click.option(
            "--ca-file",
            type=_FILE,
            expose_value=False,
            callback=_store,
            help="CA certificates (PEM) to verify the gateway with.  [COFFEESHOP_CA_FILE]",
        ),
        click.option(
            "--token-file",
            type=_FILE,
            expose_value=False,
            callback=_store,
            help="File with your token.  [COFFEESHOP_TOKEN, COFFEESHOP_TOKEN_FILE]",
        ),
    ):
        command = option(command)
    return command


def credentials(
    settings: Settings, url: str | None, context: click.Context | None = None
) -> Credentials:
    """What the options of a command (the running one) say, else the environment, else the login of
    the gateway at ``url``.

    Raises `UsageError`.
    """
    stored = _stored(context)
    file, ca_file = stored.get("token_file"), stored.get("ca_file")
    known = settings.credentials_for(url)
    return Credentials(
        known.token if file is None else read_secret(file, "--token-file"),
        known.ca_file if ca_file is None else ca_file,
        known.proxy_sees_token,
    )


def access_options(command: Decorated) -> Decorated:
    """Add how a gateway decides who may do what; `access` gives it."""
    options: tuple[tuple[str, dict[str, Any]], ...] = (
        (
            "--tls-key",
            {"type": _FILE, "help": "Private key (PEM), if --tls-cert does not contain it."},
        ),
        ("--tls-cert", {"type": _FILE, "help": "Serve HTTPS with this certificate (PEM)."}),
        (
            "--allowed-host",
            {
                "multiple": True,
                "help": "Host name to accept where there are no tokens; repeatable.",
            },
        ),
        ("--insecure", {"is_flag": True, "help": "Disable authentication, whatever the address."}),
        (
            "--tokens",
            {"type": _FILE, "help": "File with the clients' tokens.  [COFFEESHOP_TOKENS_FILE]"},
        ),
    )
    for name, how in options:
        command = click.option(name, expose_value=False, callback=_store, **how)(command)
    return command


def access(settings: Settings) -> Access:
    """What the running command's options say, else the environment. Raises `UsageError`."""
    from coffeeshop.errors import UsageError
    from coffeeshop.gateway.security.access import Access
    from coffeeshop.gateway.security.tokens import Tokens

    stored = _stored()
    file = stored["tokens"] or settings.tokens_file
    if stored["tls_key"] and not stored["tls_cert"]:
        raise UsageError("--tls-key needs --tls-cert")
    return Access(
        None if file is None else Tokens(file),
        stored["insecure"],
        frozenset(name.lower() for name in stored["allowed_host"]),
        stored["tls_cert"],
        stored["tls_key"],
    )


@click.command(
    cls=Command,
    short_help="Make a token for NAME.",
    examples=(
        ("prints the token, and its line for the gateway's file", "coffeeshop token north"),
        ("with access to all sessions, nodes and metrics", "coffeeshop token operator --admin"),
    ),
)
@click.argument("name")
@click.option("--admin", is_flag=True, help="Allow access to all sessions, nodes and metrics.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def token(name: str, admin: bool, as_json: bool) -> None:
    """Make a token for NAME, and its line for the gateway's --tokens file.

    The token is printed once and stored nowhere: hand it to the client called NAME.
    """
    from coffeeshop.gateway.security.tokens import line_of, new_token

    made = new_token()
    line = line_of(name, made, admin=admin)
    if as_json:
        print(json.dumps({"token": made, "line": line}))
    else:
        print(f"token  {made}")
        print(f"line   {line}")
        hint("append the line to FILE of `coffeeshop run-node --type gateway --tokens FILE`")
