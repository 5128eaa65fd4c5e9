"""`coffeeshop demo`. Imports of the system are inside, as in `coffeeshop.cli`."""

from __future__ import annotations

import click

from coffeeshop.commands.access import credentials, credentials_options
from coffeeshop.commands.help import Command
from coffeeshop.settings import Settings, set_up_logging


@click.command(
    cls=Command,
    short_help="Run three clients at once while tasks crash.",
    examples=(
        ("in this process; tasks crash on purpose", "coffeeshop demo"),
        ("on a gateway", "coffeeshop demo --gateway http://127.0.0.1:9000"),
    ),
)
@click.option("--transactions", type=click.IntRange(1, 200_000), default=20_000, show_default=True)
@click.option("--gateway", help="Submit to this gateway.  [COFFEESHOP_GATEWAY]")
@credentials_options
@click.option("--verbose", "verbosity", flag_value="verbose", help="Log each step of the protocol.")
@click.option("--json", "as_json", is_flag=True, help="Print the results of each client as JSON.")
def demo(transactions: int, gateway: str | None, verbosity: str | None, as_json: bool) -> None:
    """Run three clients at once, each with its own data and results.

    Without a gateway everything runs here, no broker needed, and tasks are killed meanwhile.
    """
    settings = Settings.read()
    set_up_logging(settings, verbosity or "quiet")
    from coffeeshop.commands.demonstration import demo as run

    url = settings.gateway if gateway is None else gateway or None
    run(transactions, url, credentials(settings, url), as_json=as_json)
