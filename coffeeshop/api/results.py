"""The answers of one session: Arrow tables that show themselves in a notebook."""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from coffeeshop.client.results import write_results
from coffeeshop.client.upload import Uploaded
from coffeeshop.formats import as_text
from coffeeshop.headlines import headlines
from coffeeshop.parameters import currency_of
from coffeeshop.report.run import Run

if TYPE_CHECKING:  # neither is needed to run coffeeshop
    import pandas
    import polars

SHOWN_ROWS = 10


class Results(Mapping[str, pa.Table]):
    """The five answers by name: Arrow tables in their canonical order. Thread-safe.

    The names are `query1`, `query2_best_selling`, `query2_most_profitable`, `query3` and `query4`;
    each is an attribute as well. Amounts are exact: `decimal128` with three decimals in query 1,
    with two in the others.
    """

    session_id: str
    """The session's id (a UUID)."""
    url: str | None
    """The address of the session's page; None for an analysis in this process."""
    seconds: float | None
    """How long it took, from the call of `submit` or from the session's beginning to its end."""
    rows: dict[str, int]
    """Rows read, by table; empty when another client sent them."""
    rejected: tuple[Any, ...]
    """Rows left out with their reasons, of a run with ``skip_bad_rows``."""
    warnings: tuple[str, ...]
    """What is odd about the data, a sentence each."""

    def __init__(
        self,
        tables: Mapping[str, pa.Table],
        uploaded: Uploaded | None,
        run: Run,
        url: str | None = None,
    ) -> None:
        self._tables = dict(tables)
        self._run = run
        self.session_id = run.session
        self.url = url
        self.seconds = run.seconds
        self.rows = {} if uploaded is None else dict(uploaded.rows)
        self.rejected = () if uploaded is None else tuple(uploaded.rejected)
        self.warnings = tuple(run.warnings)

    def __getitem__(self, query: str) -> pa.Table:
        try:
            return self._tables[query]
        except KeyError:
            raise KeyError(f"no result {query!r}; there are {', '.join(self._tables)}") from None

    def __getattr__(self, name: str) -> pa.Table:
        tables = self.__dict__.get("_tables", {})
        if name in tables:
            return tables[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._tables]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    @property
    def questions(self) -> dict[str, str]:
        """The SQL of the questions that it answers, by name: empty for those of the four that were
        named; without any for a session that was asked none of its own."""
        return dict(self._run.questions)

    def sentences(self) -> list[str]:
        """The answers in four sentences, one a question, as `coffeeshop submit` prints them."""
        return headlines(self._tables, self._run.parameters, self._run.currency)

    def to_pandas(self, *, floats: bool = False) -> dict[str, pandas.DataFrame]:
        """The five answers as pandas DataFrames, by name.

        Amounts are Python's `Decimal` objects; with ``floats`` they are float64, which is faster to
        work with and no longer exact. Raises ImportError where pandas is not installed.
        """
        import pandas  # noqa: F401 - said at once, and in pandas' own words

        return {name: self._shown(table, floats).to_pandas() for name, table in self.items()}

    def to_polars(self, *, floats: bool = False) -> dict[str, polars.DataFrame]:
        """The five answers as polars DataFrames, by name; amounts are Decimal, or with ``floats``
        Float64.

        Raises ImportError where polars is not installed.
        """
        import polars

        found = {}
        for name, table in self.items():
            frame = polars.from_arrow(self._shown(table, floats))
            assert isinstance(frame, polars.DataFrame)
            found[name] = frame
        return found

    def write(
        self, directory: str | os.PathLike[str], file_format: str = "csv", currency: str = ""
    ) -> list[Path]:
        """Write the files that ``coffeeshop submit`` writes, all of them or none; their paths.

        ``file_format`` is csv, json, parquet, xlsx (one workbook with a sheet a question),
        sheet.csv or es.csv (CSV for spreadsheets, and for those that are set to Spanish). A
        workbook shows amounts in a ``currency`` (``"EUR"``). Raises
        `UsageError` when they cannot be written.
        """
        return write_results(
            self._tables, Path(directory), file_format, self.rejected, currency_of(currency)
        )

    def report(self, path: str | os.PathLike[str], currency: str = "") -> Path:
        """Write one HTML file with the figures, tables and charts, as ``--report`` does; amounts
        are in a ``currency`` (``"EUR"``).

        Of a result with more than 20,000 rows it has a part. A file that is there is replaced;
        raises `UsageError` when it cannot be written.
        """
        from coffeeshop.report import write_report

        return write_report(
            self._tables, replace(self._run, currency=currency_of(currency)), Path(path)
        )

    @staticmethod
    def _shown(table: pa.Table, floats: bool) -> pa.Table:
        if not floats:
            return table
        fields = [
            field.with_type(pa.float64()) if pa.types.is_decimal(field.type) else field
            for field in table.schema
        ]
        return table.cast(pa.schema(fields))

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {table.num_rows} rows" for name, table in self.items())
        return f"<Results {sizes}>"

    def _repr_html_(self) -> str:
        return "".join(_html_of(name, table) for name, table in self.items())


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
