"""The commands that ask a gateway: what they print for people and as JSON."""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import queries_of
from coffeeshop.client.results import files_of, write_results
from coffeeshop.commands.connecting import short_length
from coffeeshop.commands.show import SHOWN_ROWS, show_results
from coffeeshop.errors import UsageError
from coffeeshop.formats import body_of, from_arrow, warnings_of
from coffeeshop.names import ENDS, QUERIES, error_of
from coffeeshop.report import check_place, run_of, write_report
from coffeeshop.suggestions import did_you_mean
from coffeeshop.terminal import console, shown

BINARY = {"parquet": "Parquet", "xlsx": "A workbook"}
COLOURS = {"completed": "green", "open": "cyan", "failed": "red"}


@dataclass(frozen=True)
class ResultsRequest:
    """Which results, and where they go. ``mode``: table, json or ids (which prints nothing)."""

    query: str | None
    output: Path | None
    file_format: str
    mode: str
    report: Path | None = None
    currency: str = ""
    """The ISO code of the currency that people are shown amounts in."""


def sessions(
    client: GatewayClient,
    state: str | None,
    limit: int,
    mode: str,
    *,
    wide: bool = False,
    search: str = "",
) -> None:
    """List sessions, newest first. ``mode``: table, json or ids. ``wide``: ids and times whole."""
    found = client.sessions(state, limit, search)
    if not _print_plainly(found, mode):
        length = None if wide else short_length([each["id"] for each in found])
        table = _table("session", "folder", "state", *(("plan",) if wide else ()), "started")
        table.add_column("MB in", justify="right", no_wrap=True)
        table.add_column("reason", overflow="fold")
        for place in (0, 2):  # what a user copies, or compares, is never broken
            table.columns[place].no_wrap = True
        now = time.time()
        for each in found:
            began = each["created_at"]
            table.add_row(
                _cell(each["id"][:length]),
                _cell(each["name"]),
                _cell(each["state"], COLOURS.get(each["state"], "yellow")),
                *((_cell(each["plan"]),) if wide else ()),
                _moment(began) if wide else ago(now - began),
                f"{each['input_bytes'] / 1e6:,.1f}",
                _cell(each["reason"]),
            )
        kind = "" if state is None else f"{state} "
        looked = f" with {search!r}" if search.strip() else ""
        start = "" if kind or looked else "; start one with: coffeeshop submit FOLDER --gateway URL"
        _print(table, f"no {kind}sessions{looked}{start}")


def status(client: GatewayClient, session: str | None, as_json: bool) -> None:
    """One session, or the figures of the gateway that answers."""
    found = client.status() if session is None else client.session(session)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    table = _table("", "", header=False)
    for key, value in found.items():
        if key == "tables":
            for name, ended in value.items():
                words = _of_table(ended, found["producers"])
                table.add_row(_cell(name.replace("_", " ")), words)
        elif key == "left_out":
            for name, rows in value.items():
                words = f"{rows['rows']:,} of {rows['of']:,} rows"
                table.add_row(_cell(f"left out of {name.replace('_', ' ')}"), words)
        elif key == "parameters" and value:
            words = ", ".join(f"{_word(name)} {each}" for name, each in value.items())
            table.add_row(key, _cell(words))
        elif key == "questions":
            for question in value:
                sql = " ".join(question["sql"].split())
                table.add_row(_cell(question["name"]), _cell(sql or "built in"))
        elif value in ("", []) or key in ("bad_rows", "left_out_rows") or isinstance(value, dict):
            continue  # no name, no owner, no reason; what is shown elsewhere
        elif isinstance(value, list):
            table.add_row(_cell(key), _cell(", ".join(map(str, value)) or "none yet"))
        else:
            table.add_row(_cell(_word(key)), _cell(_shown(key, value)))
    console().print(table)
    print_bad_rows(found)


def _of_table(ended: dict[str, int], producers: int) -> str:
    """How far a table is: batches by the client that sent them, once it sent all of its own."""
    batches = sum(ended.values())
    sent = f"{batches:,} {'batch' if batches == 1 else 'batches'}"
    if len(ended) == producers:
        return f"complete, {sent}"
    if producers == 1:
        return "not complete yet"
    return f"{len(ended)} of {producers} clients sent all of theirs, {sent}"


def _word(key: str) -> str:
    return key.removesuffix("_seconds").replace("_", " ")


