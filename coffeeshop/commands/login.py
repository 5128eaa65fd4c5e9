"""`coffeeshop login` and `logout`. Imports of the system are inside, as in `coffeeshop.cli`."""

from __future__ import annotations

import sys
from contextlib import closing

import click

from coffeeshop.commands.access import credentials, credentials_options
from coffeeshop.commands.help import Command
from coffeeshop.errors import Forbidden
from coffeeshop.settings import Settings, set_up_logging
from coffeeshop.terminal import hint

PATIENCE = 5.0
"""Seconds to wait for the gateway's answer."""


@click.command(
    cls=Command,
    short_help="Keep a gateway and your token for later commands.",
    examples=(
        ("asks for the token where one is needed", "coffeeshop login http://127.0.0.1:9000"),
        ("without asking", "coffeeshop login https://host --token-file FILE --ca-file ca.pem"),
    ),
)
@click.argument("url")
@credentials_options
def login(url: str) -> None:
    """Keep a gateway's URL and your token, so that no later command needs them.

    They go into coffeeshop/login.json in your configuration folder, readable by you only. Options
    and environment variables win over it; `coffeeshop logout` removes it. The token is shown to
    this gateway only.
    """
    settings = Settings.read()
    set_up_logging(settings, "normal")
    from coffeeshop import logins

    url = url.rstrip("/")
    shown = credentials(settings, url)
    token = shown.token
    try:
        name = _name_at(url, token, settings)
    except Forbidden:
        if token is not None or not sys.stdin.isatty():
            raise
        token = str(click.prompt("Token", hide_input=True, err=True)).strip()
        name = _name_at(url, token, settings)
    file = logins.keep(logins.Login(url, token, shown.ca_file))
    print(f"logged in to {url}{f' as {name}' if name else ''}; kept in {file}")
    hint("coffeeshop submit FOLDER")


def _name_at(url: str, token: str | None, settings: Settings) -> str:
    """Whom the gateway takes us for; raises what it says to that."""
    from coffeeshop.commands.connecting import connected
    from coffeeshop.settings import Credentials

    known = credentials(settings, url)
    shown = Credentials(token, known.ca_file, known.proxy_sees_token)
    with closing(connected(url, PATIENCE, shown)) as client:
        return str(client.you().get("name", ""))


@click.command(
    cls=Command,
    short_help="Forget what `login` kept.",
    examples=(("nothing of it is left", "coffeeshop logout"),),
)
def logout() -> None:
    """Remove the gateway and the token that `coffeeshop login` kept."""
    from coffeeshop import logins

    print("logged out" if logins.forget() else "no login is kept")
