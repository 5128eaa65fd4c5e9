"""The first rows of results as tables on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coffeeshop.formats import as_text
from coffeeshop.names import QUALITY
from coffeeshop.parameters import Parameters
from coffeeshop.questions.quality import SAID
from coffeeshop.terminal import shown
from coffeeshop.workbook import is_amount

SHOWN_ROWS = 10
TITLES = {
    "query1": "Query 1 · transactions of {min_amount} and more, {years}, {hours}",
    "query2_best_selling": "Query 2 · best selling item per month",
    "query2_most_profitable": "Query 2 · most profitable item per month",
    "query3": "Query 3 · total payment value per half-year and store",
    "query4": "Query 4 · top {top} customers per store",
}


def show_results(
    console: Console,
    tables: Mapping[str, pa.Table],
    parameters: Parameters | None = None,
    currency: str = "",
) -> None:
    """Print each result's first rows; columns of amounts name their ``currency``."""
    told = (parameters or Parameters()).shown()
    told["hours"] = str(told["hours"]).replace(":00-", "-").removesuffix(":00")
    for name, result in tables.items():
        if name == QUALITY:
            _show_quality(console, result)
            continue
        table = Table(
            title=TITLES.get(name, name).format(**told), title_justify="left", header_style="bold"
        )
        for column, kind in zip(result.column_names, result.schema.types, strict=True):
            number = pa.types.is_decimal(kind) or pa.types.is_integer(kind)
            named = f"{column} ({currency})" if currency and is_amount(kind) else column
            table.add_column(named, justify="right" if number else "left")
        columns = [as_text(column).to_pylist() for column in result.slice(0, SHOWN_ROWS).columns]
        for row in zip(*columns, strict=True):
            # As text, since a name may look like markup.
            table.add_row(*(Text(shown(cell)) for cell in row))
        if result.num_rows > SHOWN_ROWS:
            table.caption = f"{SHOWN_ROWS} of {result.num_rows:,} rows"
        console.print(table)


def _show_quality(console: Console, result: pa.Table) -> None:
    table = Table(title="Quality of the data", title_justify="left", header_style="bold")
    table.add_column("check", no_wrap=True)
    for name in ("found", "of rows"):
        table.add_column(name, justify="right")
    table.add_column("examples")
    for row in result.to_pylist():
        found, rows = f"{row['rows_found']:,}", f"{row['rows_checked']:,}"
        table.add_row(SAID[row["check"]], found, rows, Text(shown(row["examples"])))
    console.print(table)