def results(client: GatewayClient, session: str, request: ResultsRequest) -> None:
    """Fetch results into a folder, or one of them to stdout (``output`` ``-``)."""
    if str(request.output) == "-" and request.file_format != "table":
        _refuse_stdout(request)
    if request.report is not None and request.query is not None:
        raise UsageError("--report needs all results: leave out --query")
    known = client.session(session)
    queries = queries_of(known)
    if request.query is not None and request.query not in queries:
        meant = did_you_mean(request.query, queries) or f"; it has {', '.join(queries)}"
        raise UsageError(f"the session has no query {request.query!r}{meant}")
    wanted = queries if request.query is None else (request.query,)
    if known["state"] != "open":
        raise_unless_completed(known["state"], known["reason"])
    elif not set(wanted) <= set(known["results"]):
        raise UsageError(f"not complete yet; follow it with: coffeeshop watch {session}")
    if request.file_format == "table":
        _print_tables(client, known, wanted, request)
        return
    if str(request.output) == "-":
        sys.stdout.buffer.write(_body(client, session, wanted[0], request))
        return
    # The name is what some client said: it must not lead out of here.
    directory = request.output or Path("results") / _directory_name(known["name"], session)
    if request.report is not None:
        check_place(request.report, directory, files_of(directory, wanted, request.file_format))
    tables = {name: from_arrow(client.result(session, name, "arrow")) for name in wanted}
    written = write_results(tables, directory, request.file_format, currency=request.currency)
    files = [str(file) for file in written]
    if request.report is not None:
        run = run_of(known, warnings_of(tables), dict(zip(tables, files, strict=True)))
        run = replace(run, currency=request.currency)
        files.append(str(write_report(tables, run, request.report)))
    if request.mode == "json":
        print(json.dumps({"session": session, "files": files}, indent=1))
    elif request.mode == "table":
        names = map(shown, files) if sys.stdout.isatty() else files
        print("".join(f"{file}\n" for file in names), end="")


def partial(client: GatewayClient, session: str, mode: str) -> None:
    """Print what is known of an open session so far. ``mode``: table, json or ids (nothing)."""
    found = client.partial(session)
    if mode == "json":
        print(json.dumps(found, indent=1))
    elif mode == "table":
        rows, share = sum(found["rows"].values()), found["share"]
        part = "" if share is None else f", {share:.0%} of the sales and items that were announced"
        print(f"so far, of {rows:,} rows{part}; this is no answer yet")
        for name, told in found["questions"].items():
            table = _table(*map(shown, told["columns"]))
            for row in told["first"][:SHOWN_ROWS]:
                table.add_row(*map(_cell, row))
            print(f"\n{shown(name)}, {told['rows']:,} rows so far")
            console().print(table)


def _body(client: GatewayClient, session: str, query: str, request: ResultsRequest) -> bytes:
    file_format = request.file_format
    if file_format in ("csv", "json", "parquet"):
        return client.result(session, query, file_format)
    table = from_arrow(client.result(session, query, "arrow"))
    return body_of(query, table, file_format, request.currency)


def _directory_name(name: str, session: str) -> str:
    """What a client called its session may be anything."""
    last = Path(name).name
    return session if last in ("", ".", "..") else last


def _refuse_stdout(request: ResultsRequest) -> None:
    if request.query is None:
        raise UsageError(f"-o - needs one --query: {', '.join(QUERIES)}")
    if request.mode == "json":
        raise UsageError("--json lists files, but -o - writes none: leave out one of them")
    if request.file_format in BINARY and sys.stdout.isatty():
        raise UsageError(
            f"{BINARY[request.file_format]} is binary and not for terminals: "
            f"add > {request.query}.{request.file_format}, or use --format csv"
        )


def _print_tables(
    client: GatewayClient,
    known: dict[str, Any],
    wanted: tuple[str, ...],
    request: ResultsRequest,
) -> None:
    """What ``submit --show`` prints; there are no files."""
    if request.output is not None or request.report is not None or request.mode == "json":
        raise UsageError("--format table prints: leave out --output-dir, --report and --json")
    tables = {name: from_arrow(client.result(known["id"], name, "arrow")) for name in wanted}
    if request.mode == "table":
        show_results(console(), tables, run_of(known, (), {}).parameters, request.currency)


