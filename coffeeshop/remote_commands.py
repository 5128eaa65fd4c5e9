"""The commands that ask a gateway: what they print for people and as JSON."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coffeeshop.client.gateway import ENDS, GatewayClient
from coffeeshop.client.results import write_results
from coffeeshop.errors import Cancelled, SessionFailed, UsageError
from coffeeshop.formats import from_arrow
from coffeeshop.plan import PLANS

QUERIES = PLANS["fused"].results
COLOURS = {"completed": "green", "open": "cyan", "failed": "red"}


def sessions(client: GatewayClient, state: str | None, limit: int, mode: str) -> None:
    """List sessions, newest first. ``mode``: table, json or ids."""
    found = client.sessions(state, limit)
    if mode == "json":
        print(json.dumps(found, indent=1))
    elif mode == "ids":
        print("".join(f"{each['id']}\n" for each in found), end="")
    else:
        table = _table("session", "folder", "state", "plan", "started", "MB in", "reason")
        for each in found:
            table.add_row(
                each["id"],
                Text(each["name"]),
                _coloured(each["state"]),
                each["plan"],
                _moment(each["created_at"]),
                f"{each['input_bytes'] / 1e6:,.1f}",
                Text(each["reason"]),
            )
        _print(table, "no sessions; start one with: coffeeshop submit --data-folder …")


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
                words = ", ".join(f"{p}: {n} batches" for p, n in ended.items())
                table.add_row(name, words or "not ended yet")
        elif isinstance(value, list):
            table.add_row(key, ", ".join(value) or "none yet")
        else:
            table.add_row(key.replace("_", " "), Text(_shown(key, value)))
    Console().print(table)


def watch(client: GatewayClient, session: str, as_json: bool) -> None:
    """Follow a session to its end. Raises what it ended in."""
    console = Console()
    for event in client.events(session):
        if as_json:
            print(json.dumps({"event": event.name, "id": event.offset, **event.data}), flush=True)
        else:
            words = " ".join(f"{key}={value}" for key, value in event.data.items())
            line = Text.assemble((f"{event.name:<14}", "bold"), " ", words)
            console.print(line, soft_wrap=True)
        if event.name in ENDS:
            _raise_unless_completed(event.name, str(event.data.get("reason", "")))
    if not as_json:
        console.print(f"coffeeshop results {session}", style="dim", highlight=False)


def results(
    client: GatewayClient, session: str, query: str | None, output: Path | None, file_format: str
) -> None:
    """Fetch results into a folder, or one of them to stdout (``output`` ``-``)."""
    wanted = QUERIES if query is None else (query,)
    if query is not None and query not in QUERIES:
        raise UsageError(f"no query {query}; there are {', '.join(QUERIES)}")
    known = client.session(session)
    if known["state"] != "open":
        _raise_unless_completed(known["state"], known["reason"])
    elif not set(wanted) <= set(known["results"]):
        raise UsageError(f"not complete yet; follow it with: coffeeshop watch {session}")
    if str(output) == "-":
        if query is None:
            raise UsageError(f"-o - needs one --query: {', '.join(QUERIES)}")
        sys.stdout.buffer.write(client.result(session, query, file_format))
        return
    tables = {name: from_arrow(client.result(session, name, "arrow")) for name in wanted}
    # The name is what some client said: it must not lead out of here.
    directory = output or Path("results") / (Path(known["name"]).name or session)
    for file in write_results(tables, directory, file_format):
        print(file)


def cancel(client: GatewayClient, session: str, as_json: bool) -> None:
    """Ask for the end of a session and wait for it."""
    client.cancel(session)
    end = next((event for event in client.events(session) if event.name in ENDS), None)
    state = end.name if end is not None else "unknown"
    print(json.dumps({"session": session, "state": state}) if as_json else f"{session} {state}")


def nodes(client: GatewayClient, as_json: bool) -> None:
    """List the nodes heard of lately."""
    found = client.nodes()
    if as_json:
        print(json.dumps(found, indent=1))
        return
    table = _table("node", "types", "since", "sessions", "tasks", "restarts", "MB", "threads")
    for each in found:
        table.add_row(
            each["id"],
            " ".join(each["types"]),
            _moment(each["started_at"]),
            str(each.get("sessions", "")),
            str(each.get("tasks", "")),
            str(each.get("restarts_total", "")),
            f"{each.get('resident_bytes', 0) / 1e6:,.0f}",
            str(each.get("threads", "")),
        )
    _print(table, "no nodes; start one with: coffeeshop run-node --type worker")


def _raise_unless_completed(state: str, reason: str) -> None:
    if state == "cancelled":
        raise Cancelled(reason or "the session was cancelled")
    if state == "expired":
        raise UsageError("the session's results have expired")
    if state != "completed":
        raise SessionFailed(f"the session is {state}: {reason}")


def _table(*columns: str, header: bool = True) -> Table:
    table = Table(box=None, show_header=header, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(table: Table, empty: str) -> None:
    console = Console()
    if table.row_count:
        console.print(table)
    else:
        console.print(empty, highlight=False, soft_wrap=True)


def _coloured(state: str) -> str:
    colour = COLOURS.get(state, "yellow")
    return f"[{colour}]{state}[/]"


def _moment(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _shown(key: str, value: Any) -> str:
    if key.endswith("_at") and value is not None:
        return _moment(value)
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
