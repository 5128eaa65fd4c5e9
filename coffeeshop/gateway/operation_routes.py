"""What operators ask: nodes, figures, health."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from coffeeshop import __version__
from coffeeshop.gateway.problems import RETRY_SECONDS, Problem
from coffeeshop.gateway.state import Gateway, The
from coffeeshop.metrics import render

STATES = ("open", "completed", "failed", "cancelled", "aborted")
router = APIRouter(tags=["operation"])


@router.get("/v1/nodes")
async def nodes(gateway: The) -> dict[str, Any]:
    """The nodes that were heard of lately."""
    return {"nodes": gateway.nodes.all()}


@router.get("/v1/status")
async def status(gateway: The) -> dict[str, Any]:
    """Figures of this replica and of the whole."""
    return figures(gateway)


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(gateway: The) -> dict[str, str]:
    """The broker answers too, and this replica is not about to stop."""
    if gateway.stopping or not gateway.ready():
        raise Problem(503, "the broker does not answer", retry_after=RETRY_SECONDS)
    return {"status": "ready"}


@router.get("/metrics", response_class=Response)
async def metrics(gateway: The) -> Response:
    """Figures for Prometheus."""
    body, media_type = render(figures(gateway))
    return Response(body, media_type=media_type)


def figures(gateway: Gateway) -> dict[str, Any]:
    """What `status` and the metrics show, flat."""
    sessions = gateway.chronicle.all()
    return {
        "version": __version__,
        "gateway": gateway.sessions.name,
        **{f"sessions_{s}": sum(1 for each in sessions if each.state == s) for s in STATES},
        "journal_bytes": gateway.chronicle.journal_bytes(),
        "bytes_in_memory": gateway.admission.in_memory,
        "requests_refused_total": gateway.admission.refused,
        "nodes": len(gateway.nodes.all()),
    }
