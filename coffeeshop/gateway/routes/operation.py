"""What operators ask: nodes, status, health."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends, Response
from starlette.concurrency import run_in_threadpool

from coffeeshop import __version__
from coffeeshop.gateway.dependencies import Gateway, GatewayDep
from coffeeshop.gateway.metrics import metrics_of
from coffeeshop.gateway.problems import RETRY_SECONDS, Problem, problems
from coffeeshop.gateway.security.access import caller, require_admin
from coffeeshop.names import STATES
from coffeeshop.observability.metrics import render
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.presence import NODES
from coffeeshop.sessions.events import SESSIONS
from coffeeshop.transport import BrokerNode, HasBrokerNodes, Transport

EXAMINED = 100
"""Sessions that `leftovers` asks about, the newest of them."""
ADMIN = [Depends(require_admin)]
router = APIRouter(tags=["operation"])


@router.get(
    "/v1/nodes",
    dependencies=ADMIN,
    summary="List gateways and workers",
    response_description="`nodes`: their types, tasks, memory and restarts.",
    responses=problems(401, 403),
)
async def nodes(gateway: GatewayDep) -> dict[str, Any]:
    """The processes whose heartbeats arrived recently. Needs an admin token."""
    return {"nodes": gateway.nodes.all()}


@router.get(
    "/v1/status",
    dependencies=ADMIN,
    summary="Show the gateway's counters",
    response_description="Counters by name.",
    responses=problems(401, 403),
)
async def status(gateway: GatewayDep) -> dict[str, Any]:
    """Counters of this gateway and of the whole system. Needs an admin token."""
    return status_of(gateway)


@router.get(
    "/v1/leftovers",
    dependencies=ADMIN,
    summary="Look for what is wrong on the broker",
    response_description="`examined` sessions, their leftover `journals`, `broken` names, and the "
    "`broker_nodes`.",
    responses=problems(401, 403, 503),
)
async def leftovers(gateway: GatewayDep) -> dict[str, Any]:
    """Input journals of ended sessions, which should not exist. Needs an admin token.

    `broken` lists names without a stream, which a killed broker may keep. `broker_nodes` lists each
    host of the broker's URL: its `version`, why it is `away`, and which control journals it is
    `without` a copy of.
    """
    released = [each.spec for each in gateway.visible_sessions() if each.released][-EXAMINED:]
    found = await run_in_threadpool(_existing, gateway.transport, released)
    broken = sorted(gateway.log.broken())
    journals = sorted(set(found) - set(broken))
    told = await run_in_threadpool(_broker_nodes, gateway.transport)
    return {
        "examined": len(released),
        "journals": journals,
        "broken": broken,
        "broker_nodes": [asdict(each) for each in told],
    }


def _broker_nodes(transport: Transport) -> list[BrokerNode]:
    if not isinstance(transport, HasBrokerNodes):
        return []  # this process is the broker
    return transport.broker_nodes((SESSIONS, NODES))


def _existing(transport: Transport, specs: list[SessionSpec]) -> list[str]:
    journals = [task.journal for spec in specs for task in plan_of(spec).tasks(spec)]
    return [journal for journal in journals if transport.exists(journal)]


@router.get(
    "/healthz",
    summary="Check that the process runs",
    response_description="The process answers.",
)
async def healthz() -> dict[str, str]:
    """For liveness probes. Needs no token."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Check that the gateway can serve",
    response_description="The gateway is ready.",
    responses=problems(503),
)
async def readyz(gateway: GatewayDep) -> dict[str, str]:
    """For balancers. The gateway looks after sessions and is not stopping. Needs no token.

    `broker` is `connected` or `away`. A gateway whose broker is away is ready all the same: it
    answers 503 with Retry-After, which clients follow.
    """
    if why := gateway.not_ready_because():
        raise Problem(503, why, retry_after=RETRY_SECONDS)
    return {"status": "ready", "broker": "away" if gateway.broker_away() else "connected"}


@router.get(
    "/metrics",
    response_class=Response,
    dependencies=ADMIN,
    summary="Metrics for Prometheus",
    response_description="The metrics as text.",
    responses={200: {"content": {"text/plain": {}}}, **problems(401, 403)},
)
async def metrics(gateway: GatewayDep) -> Response:
    """Metrics of this process and of all sessions. Needs an admin token."""
    process_metrics = await run_in_threadpool(gateway.process_metrics)
    body, media_type = render({**process_metrics, **await metrics_of(gateway)})
    return Response(body, media_type=media_type)


def status_of(gateway: Gateway) -> dict[str, Any]:
    """What `status` shows, flat: of the sessions that who asks may know of.

    What tells of everybody's is for admins.
    """
    sessions = gateway.visible_sessions()
    shown: dict[str, Any] = {
        "version": __version__,
        "gateway": gateway.sessions.name,
        **{f"sessions_{s}": sum(1 for each in sessions if each.state == s) for s in STATES},
        "journal_bytes": sum(each.journal_bytes for each in sessions),
        "nodes": len(gateway.visible_nodes()),
    }
    if caller().admin:
        files = gateway.admission.broker_files
        shown["broker_files"] = files.taken(gateway.log.all())
        shown["broker_files_limit"] = files.limit
        shown["bytes_in_memory"] = gateway.admission.in_memory
        shown["requests_refused_total"] = gateway.admission.refused
    return shown
