"""`coffeeshop submit`. Imports of the system are inside, as in `coffeeshop.cli`."""

from __future__ import annotations

from pathlib import Path

import click

from coffeeshop.commands.access import credentials, credentials_options
from coffeeshop.commands.asked import asked, own_question_options
from coffeeshop.commands.help import Command
from coffeeshop.commands.surroundings import check_address_space
from coffeeshop.commands.tracing import set_up_tracing, tracing_option
from coffeeshop.commands.types import (
    Choice,
    DataFolder,
    Seconds,
    SessionId,
    currency_option,
    report_option,
)
from coffeeshop.errors import UsageError
from coffeeshop.names import FORMATS, PLANS
from coffeeshop.parameters import Parameters
from coffeeshop.settings import Settings, set_up_logging


@click.command(
    cls=Command,
    short_help="Analyse a data folder; write five result files.",
    examples=(
        (
            "here; .data/example, or any path; writes results/example/*.csv",
            "coffeeshop submit example",
        ),
        (
            "a question of your own",
            'coffeeshop submit example --sql "select count(*) from transactions"',
        ),
        (
            "by a gateway, without waiting for it",
            "coffeeshop submit example --gateway http://127.0.0.1:9000 --detach",
        ),
    ),
)
@click.argument("place", metavar="[FOLDER]", required=False, type=DataFolder())
@click.option("--data-folder", "folder", type=DataFolder(), help="The same as FOLDER.")
@click.option("--data-root", type=click.Path(path_type=Path), help="[COFFEESHOP_DATA_ROOT, .data]")
@click.option(
    "--output-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the five result files.  [results/<folder name>]",
)
@click.option(
    "--format",
    "file_format",
    type=Choice(FORMATS),
    default="csv",
    show_default=True,
    help="xlsx: one workbook. es.csv: CSV for Spanish Excel.",
)
@report_option
@currency_option
@click.option("--years", help="Years that count: 2024, or 2023-2025.  [2024-2025]")
@click.option("--hours", help="Hours that count, both included: 07:00-22:00.  [06:00-23:00]")
@click.option("--min-amount", help="Least final amount in query 1.  [75]")
@click.option("--top", type=click.IntRange(1, 1000), help="Users per store in query 4.  [3]")
@own_question_options
@click.option("--show", is_flag=True, help="Also print the first rows of each result.")
@click.option("--plan", type=Choice(PLANS), default="fused", show_default=True)
@click.option("--partitions", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option(
    "--on-bad-row",
    type=Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="skip: leave bad rows out and list them in rejected.csv.",
)
@click.option(
    "--quality",
    is_flag=True,
    help="Also check the data: repeated ids, sums that differ, unknown ids.",
)
@click.option("--timeout", type=Seconds(), help="Seconds to wait for the results.")
@click.option(
    "--gateway",
    help="URL of a gateway; without it, the analysis runs in this process.  [COFFEESHOP_GATEWAY]",
)
@click.option(
    "--gateway-patience",
    type=Seconds(),
    help="Seconds to repeat a request that gets no answer.  [COFFEESHOP_GATEWAY_PATIENCE, 60]",
)
@click.option(
    "--detach", is_flag=True, help="Send the data, print the session id, and do not wait."
)
@credentials_options
@click.option(
    "--session",
    type=SessionId("open"),
    help="Session id (UUID), the same for all clients that feed one session.",
)
@click.option("--producer", default="0/1", help="i/N: send share i (from 0) of N shares.  [0/1]")
@tracing_option
@click.option("--verbose", "verbosity", flag_value="verbose", help="Log each step of the protocol.")
@click.option("--quiet", "-q", "verbosity", flag_value="quiet", help="Print errors and ids only.")
@click.option("--json", "as_json", is_flag=True, help="Print only a JSON summary.")
def submit(  # noqa: PLR0913 - one for each option
    *,
    place: str | None,
    folder: str | None,
    data_root: Path | None,
    output_dir: Path | None,
    file_format: str,
    report: Path | None,
    currency: str | None,
    years: str | None,
    hours: str | None,
    min_amount: str | None,
    top: int | None,
    ready: tuple[str, ...],
    queries: tuple[Path, ...],
    texts: tuple[str, ...],
    builtin: bool,
    show: bool,
    plan: str,
    partitions: int,
    on_bad_row: str,
    quality: bool,
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
    """Analyse a data FOLDER (a path, or a name under the data root); write five result files.

    Without a FOLDER it is the data root itself. An address is read as well: s3://bucket/prefix,
    gs://, abfs://, or the https:// address of a page or a text that lists files.
    """
    if None not in (place, folder) and place != folder:
        raise UsageError(f"two data folders: {place} and --data-folder {folder}")
    settings = Settings.read()
    set_up_logging(settings, verbosity)
    set_up_tracing(settings, tracing)
    url = settings.gateway if gateway is None else gateway or None
    if url is None:
        check_address_space(partitions)  # before the columnar library takes its part
    from coffeeshop.commands.submission import Submission
    from coffeeshop.commands.submission import submit as run

    run(
        Submission(
            folder=place or folder,
            data_root=data_root or settings.data_root,
            output=output_dir,
            file_format=file_format,
            plan=plan,
            partitions=partitions,
            skip_bad_rows=on_bad_row == "skip",
            timeout=timeout,
            verbosity=verbosity or "normal",
            as_json=as_json,
            gateway=url,
            detach=detach,
            session=session,
            producer=producer,
            patience=settings.gateway_patience if gateway_patience is None else gateway_patience,
            credentials=credentials(settings, url),
            report=report,
            show=show,
            asked=asked(queries, texts, ready, builtin=builtin),
            parameters=Parameters.of(years=years, hours=hours, min_amount=min_amount, top=top),
            quality=quality,
            currency=settings.currency if currency is None else currency,
        )
    )
