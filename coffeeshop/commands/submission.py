"""`coffeeshop submit`: analyse a folder, here or by a gateway; write and show the answers."""

from __future__ import annotations

import datetime as dt
import gc
import json
import re
import sys
import time
import uuid
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coffeeshop.allocator import tune_malloc
from coffeeshop.client.results import check_output, files_of, write_results
from coffeeshop.client.upload import Uploaded
from coffeeshop.commands.bars import Bars, bars_of
from coffeeshop.errors import UsageError
from coffeeshop.headlines import headlines
from coffeeshop.names import FOUR, QUALITY
from coffeeshop.parameters import Parameters
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.reading.file import is_address
from coffeeshop.reading.folder import DataFolder, find_folder, open_folder
from coffeeshop.sessions.results import Completed
from coffeeshop.settings import Credentials
from coffeeshop.terminal import console, has_colours, hint, shown

if TYPE_CHECKING:
    import pyarrow as pa

    from coffeeshop.client.gateway import GatewayClient


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The options of one run."""

    folder: str | None
    data_root: Path
    output: Path | None
    file_format: str
    plan: str
    partitions: int
    skip_bad_rows: bool
    timeout: float | None
    verbosity: str
    as_json: bool
    gateway: str | None = None
    detach: bool = False
    session: str | None = None
    producer: str = "0/1"
    patience: float | None = None
    """Seconds in which an unanswered request to the gateway is repeated; None: the client's own."""
    credentials: Credentials = field(default_factory=Credentials)
    report: Path | None = None
    """An HTML file to write beside the results."""
    show: bool = False
    """Print the first rows of each result."""
    asked: tuple[tuple[str, str], ...] = ()
    """Questions of one's own, by name, in SQL; without them the four are answered."""
    parameters: Parameters = field(default_factory=Parameters)
    """Of the four questions."""
    quality: bool = False
    """Check the data as well."""
    currency: str = ""
    """The ISO code of the currency that people are shown amounts in."""


def submit(options: Submission) -> None:
    """Run one analysis; see `local.LocalSystem.analyse` and `client.remote.analyse` for what it
    raises."""
    began = time.perf_counter()
    tune_malloc()
    session, producer = session_of(options)
    folder = _folder(options, plan_of(session).table_names)
    output = options.output or Path("results") / folder.name
    options = _placed(options, output)
    _check_places(options, session, output, folder)
    completed: Completed | None
    with bars_of(folder, enabled=options.verbosity == "normal") as bars:
        if options.gateway is None:
            uploaded, completed = _here(options, folder, bars, session)
        else:
            session, uploaded, completed = _there(options, folder, bars, session, producer)
    if completed is None:
        _say_detached(options, session.id, uploaded)
        return
    files = _written(options, session, uploaded, completed, output)
    seconds = time.perf_counter() - began
    _write_report(options, folder, session, uploaded, completed, files, seconds)
    if options.as_json:
        found = summary(uploaded, completed, files, seconds)
        if options.report is not None:
            found["report"] = str(options.report)
        print(json.dumps({"session": session.id, **found}, indent=1))
        return
    _show(options, uploaded, completed, output, seconds)
    if uploaded.rejected:
        _warn(f"{left_out(uploaded)}; see {files[-1]}")
    if options.verbosity != "quiet":
        more = "" if options.show else "--show prints the first rows of each result, "
        if set(completed.tables) >= FOUR:
            hint(f"{more}--report report.html writes a page of tables and charts")


def session_of(options: Submission) -> tuple[SessionSpec, int]:
    """The session and which of its producers this client is; raises `UsageError`."""
    found = re.fullmatch(r"(\d{1,4})/(\d{1,4})", options.producer)
    if found is None or not int(found[1]) < int(found[2]):
        raise UsageError("--producer must be i/N with i from 0 to N-1")
    if options.gateway is None and (options.detach or options.session or found[2] != "1"):
        raise UsageError("--detach, --session and --producer need a --gateway")
    if found[2] != "1" and options.session is None:
        raise UsageError("several producers need --session UUID, the same for all of them")
    try:
        name = str(uuid.UUID(options.session)) if options.session else str(uuid.uuid4())
    except ValueError as error:
        raise UsageError(f"not a session id (a UUID): {options.session}") from error
    spec = SessionSpec(name, options.plan, int(found[2]), options.partitions)
    spec = replace(spec, parameters=options.parameters.text(), quality=options.quality)
    if options.asked:
        from coffeeshop.questions.asking import check_parameters, questions_of

        spec = replace(spec, questions=questions_of(options.asked))
        check_parameters(spec.parameters, spec.questions)
        if options.report is not None and not set(plan_of(spec).results) >= FOUR:
            raise UsageError("--report is about the four questions: ask them as well")
    return spec, int(found[1])


