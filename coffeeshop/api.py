"""coffeeshop as a library: a client, and results that show themselves in a notebook."""

from __future__ import annotations

import datetime as dt
import html
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from coffeeshop.client.folder import DataFolder, open_folder
from coffeeshop.client.patience import checked_seconds
from coffeeshop.client.results import as_text, write_results
from coffeeshop.client.upload import Uploaded, use_one_columnar_thread
from coffeeshop.logs import is_configured
from coffeeshop.messages import SessionSpec
from coffeeshop.report.run import Run
from coffeeshop.telemetry import configure_logging

if TYPE_CHECKING:  # each mode imports what it needs
    from coffeeshop.client.gateway import GatewayClient
    from coffeeshop.local import LocalSystem

SHOWN_ROWS = 10


class Results(Mapping[str, pa.Table]):
    """The five answers by name: Arrow tables in their canonical order."""

    def __init__(self, tables: Mapping[str, pa.Table], uploaded: Uploaded, run: Run) -> None:
        self._tables = dict(tables)
        self._run = run
        self.rows = dict(uploaded.rows)
        """Rows read, by table."""
        self.rejected = tuple(uploaded.rejected)
        """Rows left out with their reasons, of a run with ``skip_bad_rows``."""
        self.warnings = tuple(run.warnings)

    def __getitem__(self, query: str) -> pa.Table:
        return self._tables[query]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def write(self, directory: str | os.PathLike[str], file_format: str = "csv") -> list[Path]:
        """Write the files that ``coffeeshop submit`` writes; all of them or none."""
        return write_results(self._tables, Path(directory), file_format, self.rejected)

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write one HTML file with the figures, tables and charts, as ``--report`` does.

        Of a result with more than 20,000 rows it has a part. A file that is there is replaced;
        raises `UsageError` when it cannot be written.
        """
        from coffeeshop.report import write_report

        return write_report(self._tables, self._run, Path(path))

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {table.num_rows} rows" for name, table in self.items())
        return f"<Results {sizes}>"

    def _repr_html_(self) -> str:
        return "".join(_html_of(name, table) for name, table in self.items())


class Client:
    """Analyses folders: by the gateway at ``url``, or in this process without one.

    Thread-safe. Use as a context manager, or `close` it.
    """

    def __init__(self, url: str | None = None) -> None:
        """Raises `UsageError` for what is no gateway's URL; connects at the first `submit`."""
        use_one_columnar_thread()
        if not is_configured():
            configure_logging("normal")  # else all that is logged goes to standard output
        self._remote: GatewayClient | None = None
        self._local: LocalSystem | None = None
        if url is None:
            from coffeeshop.local import LocalSystem

            self._local = LocalSystem()
        else:
            from coffeeshop.client.gateway import GatewayClient

            self._remote = GatewayClient(url)

    def submit(
        self,
        folder: str | os.PathLike[str],
        *,
        plan: str = "fused",
        partitions: int = 2,
        skip_bad_rows: bool = False,
        timeout: float | None = None,
    ) -> Results:
        """Analyse a data folder and wait for its results, at most ``timeout`` seconds.

        Raises `UsageError` for a time that is none, `BadData` (file, line, column, value),
        `SessionFailed`, `Cancelled`, `SessionTimeout`, `Unreachable`.
        """
        timeout = checked_seconds(timeout, "timeout")
        data = open_folder(Path(folder))
        spec = SessionSpec(str(uuid.uuid4()), plan, 1, partitions)
        began = time.perf_counter()
        if self._local is not None:
            uploaded, completed = self._local.analyse(
                data,
                plan=plan,
                partitions=partitions,
                skip_bad_rows=skip_bad_rows,
                timeout=timeout,
            )
            return _results(data, spec, began, uploaded, completed.tables, completed.warnings)
        from coffeeshop.client.remote import analyse

        assert self._remote is not None
        uploaded, tables, warnings = analyse(
            self._remote, data, spec, skip_bad_rows=skip_bad_rows, timeout=timeout
        )
        return _results(data, spec, began, uploaded, tables, warnings)

    def close(self) -> None:
        """End what runs in this process, or the connections."""
        for each in (self._local, self._remote):
            if each is not None:
                each.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _results(
    folder: DataFolder,
    spec: SessionSpec,
    began: float,
    uploaded: Uploaded,
    tables: Mapping[str, pa.Table],
    warnings: tuple[str, ...],
) -> Results:
    run = Run(
        folder.path.resolve().name,
        spec.id,
        spec.plan,
        spec.partitions,
        dt.datetime.now().astimezone(),
        seconds=time.perf_counter() - began,
        rows=uploaded.rows,
        warnings=warnings,
        rejected=uploaded.rejected,
    )
    return Results(tables, uploaded, run)


def _html_of(name: str, table: pa.Table) -> str:
    columns = [as_text(column).to_pylist() for column in table.slice(0, SHOWN_ROWS).columns]
    head = "".join(f"<th>{html.escape(column)}</th>" for column in table.column_names)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in zip(*columns, strict=True)
    )
    more = table.num_rows - SHOWN_ROWS
    note = f"<p>and {more:,} rows more</p>" if more > 0 else ""
    return f"<h4>{html.escape(name)}</h4><table><tr>{head}</tr>{body}</table>{note}"