def cancel(client: GatewayClient, session: str, mode: str) -> None:
    """Ask for the end of a session and wait for it. ``mode``: table, json or ids."""
    before = client.session(session)["state"]
    if before != "open":
        if mode == "table":
            print(f"{session} is already {before}; there is nothing to cancel")
        else:
            print(json.dumps({"session": session, "state": before}) if mode == "json" else session)
        return
    client.cancel(session)
    end = next((event for event in client.events(session) if event.name in ENDS), None)
    state = end.name if end is not None else "unknown"
    texts = {"json": json.dumps({"session": session, "state": state}), "ids": session}
    print(texts.get(mode, f"{session} {shown(state)}"))


def keep(client: GatewayClient, session: str, days: float, mode: str) -> None:
    """Have a session's results kept that long from now. ``mode``: table, json or ids."""
    known = client.keep(session, days * 86_400)
    until = known["expires_at"] or known["kept_until"]
    if mode == "json":
        print(json.dumps({"session": session, "expires_at": until}))
    elif mode == "ids":
        print(session)
    else:
        print(f"{session} is kept until {_moment(until)}")


def share(client: GatewayClient, session: str, seconds: float, mode: str) -> None:
    """Print a new read-only link. ``mode``: table, json or ids (which prints the address only)."""
    made = client.share(session, seconds)
    if mode == "json":
        print(json.dumps({key: made[key] for key in ("session", "url", "until")}))
        return
    print(made["url"])
    if mode == "table":
        print(f"those who have it see the results until {_moment(made['until'])}", file=sys.stderr)


def unshare(client: GatewayClient, session: str, mode: str) -> None:
    """End all links to a session."""
    client.unshare(session)
    texts = {"json": json.dumps({"session": session, "links": 0}), "ids": session}
    print(texts.get(mode, f"no link to {session} holds any more"))


def print_bad_rows(known: dict[str, Any]) -> None:
    """On standard error: the rows for which a session was refused, if that is why it ended, or the
    first that were left out."""
    rows = known.get("bad_rows") or known.get("left_out_rows") or ()
    if not rows:
        return
    table = _table("file", "line", "column", "value", "what is wrong")
    for row in rows:
        cells = (row["file"], row["line"] or "", row["column"] or "", row["value"] or "")
        table.add_row(*(_cell(str(cell)) for cell in (*cells, row["reason"])))
    console(stderr=True).print(table)


def nodes(client: GatewayClient, mode: str) -> None:
    """List the nodes heard of lately. ``mode``: table, json or ids."""
    found = client.nodes()
    if _print_plainly(found, mode):
        return
    table = _table("node", "types", "since", "sessions", "tasks", "restarts", "MB", "threads")
    for each in found:
        table.add_row(
            _cell(each["id"]),
            _cell(" ".join(each["types"])),
            _moment(each["started_at"]),
            _cell(each.get("sessions", "")),
            _cell(each.get("tasks", "")),
            _cell(each.get("restarts_total", "")),
            f"{each.get('resident_bytes', 0) / 1e6:,.0f}",
            _cell(each.get("threads", "")),
        )
    _print(table, "no nodes; start one with: coffeeshop run-node --type worker")


def raise_unless_completed(state: str, reason: str) -> None:
    """Raise what a session ended in, if it is not its completion."""
    if (error := error_of(state, reason)) is not None:
        raise error


def _print_plainly(found: list[dict[str, Any]], mode: str) -> bool:
    """Print for programs, if that is the mode."""
    if mode == "json":
        print(json.dumps(found, indent=1))
    elif mode == "ids":
        print("".join(f"{shown(each['id'])}\n" for each in found), end="")
    return mode != "table"


def _table(*columns: str, header: bool = True) -> Table:
    table = Table(box=None, show_header=header, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(table: Table, empty: str) -> None:
    if table.row_count:
        console().print(table)
    else:
        console().print(empty, highlight=False, soft_wrap=True)


def _cell(value: object, style: str = "") -> Text:
    """What a gateway says, as text: neither markup nor anything that a terminal obeys."""
    return Text(shown(value), style)


def _moment(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def ago(seconds: float) -> str:
    """A time that long before now, as people say it: ``just now``, ``3 min ago``."""
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if seconds >= length * (2 if unit == "days" else 1):
            return f"{seconds // length:.0f} {unit} ago"
    return "just now"


def _shown(key: str, value: Any) -> str:
    if key == "kept_until":
        return "no" if value is None else _moment(value)
    if key.endswith("_at"):
        return "not yet" if value is None else _moment(value)
    if key.endswith("_seconds") and value is not None:
        return f"{value:g} s"
    if key.endswith("bytes") and isinstance(value, int):
        return f"{value / 1e6:,.1f} MB"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
