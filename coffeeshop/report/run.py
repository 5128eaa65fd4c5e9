"""What a report says of a session beside its results."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coffeeshop.parameters import Parameters
from coffeeshop.reading.parse import Rejected

MOST_ROWS = 20_000
"""Rows of one result in a report: about 1 MB."""


@dataclass(frozen=True)
class Run:
    """One session that completed."""

    name: str
    """The data set's."""
    session: str
    plan: str
    partitions: int
    finished: dt.datetime
    """With its time zone."""
    seconds: float | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    """Rows read by table; empty where only those who sent them know."""
    share: str = ""
    """``i/N`` where the rows are those of one of several producers."""
    warnings: Sequence[str] = ()
    rejected: Sequence[Rejected] = ()
    parameters: Parameters = field(default_factory=Parameters)
    """Of the four questions."""
    currency: str = ""
    """The ISO code of the currency that amounts are shown in; empty: as mere numbers."""
    questions: Mapping[str, str] = field(default_factory=dict)
    """The SQL of those that have some, by name."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Where each result was written in full, by query."""


def run_of(known: Mapping[str, Any], warnings: Sequence[str], files: Mapping[str, str]) -> Run:
    """The run of a completed session, by what its gateway tells of it."""
    ended = known["ended_at"] or time.time()  # all results may be there a little before the end
    return Run(
        known["name"] or known["id"],
        known["id"],
        known["plan"],
        known["partitions"],
        dt.datetime.fromtimestamp(ended).astimezone(),
        seconds=ended - known["created_at"],
        warnings=warnings,
        parameters=Parameters.of(**(known.get("parameters") or {})),
        questions={each["name"]: each["sql"] for each in known.get("questions") or ()},
        files=files,
    )
