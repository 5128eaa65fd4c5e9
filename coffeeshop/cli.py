"""The command line. Options and environment become values here and nowhere below.

Imports of the system itself are inside the commands: ``--help`` must not wait for them.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import rich_click as click

from coffeeshop import __version__, cli_gateway
from coffeeshop.cli_access import credentials, credentials_options
from coffeeshop.cli_node import run_node
from coffeeshop.errors import CoffeeshopError
from coffeeshop.settings import Settings, arm_crash_point, set_up_logging

BUG = 70
EXIT_CODES = """\b
Exit codes: 0 ok, 1 the session failed, 2 usage, 3 gateway or broker unreachable,
4 bad data, 5 not allowed, 6 cancelled, 7 timeout, 70 a bug, 130/143 signals."""
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=CONTEXT, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="coffeeshop")
def cli() -> None:
    """Four questions about a coffee-shop chain's sales, answered exactly.

    \b
    coffeeshop generate .data/example --transactions 200000
    coffeeshop submit --data-folder example
    coffeeshop demo

    Distributed, over RabbitMQ:

    \b
    coffeeshop run-node --type gateway
    coffeeshop run-node --type worker
    coffeeshop submit --data-folder example --gateway http://127.0.0.1:9000
    coffeeshop sessions
    """


@cli.command()
@click.option(
    "--data-folder",
    "folder",
    help="A path, or a name under the data root; the root itself if absent.",
)
@click.option("--data-root", type=click.Path(path_type=Path), help="[COFFEESHOP_DATA_ROOT, .data]")
@click.option(
    "--output-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the five files go.  [results/<folder name>]",
)
@click.option(
    "--format", "file_format", type=click.Choice(["csv", "json", "parquet"]), default="csv"
)
@click.option("--plan", type=click.Choice(["fused", "staged"]), default="fused", show_default=True)
@click.option("--partitions", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option(
    "--on-bad-row",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="skip: write bad rows with their reason to rejected.csv and go on.",
)
@click.option("--timeout", type=click.FloatRange(min=0), help="Seconds to wait for the results.")
@click.option(
    "--gateway", help="A gateway's URL; without one all of it runs here.  [COFFEESHOP_GATEWAY]"
)
@click.option(
    "--gateway-patience",
    type=click.FloatRange(min=0),
    help="Seconds in which an unanswered request is repeated.  [COFFEESHOP_GATEWAY_PATIENCE, 60]",
)
@click.option("--detach", is_flag=True, help="Send the data, print the session's id, do not wait.")
@credentials_options
@click.option("--session", help="The id (a UUID) of a session that several clients feed.")
@click.option("--producer", default="0/1", help="i/N: send the i-th of N shares.  [0/1]")
@click.option("--verbose", "verbosity", flag_value="verbose", help="Log the protocol's life.")
@click.option("--quiet", "-q", "verbosity", flag_value="quiet", help="Print errors and ids only.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON summary and nothing else.")
def submit(
    folder: str | None,
    data_root: Path | None,
    output_dir: Path | None,
    file_format: str,
    plan: str,
    partitions: int,
    on_bad_row: str,
    timeout: float | None,
    gateway: str | None,
    gateway_patience: float | None,
    detach: bool,
    session: str | None,
    producer: str,
    verbosity: str | None,
    as_json: bool,
) -> None:
    """Analyse a data folder and write the five result files.

    \b
    coffeeshop submit --data-folder example --output-dir out --format parquet
    """
    settings = Settings.read()
    set_up_logging(settings, verbosity)
    from coffeeshop.submit import Submission
    from coffeeshop.submit import submit as run

    run(
        Submission(
            folder,
            data_root or settings.data_root,
            output_dir,
            file_format,
            plan,
            partitions,
            on_bad_row == "skip",
            timeout,
            verbosity or "normal",
            as_json,
            gateway or settings.gateway,
            detach,
            session,
            producer,
            settings.gateway_patience if gateway_patience is None else gateway_patience,
            credentials(settings),
        )
    )


@cli.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--transactions", type=click.IntRange(min=0), default=100_000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--dialect", type=click.Choice(["kaggle", "export"]), default="kaggle")
@click.option("--layout", type=click.Choice(["dirs", "flat"]), default="dirs")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers of rows as JSON.")
def generate(
    out: Path, transactions: int, seed: int, dialect: str, layout: str, as_json: bool
) -> None:
    """Write a data folder of the real schema, oddities included, into OUT.

    The same arguments write the same bytes.
    """
    from coffeeshop.errors import UsageError
    from coffeeshop.generate import generate as run

    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty")
    try:
        rows = run(out, transactions=transactions, seed=seed, dialect=dialect, layout=layout)
    except OSError as error:
        raise UsageError(f"cannot write to {out}: {error.strerror}") from error
    if as_json:
        print(json.dumps(rows))
    else:
        for table, number in rows.items():
            print(f"{number:>12,} {table}")


@cli.command()
@click.option("--transactions", type=click.IntRange(1, 200_000), default=20_000, show_default=True)
@click.option("--gateway", help="Let a gateway's system do it.  [COFFEESHOP_GATEWAY]")
@credentials_options
@click.option("--verbose", "verbosity", flag_value="verbose", help="Log the protocol's life.")
def demo(transactions: int, gateway: str | None, verbosity: str | None) -> None:
    """Three clients at once, each with its own data and its own answers.

    Without a gateway everything runs here, no broker needed, and tasks are killed meanwhile.
    """
    settings = Settings.read()
    set_up_logging(settings, verbosity or "quiet")
    from coffeeshop.demo import demo as run

    run(transactions, gateway or settings.gateway, credentials(settings))


cli_gateway.add_to(cli)
cli.add_command(run_node)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script: run a command and exit with its documented code."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        arm_crash_point()
        code = cli.main(arguments, prog_name="coffeeshop", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except CoffeeshopError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away: nothing is wrong here
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - the last line of defence, with its own exit code
        import traceback

        traceback.print_exc()
        _say(f"this is a bug: {error}")
        sys.exit(BUG)


def _say(text: str) -> None:
    print(f"coffeeshop: {text}", file=sys.stderr)


def _terminated(number: int, frame: FrameType | None) -> Any:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