def _folder(options: Submission, tables: Collection[str]) -> DataFolder:
    if options.folder is not None and is_address(options.folder):
        from coffeeshop.reading.stores import open_address

        return open_address(options.folder, tables)
    try:
        return open_folder(find_folder(options.folder, options.data_root), tables)
    except UsageError as error:
        if options.folder is None:
            error.hint = "name one: coffeeshop submit FOLDER (a path, or one of these names)"
        raise


def _placed(options: Submission, output: Path) -> Submission:
    if options.report is None:
        return options
    from coffeeshop.report import place_of

    return replace(options, report=place_of(options.report, output))


def _check_places(
    options: Submission, session: SessionSpec, output: Path, folder: DataFolder
) -> None:
    """Raise `UsageError` where something could not be written: before the work, not after."""
    if options.detach:
        if options.report is not None:
            raise UsageError("--report needs the results, but --detach does not wait for them")
        return
    queries = plan_of(session).results
    check_output(output, queries, options.file_format)
    if options.report is not None:
        from coffeeshop.report import check_place

        inputs = [f for files in folder.files.values() for f in files if isinstance(f, Path)]
        made = files_of(output, queries, options.file_format)
        check_place(options.report, output, [*made, *inputs])


def _written(
    options: Submission,
    session: SessionSpec,
    uploaded: Uploaded,
    completed: Completed,
    output: Path,
) -> list[Path]:
    try:
        return write_results(
            completed.tables, output, options.file_format, uploaded.rejected, options.currency
        )
    except UsageError as error:
        if options.gateway is not None:
            error.hint = f"the gateway keeps them: coffeeshop results {session.id} -o ELSEWHERE"
        raise


def _write_report(
    options: Submission,
    folder: DataFolder,
    session: SessionSpec,
    uploaded: Uploaded,
    completed: Completed,
    files: list[Path],
    seconds: float,
) -> None:
    if options.report is None:
        return
    from coffeeshop.report import Run, write_report

    run = Run(
        folder.name,
        session.id,
        session.plan,
        session.partitions,
        dt.datetime.now().astimezone(),
        seconds=seconds,
        rows=uploaded.rows,
        share=options.producer if session.producers > 1 else "",
        warnings=completed.warnings,
        rejected=uploaded.rejected,
        parameters=options.parameters,
        currency=options.currency,
        files={file.name.partition(".")[0]: str(file) for file in files},
    )
    write_report(completed.tables, run, options.report)


def _here(
    options: Submission, folder: DataFolder, bars: Bars, session: SessionSpec
) -> tuple[Uploaded, Completed]:
    from coffeeshop.local import LocalSystem  # a client of a gateway needs no actors

    gc.freeze()  # what was imported stays: no collection looks through it again
    with LocalSystem() as system:
        return system.analyse(
            folder,
            plan=options.plan,
            partitions=options.partitions,
            skip_bad_rows=options.skip_bad_rows,
            timeout=options.timeout,
            session=session.id,
            parameters=session.parameters,
            questions=session.questions,
            quality=session.quality,
            on_progress=bars.advance,
        )


