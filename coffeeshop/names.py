"""Names that the API, the command line and the page share. Imports nothing heavy.

States of a session and what they mean for its client; queries; stages and the plans they make up.
"""

from __future__ import annotations

from pathlib import Path

from coffeeshop.errors import Cancelled, CoffeeshopError, SessionFailed

OPEN, COMPLETED, EXPIRED = "open", "completed", "expired"
STATES = (OPEN, COMPLETED, "failed", "cancelled", "aborted")
"""States of a session that the broker still has something of."""
ENDS = (*STATES[1:], EXPIRED)
"""States that are final, and the names of events after which there are none."""

RESULTS = {
    "query1": ("query1",),
    "query2": ("query2_best_selling", "query2_most_profitable"),
    "query3": ("query3",),
    "query4": ("query4",),
}
"""The results that each part of a plan's end makes."""
_BUILTIN = Path(__file__).parent / "questions" / "builtin"
EXTRA = tuple(sorted(file.stem for file in _BUILTIN.glob("[a-z]*.py") if file.stem not in RESULTS))
"""Questions that were added to `coffeeshop.questions.builtin`, each the name of its result."""
FOUR = frozenset(query for queries in RESULTS.values() for query in queries)
"""The results of the four questions."""
QUERIES = (*(query for queries in RESULTS.values() for query in queries), *EXTRA)
OWN = "aggregator"
"""The stage that finishes questions of a session's own, whatever they are, and those that were
added."""

QUALITY = "quality"
"""The result of the checks of a session's data, where they are asked for."""

AGGREGATORS: dict[str, tuple[str, ...]] = {
    **{f"aggregator_{query}": (query,) for query in RESULTS},
    **({OWN: EXTRA} if EXTRA else {}),
}
PARALLEL: dict[str, dict[str, tuple[str, ...]]] = {
    "fused": {
        "filters": (
            "filter_year",
            "filter_hour",
            "filter_amount",
            *(f"partial_{query}" for query in (*RESULTS, *EXTRA)),
        )
    },
    "staged": {
        "filter_year": (
            "filter_year",
            "partial_query2",
            "partial_query4",
            *(f"partial_{query}" for query in EXTRA),
        ),
        "filter_hour": ("filter_hour", "partial_query3"),
        "filter_amount": ("filter_amount", "partial_query1"),
    },
}
"""The stages of each plan that run in P partitions, and the groups of operators that they run."""
PLANS = {name: {**stages, **AGGREGATORS} for name, stages in PARALLEL.items()}
"""Every plan as the groups of operators of each stage, in flow order."""
STAGES = tuple(dict.fromkeys((*(s for stages in PLANS.values() for s in stages), OWN)))
"""The stages of all plans, each once."""
NODE_TYPES = ("gateway", *STAGES, "worker", "all")
"""What a node may be: a gateway, a stage, every stage, everything."""
FORMATS = ("csv", "json", "parquet", "xlsx", "sheet.csv", "es.csv")
"""Formats of result files."""


def error_of(state: str, reason: str = "") -> CoffeeshopError | None:
    """The exception that the end of a session stands for; None for ``completed``."""
    match state:
        case "completed":
            return None
        case "cancelled":
            return Cancelled(reason or "the session was cancelled")
        case "expired":
            return SessionFailed(reason or "the session's results have expired; submit it again")
    return SessionFailed(reason or f"the session {state}")
