"""A report as one HTML file that needs no other: styles, programs and data are in it.

Its policy allows exactly the scripts and styles that are in it, by their hashes, and no request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from html import escape
from string import Template

import pyarrow as pa

from coffeeshop import __version__
from coffeeshop.names import QUALITY
from coffeeshop.parameters import Parameters
from coffeeshop.questions.quality import COUNTS, SAID
from coffeeshop.report.bundle import bundled, read
from coffeeshop.report.figures import embedded, sizes
from coffeeshop.report.run import MOST_ROWS, Run

STATIC = "gateway/static/"
STYLES = ("base", "layout", "parts", "data", "print")
LIBRARY = f"{STATIC}vendor/chartjs/chart.umd.min.js"
MOST_REJECTED = 100
MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)
"""Where a debugger would ask for another file."""


def page(tables: Mapping[str, pa.Table], run: Run, most: int = MOST_ROWS) -> bytes:
    """The report, in UTF-8; at most ``most`` rows of each result are in it."""
    parts = _fixed()
    values = {
        **parts,
        "policy": _policy(parts),
        "version": __version__,
        "name": escape(run.name),
        "session": escape(run.session),
        "facts": "\n      ".join(_facts(run)),
        "warnings": _warnings(run) + _quality(tables),
        "rows": _rows(run),
        "rejected": _rejected(run),
        "data": _json(tables, run, most),
    }
    text = Template(read("report/page.html")).substitute(values)
    # A file's name may hold what is no text.
    return text.encode("utf-8", "replace")


@cache
def _fixed() -> dict[str, str]:
    """The parts that are the same in every report."""
    names = [f"{STATIC}css/{name}.css" for name in STYLES]
    icon = base64.b64encode(read(f"{STATIC}cup.svg").encode()).decode()
    return {
        "style": "".join(read(name) for name in (*names, "report/report.css")),
        "library": MAP.sub("", read(LIBRARY)),
        "program": bundled("report/report.js"),
        "icon": f"data:image/svg+xml;base64,{icon}",
    }


def _policy(parts: Mapping[str, str]) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(parts['library'])} {_hash(parts['program'])}",
            f"style-src {_hash(parts['style'])}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _json(tables: Mapping[str, pa.Table], run: Run, most: int) -> str:
    data = {
        "results": {
            name: embedded(name, table, most) for name, table in tables.items() if name != QUALITY
        },
        "sizes": sizes(tables["query1"]["final_amount"], run.parameters.least_amount),
        "parameters": run.parameters.shown(),
        "currency": run.currency,
        "files": dict(run.files),
    }
    # Without this sign nothing in it can end the element or begin a comment.
    return json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")


def _facts(run: Run) -> Iterable[str]:
    rows = sum(run.rows.values())
    yield _fact("Finished", run.finished.strftime("%Y-%m-%d %H:%M %Z"))
    if run.rows:
        yield _fact("Rows", f"{rows:,}")
    if run.seconds is not None:
        yield _fact("Took", f"{run.seconds:,.2f} s")
        if run.rows and run.seconds > 0:
            yield _fact("Rows per second", f"{rows / run.seconds:,.0f}")
    if run.parameters != Parameters():
        told = (
            f"{name.replace('_', ' ')} {value}" for name, value in run.parameters.shown().items()
        )
        yield _fact("Parameters", ", ".join(told))
    yield _fact("Plan", f"{run.plan}, {run.partitions} partition{'s' * (run.partitions != 1)}")
    if run.rejected:
        yield _fact("Rows left out", f"{len(run.rejected):,}")


def _fact(name: str, value: str) -> str:
    return f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"


def _warnings(run: Run) -> str:
    if not run.warnings:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in run.warnings)
    return f'<div class="notice warn"><p>Warnings about the data:</p><ul>{items}</ul></div>'


def _quality(tables: Mapping[str, pa.Table]) -> str:
    if QUALITY not in tables:
        return ""
    lines = [
        (SAID[row["check"]], *(f"{row[each]:,}" for each in COUNTS), row["examples"])
        for row in tables[QUALITY].to_pylist()
    ]
    heads = ("Quality of the data", "Rows checked", "Rows found", "Ids", "Examples")
    return _table("Quality of the data", heads, lines, 1, "wide")


def _rows(run: Run) -> str:
    if not run.rows:
        return ""
    lines = [(name.replace("_", " "), f"{rows:,}") for name, rows in run.rows.items()]
    caption = f"Rows of producer {run.share}" if run.share else "Rows by table"
    return _table(caption, ("Table", "Rows"), lines, 1, "rows")


def _rejected(run: Run) -> str:
    if not run.rejected:
        return ""
    shown = run.rejected[:MOST_REJECTED]
    lines = [
        (str(e.file or ""), str(e.line or e.row or ""), e.column or "", e.value or "", e.reason)
        for e in (each.error for each in shown)
    ]
    all_of_them = f"{len(run.rejected):,}"
    some = all_of_them if len(shown) == len(run.rejected) else f"{len(shown):,} of {all_of_them}"
    caption = f"Rows left out ({some})"
    table = _table(caption, ("File", "Line", "Column", "Value", "Reason"), lines, 5, "wide")
    return f"<details><summary>Table: {escape(caption.lower())}</summary>{table}</details>"


def _table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: int, kind: str
) -> str:
    """A table as the live page makes them; the columns from the ``numbers``-th on are numbers."""
    kinds = [' class="number"' if place >= numbers else "" for place in range(len(heads))]
    head = "".join(
        f'<th scope="col"{kind}>{escape(text)}</th>'
        for kind, text in zip(kinds, heads, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{k}>{escape(text)}</td>" for k, text in zip(kinds, row, strict=True))
        + "</tr>"
        for row in rows
    )
    name = escape(caption)
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{name}"><table class="{kind}">'
        f'<caption class="unseen">{name}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
