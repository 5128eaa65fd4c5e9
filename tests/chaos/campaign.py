"""``python -m tests.chaos.campaign``: a long campaign against the oracle, and its report."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from coffeeshop.observability.telemetry import configure_logging
from coffeeshop.testing.chaos import Campaign, Report, run
from tests.chaos.asking import Asking
from tests.oracle import answers

BEGIN, END = "<!-- campaign{} -->", "<!-- end of campaign{} -->"


def described(report: Report) -> str:
    """The report as a table in Markdown."""
    campaign = report.campaign
    kinds = ", ".join(f"{n} x {fault}" for fault, n in sorted(report.faults.items()))
    growth = report.growth.items()
    options = f"CHAOS_SECONDS={campaign.seconds:g} CHAOS_SEED={campaign.seed}"
    if campaign.brokers != 1:
        options += f" CHAOS_BROKERS={campaign.brokers}"
    if campaign.patience != 1:
        options += f" CHAOS_PATIENCE={campaign.patience:g}"
    if not campaign.growth:
        options += " CHAOS_GROWTH=no"
    ledger = report.ledger
    rows = [
        ("command", f"`make chaos {options}`"),
        ("processors", str(os.cpu_count())),
        (
            "clients, workers, gateways, brokers",
            f"{campaign.clients}, {campaign.workers}, 2, {campaign.brokers}",
        ),
        ("faults for", f"{campaign.seconds / 60:g} minutes"),
        ("faults", f"{sum(report.faults.values())}: {kinds}"),
        ("sessions, each compared with DuckDB's answers", f"{report.sessions:,}"),
        *((f"of them with {what}", f"{count:,}") for what, count in sorted(report.asked.items())),
        ("rows analysed", f"{report.rows:,}"),
        ("**wrong, missing or repeated ends**", f"**{len(report.wrong)}**"),
        (
            "sessions recorded, their journals a behaviour of the protocol",
            f"{report.traces - len(report.refused):,} of {report.traces:,}"
            f" ({report.traces_cut:,} in part)",
        ),
        ("slowest session", f"{report.slowest:.1f} s"),
        (
            "appends that a publisher saw confirmed: in their journals, lost, deleted unread",
            f"{ledger.stored:,}, **{len(ledger.lost):,}**, {ledger.unread:,}",
        ),
        ("sessions opened again under another id", str(report.opened_anew)),
        ("names without a stream, removed as an operator does", str(len(report.ghost_streams))),
        *(
            [("times that the cluster needed all its nodes restarted", str(len(report.remained)))]
            if campaign.brokers > 1
            else []
        ),
        ("objects left on the broker", str(len(report.left))),
        *((f"{what}, before and after the last sessions", f"{a}, {b}") for what, (a, b) in growth),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)])


def write_into(file: Path, table: str, brokers: int = 1) -> None:
    """Put the table between the marks of a document: one broker has other marks than several."""
    of = "" if brokers == 1 else " on a cluster"
    begin, end = BEGIN.format(of), END.format(of)
    before, _, rest = file.read_text().partition(begin)
    _, _, after = rest.partition(end)
    file.write_text(f"{before}{begin}\n{table}\n{end}{after}")


def main() -> int:
    """Run it; 1 when the promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--patience", type=float, default=1.0, help="a factor for all deadlines")
    parser.add_argument("--growth", choices=("yes", "no"), default="yes", help="look for leaks")
    parser.add_argument("--write", type=Path, help="a document to put the table into")
    options = parser.parse_args()
    configure_logging("normal")
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", file=sys.stderr, flush=True)

    campaign = Campaign(
        options.seed,
        options.seconds,
        options.clients,
        growth=options.growth == "yes",
        brokers=options.brokers,
        patience=options.patience,
    )
    with tempfile.TemporaryDirectory() as folder:
        asking = Asking()
        report = run(campaign, Path(folder), asking.prepared(answers), say, ask=asking)
    print(described(report))
    complaints = (*report.wrong, *report.refused, *report.left, *report.grown)
    for complaint in (*complaints, *report.ledger.lost, *report.remained, report.given_up):
        print(complaint)
    if report.evidence:
        file = Path(tempfile.gettempdir()) / f"coffeeshop-chaos-{campaign.seed}.json"
        file.write_text("\n".join(map(json.dumps, report.evidence)))
        print(f"what the processes said: {file}")
    if options.write:
        write_into(options.write, described(report), campaign.brokers)
    return 0 if report.kept else 1


if __name__ == "__main__":
    sys.exit(main())
