"""`coffeeshop serve`. Imports of the system are inside, as in `coffeeshop.cli`."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import click

from coffeeshop.commands.help import Command
from coffeeshop.commands.types import Currency
from coffeeshop.errors import Unreachable
from coffeeshop.settings import Settings, set_up_logging

HOST = "127.0.0.1"
READY = """\
coffeeshop is at {url}/ (Ctrl-C ends it)

Open it and press "Try with example data", or choose a data folder there.
From another terminal:

    coffeeshop submit my/folder --gateway {url}

Everything is in this process's memory, and gone when it ends."""


@click.command(
    cls=Command,
    short_help="Gateway, page and workers in one process.",
    examples=(
        ("the page on http://127.0.0.1:9000, in a browser at once", "coffeeshop serve --open"),
        ("beside another one", "coffeeshop serve --port 9001"),
    ),
)
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=9000,
    show_default=True,
    help="Where it listens on this machine; 0 takes any that is free.",
)
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    help="Where the example data is kept, as `example`.  [COFFEESHOP_DATA_ROOT, .data]",
)
@click.option(
    "--currency",
    type=Currency(),
    metavar="CODE",
    help="Show amounts in it, as EUR.  [COFFEESHOP_CURRENCY]",
)
@click.option("--verbose", "verbosity", flag_value="verbose", help="Log every step.")
@click.option("--quiet", "-q", "verbosity", flag_value="quiet", help="Print errors only.")
def serve(
    opens: bool, port: int, data_root: Path | None, currency: str | None, verbosity: str | None
) -> None:
    """Run the whole system in this process: gateway, web page and workers, no broker needed.

    For this machine and one user. For others, and to survive a restart: `run-node` over RabbitMQ.
    """
    settings = Settings.read()
    set_up_logging(settings, verbosity, ("serve",))
    from coffeeshop.allocator import tune_malloc
    from coffeeshop.client.example import ExampleData
    from coffeeshop.gateway.security.access import Access
    from coffeeshop.service import NodeOptions, Service

    example = ExampleData(data_root or settings.data_root)
    service = Service(
        NodeOptions(
            ("all",),
            "memory:",
            host=HOST,
            port=port,
            access=Access(),
            example=example.files,
            currency=settings.currency if currency is None else currency,
        )
    )
    tune_malloc()
    service.install_signals()

    def ready() -> None:
        url = f"http://{HOST}:{service.port}"
        if verbosity != "quiet":
            print(READY.format(url=url), flush=True)
        if opens:
            threading.Thread(target=_open, args=(f"{url}/",), daemon=True).start()

    try:
        service.run(ready)
    except OSError as error:
        taken = Unreachable(f"cannot listen on {HOST}:{port}: {error.strerror}")
        taken.hint = "stop the process that listens there, or choose another port with --port"
        raise taken from error
    finally:
        example.close()


def _open(url: str) -> None:
    import webbrowser

    # Without a screen it would take over this terminal with a text browser, or wait for one.
    seen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    if not (seen and webbrowser.open(url)):
        print(f"no browser to open here; the page is at {url}", file=sys.stderr)
