"""The command line. Options and environment become values here and nowhere below.

Imports of the system itself are inside the commands: ``--help`` must not wait for them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from coffeeshop import __version__, cli_gateway
from coffeeshop.cli_access import credentials, credentials_options, token
from coffeeshop.cli_advice import BUG, DEFECT, advice
from coffeeshop.cli_completion import completion
from coffeeshop.cli_help import Command, Group
from coffeeshop.cli_logs import logs
from coffeeshop.cli_node import run_node
from coffeeshop.cli_tracing import set_up_tracing, tracing_option
from coffeeshop.cli_try import demo, generate
from coffeeshop.cli_types import FORMATS, PLANS, Choice, DataFolder, SessionId, report_option
from coffeeshop.errors import CoffeeshopError
from coffeeshop.settings import Settings, arm_crash_point, set_up_logging
from coffeeshop.terminal import colour_wish

EXIT_CODES = """\b
Exit codes: 0 ok, 1 the session failed, 2 usage, 3 gateway or broker unreachable,
4 bad data, 5 not allowed, 6 cancelled, 7 timeout, 70 a bug, 130/143 signals."""
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(
    cls=Group,
    context_settings=CONTEXT,
    epilog=EXIT_CODES,
    examples=(
        ("make some data, analyse it here", "coffeeshop generate .data/example"),
        ("writes results/example/*.csv", "coffeeshop submit --data-folder example"),
        ("complete words with the Tab key", 'eval "$(coffeeshop completion bash)"'),
    ),
)
@click.version_option(__version__, prog_name="coffeeshop")
def cli() -> None:
    """Four questions about a coffee-shop chain's sales, answered exactly.

    Without a gateway `submit` and `demo` do all of it in their own process. For many clients, run a
    gateway and workers over RabbitMQ (`run-node`).
    """


@click.command(
    cls=Command,
    examples=(
        (
            "here; .data/example, or any path; writes results/example/*.csv",
            "coffeeshop submit --data-folder example",
        ),
        (
            "Parquet files in a folder of their own",
            "coffeeshop submit --data-folder example --format parquet --output-dir out",
        ),
        (
            "by a gateway, without waiting for it",
            "coffeeshop submit --data-folder example --gateway http://127.0.0.1:9000 --detach",
        ),
    ),
)
@click.option(
    "--data-folder",
    "folder",
    type=DataFolder(),
    help="A path, or a name under the data root; the root itself if absent.",
)
@click.option("--data-root", type=click.Path(path_type=Path), help="[COFFEESHOP_DATA_ROOT, .data]")
@click.option(
    "--output-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the five files go.  [results/<folder name>]",
)
@click.option("--format", "file_format", type=Choice(FORMATS), default="csv", show_default=True)
@report_option
@click.option("--plan", type=Choice(PLANS), default="fused", show_default=True)
@click.option("--partitions", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option(
    "--on-bad-row",
    type=Choice(["fail", "skip"]),
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
@click.option(
    "--session",
    type=SessionId("open"),
    help="The id (a UUID) of a session that several clients feed.",
)
@click.option("--producer", default="0/1", help="i/N: send the i-th of N shares.  [0/1]")
@tracing_option
@click.option("--verbose", "verbosity", flag_value="verbose", help="Log the protocol's life.")
@click.option("--quiet", "-q", "verbosity", flag_value="quiet", help="Print errors and ids only.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON summary and nothing else.")
def submit(
    folder: str | None,
    data_root: Path | None,
    output_dir: Path | None,
    file_format: str,
    report: Path | None,
    plan: str,
    partitions: int,
    on_bad_row: str,
    timeout: float | None,
    gateway: str | None,
    gateway_patience: float | None,
    detach: bool,
    session: str | None,
    producer: str,
    tracing: bool,
    verbosity: str | None,
    as_json: bool,
) -> None:
    """Analyse a data folder and write the five result files."""
    settings = Settings.read()
    set_up_logging(settings, verbosity)
    set_up_tracing(settings, tracing)
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
            report,
        )
    )


cli.add_to_section("Analyse", submit, *cli_gateway.OF_SESSIONS)
cli.add_to_section("Try it", generate, demo)
cli.add_to_section("Operate", run_node, *cli_gateway.OF_SYSTEM, logs, token)
cli.add_to_section("Shell", completion)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script: run a command and exit with its documented code."""
    # Nothing here multiplies matrices, but each process would start a thread per core that waits
    # for it busily: a quarter of the processor time of a small analysis' client.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    signal.signal(signal.SIGTERM, _terminated)
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        arm_crash_point()
        code = cli.main(given, "coffeeshop", standalone_mode=False, color=colour_wish())
        sys.exit(code if isinstance(code, int) else 0)
    except CoffeeshopError as error:
        _say(str(error))
        _advise(advice(error, next((each for each in given if not each.startswith("-")), None)))
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
        _advise(DEFECT)
        sys.exit(BUG)


def _say(text: str) -> None:
    print(f"coffeeshop: {text}", file=sys.stderr)


def _advise(text: str) -> None:
    if text:
        print(f"advice: {text}", file=sys.stderr)


def _terminated(number: int, frame: FrameType | None) -> Any:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