def _there(
    options: Submission, folder: DataFolder, bars: Bars, session: SessionSpec, producer: int
) -> tuple[SessionSpec, Uploaded, Completed | None]:
    from coffeeshop.client.gateway import PATIENCE
    from coffeeshop.client.remote import analyse, open_with_new_id
    from coffeeshop.client.upload import use_one_columnar_thread
    from coffeeshop.commands.connecting import connected

    assert options.gateway is not None
    use_one_columnar_thread()
    patience = PATIENCE if options.patience is None else options.patience
    client = connected(
        options.gateway, patience, options.credentials, quiet=options.verbosity == "quiet"
    )
    deadline = None if options.timeout is None else time.monotonic() + options.timeout
    with closing(client):
        if options.session is None:
            session = open_with_new_id(client.until(deadline), folder, session)
        _say_where(options, client, session)
        uploaded, tables, warnings = analyse(
            client,
            folder,
            session,
            producer=producer,
            skip_bad_rows=options.skip_bad_rows,
            timeout=options.timeout,
            deadline=deadline,
            wait=not options.detach,
            on_progress=bars.advance,
            on_event=bars.event,
            keep_on_interrupt=_asks_to_keep,
        )
    return session, uploaded, Completed(tables, warnings) if tables else None


def _say_where(options: Submission, client: GatewayClient, session: SessionSpec) -> None:
    """At once: the session can be found again from another terminal."""
    if options.verbosity != "quiet" and not (options.as_json or options.detach):
        print(f"session {session.id}", file=sys.stderr)
        print(f"page    {client.page(session.id)}", file=sys.stderr, flush=True)


def _asks_to_keep(session: str) -> bool:
    """After Ctrl-C: on a terminal ask whether the session shall go on; elsewhere it shall not."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    import click

    if click.confirm(f"Cancel the session {session}?", default=True, err=True):
        return False
    click.echo(f"The session goes on; follow it with: coffeeshop watch {session}", err=True)
    return True


def _say_detached(options: Submission, session: str, uploaded: Uploaded) -> None:
    if options.as_json:
        print(json.dumps({"session": session, "state": "open", "rows": uploaded.rows}))
        return
    for warning in uploaded.warnings:
        _warn(f"warning: {warning}")
    print(session)
    if options.verbosity != "quiet":
        hint(f"coffeeshop watch {session}")


def _show(
    options: Submission,
    uploaded: Uploaded,
    completed: Completed,
    output: Path,
    seconds: float,
) -> None:
    for warning in completed.warnings:
        _warn(f"warning: {warning}")
    if options.verbosity == "quiet":
        return
    if options.show or options.asked:
        from coffeeshop.commands.show import show_results

        show_results(console(), completed.tables, options.parameters, options.currency)
    told = headlines(completed.tables, options.parameters, options.currency)
    for number, sentence in enumerate(told, start=1):
        print(f"{number}  {sentence}")
    for sentence in _quality(completed.tables):
        print(f"data  {shown(sentence)}")
    rows = sum(uploaded.rows.values())
    report = "" if options.report is None else f"; report in {options.report}"
    print(
        f"{rows:,} rows in {seconds:.2f} s, {rows / seconds:,.0f} rows/s; "
        f"results in {shown(output)}{shown(report)}"
    )


def left_out(uploaded: Uploaded) -> str:
    """How many rows were left out, and which share of all rows that is."""
    count = len(uploaded.rejected)
    rows = count + sum(uploaded.rows.values())
    return f"{count:,} bad rows left out, {100 * count / rows:.3g} % of {rows:,}"


def _quality(tables: Mapping[str, pa.Table]) -> list[str]:
    if QUALITY not in tables:
        return []
    from coffeeshop.questions.quality import sentences

    return sentences(tables[QUALITY]) or ["no repeated id, no unknown id, and all sales add up"]


def _warn(text: str) -> None:
    text, coloured = shown(text), has_colours(sys.stderr)
    print(click.style(text, fg="yellow") if coloured else text, file=sys.stderr)


def summary(
    uploaded: Uploaded, completed: Completed, files: list[Path], seconds: float
) -> dict[str, Any]:
    """What ``--json`` prints."""
    rows, quality = sum(uploaded.rows.values()), completed.tables.get(QUALITY)
    return {
        "state": "completed",
        "rows": uploaded.rows,
        "rows_rejected": len(uploaded.rejected),
        "seconds": round(seconds, 3),
        "rows_per_second": round(rows / seconds),
        "results": {name: table.num_rows for name, table in completed.tables.items()},
        "files": [str(file) for file in files],
        "warnings": list(completed.warnings),
        **({QUALITY: quality.to_pylist()} if quality is not None else {}),
    }
