"""`coffeeshop submit` in the embedded system: analyse, write, show."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from coffeeshop.client.folder import find_folder, open_folder
from coffeeshop.client.results import write_results
from coffeeshop.client.upload import Uploaded
from coffeeshop.gateway.results import Completed
from coffeeshop.local import LocalSystem
from coffeeshop.show import Bars, show_results


@dataclass(frozen=True)
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


def submit(options: Submission) -> None:
    """Run one analysis; see `coffeeshop.local.LocalSystem.analyse` for what it raises."""
    began = time.perf_counter()
    path = find_folder(options.folder, options.data_root)
    folder = open_folder(path)
    output = options.output or Path("results") / path.resolve().name
    errors = Console(stderr=True)
    bars_wanted = options.verbosity == "normal"
    with LocalSystem() as system, Bars(errors, folder, enabled=bars_wanted) as bars:
        uploaded, completed = system.analyse(
            folder,
            plan=options.plan,
            partitions=options.partitions,
            skip_bad_rows=options.skip_bad_rows,
            timeout=options.timeout,
            on_progress=bars.advance,
        )
    files = write_results(completed.tables, output, options.file_format, uploaded.rejected)
    seconds = time.perf_counter() - began
    if options.as_json:
        print(json.dumps(summary(uploaded, completed, files, seconds), indent=1))
        return
    for warning in completed.warnings:
        errors.print(f"warning: {warning}", style="yellow", highlight=False)
    if options.verbosity != "quiet":
        console = Console()
        show_results(console, completed.tables)
        rows = sum(uploaded.rows.values())
        console.print(
            f"{rows:,} rows in {seconds:.2f} s, {rows / seconds:,.0f} rows/s; results in {output}",
            highlight=False,
            soft_wrap=True,
        )
    if uploaded.rejected:
        errors.print(
            f"{len(uploaded.rejected):,} bad rows left out; see {files[-1]}",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )


def summary(
    uploaded: Uploaded, completed: Completed, files: list[Path], seconds: float
) -> dict[str, Any]:
    """What ``--json`` prints."""
    rows = sum(uploaded.rows.values())
    return {
        "state": "completed",
        "rows": uploaded.rows,
        "rows_rejected": len(uploaded.rejected),
        "seconds": round(seconds, 3),
        "rows_per_second": round(rows / seconds),
        "results": {name: table.num_rows for name, table in completed.tables.items()},
        "files": [str(file) for file in files],
        "warnings": list(completed.warnings),
    }
