"""What a gateway tells Prometheus, beyond its status."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from coffeeshop.actors.keeper_supervisor import STEPS
from coffeeshop.gateway.dependencies import OWN, Gateway
from coffeeshop.names import QUERIES, STATES
from coffeeshop.observability.metrics import Labelled
from coffeeshop.schema import CATALOG
from coffeeshop.sessions.lifecycle import Session, Timeouts

NAMES = (*QUERIES, OWN)
"""The queries that metrics tell apart."""


async def metrics_of(gateway: Gateway) -> dict[str, Any]:
    """Metrics of this replica and of the sessions it knows of."""
    sessions = gateway.log.all()
    return {
        **of_sessions(sessions, gateway.sessions.wall(), gateway.sessions.timeouts),
        **_of_traffic(gateway),
        "sessions_ended_total": Labelled(
            "state", {state: gateway.log.ended[state] for state in STATES[1:]}
        ),
        "repairs_total": Labelled("kind", gateway.sessions.repairs.counts),
        "requests_refused_total": Labelled("reason", dict(gateway.admission.refusals)),
        "broker_files": gateway.admission.broker_files.taken(sessions),
        "broker_files_limit": gateway.admission.broker_files.limit,
        "bytes_in_memory": gateway.admission.in_memory,
        "answer_bytes_in_memory": gateway.admission.answers,
        "listeners": gateway.admission.listeners,
        "nodes": len(gateway.nodes.all()),
        "ready": int(not gateway.not_ready_because()),
        "reconciler_age_seconds": gateway.keepers.age,
        "reconciler_failures_total": Labelled("step", _failures(gateway)),
        "event_loop_delay_seconds": await _loop_delay(),
    }


def of_sessions(sessions: list[Session], wall: float, timeouts: Timeouts) -> dict[str, Any]:
    """Figures of all sessions; ``wall``: seconds since 1970."""
    uploaded = [each for each in sessions if each.state == "open" and each.uploaded]
    ended = [each for each in sessions if each.ended is not None]
    overdue = [each for each in ended if wall > (timeouts.expires_at(each) or wall)]
    by_state = {state: sum(each.state == state for each in sessions) for state in STATES}
    return {
        "sessions_by_state": Labelled("state", by_state),
        "sessions_unreleased": sum(not each.released for each in ended),
        "sessions_unexpired": len(overdue),
        "oldest_uploaded_session_seconds": max((wall - s.created for s in uploaded), default=0.0),
        "journal_bytes": sum(each.journal_bytes for each in sessions),
        "result_bytes": sum(each.result_bytes for each in sessions),
    }


def _of_traffic(gateway: Gateway) -> dict[str, Any]:
    stored, sent = gateway.traffic.totals, gateway.traffic.sent
    return {
        "batches_stored_total": Labelled("table", {t: stored[t].batches for t in CATALOG}),
        "rows_stored_total": Labelled("table", {t: stored[t].rows for t in CATALOG}),
        "batch_bytes_stored_total": Labelled("table", {t: stored[t].bytes for t in CATALOG}),
        "results_sent_total": Labelled("query", {q: sent[q].results for q in NAMES}),
        "result_bytes_sent_total": Labelled("query", {q: sent[q].bytes for q in NAMES}),
    }


def _failures(gateway: Gateway) -> dict[str, int]:
    return {step: gateway.keepers.failures.get(step, 0) for step in STEPS}


async def _loop_delay() -> float:
    """Seconds that one turn of the event loop takes, with all that waits for it."""
    began = time.perf_counter()
    await asyncio.sleep(0)
    return time.perf_counter() - began
