"""`coffeeshop doctor`: is everything there, and is anything left that should not be?"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Any

from rich.text import Text

from coffeeshop.bounds import OPEN_SESSIONS
from coffeeshop.client.gateway import GatewayClient
from coffeeshop.errors import CoffeeshopError
from coffeeshop.pipeline.plan import PLANS
from coffeeshop.reading import native
from coffeeshop.terminal import console, shown

NEARLY = 0.8
"""Of the broker's file descriptors: from here on there may soon be none."""
GRACE = 15.0
"""Seconds that gateways have to release what a session leaves."""
STAGES = {name: [stage.name for stage in plan.stages] for name, plan in PLANS.items()}


@dataclass(frozen=True)
class Finding:
    """One check. ``advice`` says what to do when it is not ok."""

    check: str
    ok: bool
    found: str
    advice: str = ""


def examine(client: GatewayClient) -> list[Finding]:
    """All checks, in the order in which they depend on each other."""
    findings = [_scanner(), _ready(client)]
    if findings[-1].ok:
        findings += [_stages(client), _files(client), _sessions(client)]
        findings += [*_room_of_nodes(client), _unreleased(client)]
        found = client.leftovers()  # once: the gateway asks the broker for hundreds of journals
        findings += [_broker_nodes(found), _leftovers(found), _broken(found), _unfinished(client)]
    return findings


def _scanner() -> Finding:
    return Finding("what reads CSV in this process", True, native.description())


def _ready(client: GatewayClient) -> Finding:
    return Finding(
        "gateway and broker",
        client.ready(),
        client.url,
        "start RabbitMQ, then: coffeeshop run-node --type gateway",
    )


def _stages(client: GatewayClient) -> Finding:
    types = {each for node in client.nodes() for each in node["types"]}
    everything = bool(types & {"worker", "all"})
    served = [p for p, stages in STAGES.items() if everything or types >= set(stages)]
    return Finding(
        "a worker for every stage",
        bool(served),
        f"plans served: {', '.join(served) or 'none'}",
        "coffeeshop run-node --type worker",
    )


def _files(client: GatewayClient) -> Finding:
    found = client.status()
    taken, limit = found.get("broker_files", 0), found.get("broker_files_limit", 0)
    return Finding(
        "file descriptors left at the broker",
        taken <= NEARLY * limit or not limit,
        f"about {taken:,} of {limit:,}",
        "raise the broker's limit (LimitNOFILE, ulimit -n), say it with run-node --broker-files, "
        "or keep results for less time (--result-ttl)",
    )


def _sessions(client: GatewayClient) -> Finding:
    is_open = len(client.sessions("open", 10_000))
    return Finding(
        "room for more sessions",
        is_open <= NEARLY * OPEN_SESSIONS,
        f"{is_open:,} open; a gateway allows {OPEN_SESSIONS:,}, or as many as --max-sessions says",
        "end idle ones (coffeeshop sessions, cancel), or run more nodes and raise --max-sessions",
    )


def _room_of_nodes(client: GatewayClient) -> list[Finding]:
    """Threads and memory that processes have left, where their containers have limits."""
    nodes = client.nodes()
    threads = [(n, n.get("threads", 0), n.get("threads_limit", 0)) for n in nodes]
    memory = [(n, n.get("resident_bytes", 0), n.get("memory_limit_bytes", 0)) for n in nodes]
    in_mib = [(node, taken >> 20, most >> 20) for node, taken, most in memory]
    return [_room("threads", "pids", threads), _room("MiB of memory", "memory", in_mib)]


def _room(what: str, limit: str, nodes: list[tuple[dict[str, Any], int, int]]) -> Finding:
    full = [each["id"] for each, taken, most in nodes if most and taken > NEARLY * most]
    most = max((taken for _, taken, _ in nodes), default=0)
    lowest = min((allowed for *_, allowed in nodes if allowed), default=0)
    bound = f"of {lowest:,}" if lowest else "without a limit"
    return Finding(
        f"{what} left in every process",
        not full,
        f"at most {most:,} {bound}",
        f"raise the container's limit ({limit}), or run more processes of this type: "
        + ", ".join(full[:5]),
    )


def _unreleased(client: GatewayClient) -> Finding:
    ended = [s for s in client.sessions(limit=10_000) if s["state"] != "open"]
    late = time.time() - GRACE
    left = [s["id"] for s in ended if not s["released"] and s["ended_at"] < late]
    return Finding(
        "the input of ended sessions is deleted",
        not left,
        f"{len(ended)} ended, {len(left)} with input still on the broker",
        "gateways delete it within seconds; if they do not, see their logs: " + ", ".join(left[:5]),
    )


def _broker_nodes(found: dict[str, Any]) -> Finding:
    """Gateways before this release do not tell of them."""
    nodes = found.get("broker_nodes", [])
    answering = [node for node in nodes if not node["away"]]
    faults = [f"{node['host']} is away ({node['away']})" for node in nodes if node["away"]]
    faults += [
        f"{n['host']} has no copy of {', '.join(n['without'])}" for n in nodes if n["without"]
    ]
    releases = sorted({node["version"] for node in answering})
    if len(releases) > 1:
        faults.append("they are of different releases")
    told = f"{len(answering)} of {len(nodes)} answer, RabbitMQ {', '.join(releases) or '?'}"
    return Finding(
        "the nodes of the broker",
        not faults,
        "; ".join([told, *faults]) if nodes else "none: the broker is in the gateway's process",
        "start or replace the node, give it copies: docs/operations.md, A broker of three nodes",
    )


def _leftovers(found: dict[str, Any]) -> Finding:
    journals = found["journals"]
    return Finding(
        "no leftover journals on the broker",
        not journals,
        f"{found['examined']} released sessions, {len(journals)} of their input journals exist",
        "delete them with rabbitmqctl delete_queue: " + ", ".join(journals[:5]),
    )


def _broken(found: dict[str, Any]) -> Finding:
    broken = found["broken"]
    return Finding(
        "no broken stream names on the broker",
        not broken,
        f"{len(broken)} names without a stream, left by a broker that was killed",
        "they hold no data; docs/operations.md shows how to remove them: " + ", ".join(broken[:5]),
    )


def _unfinished(client: GatewayClient) -> Finding:
    waiting = [s["id"] for s in client.sessions("open", 10_000) if s["uploaded"]]
    tasks = sum(int(node.get("tasks", 0)) for node in client.nodes())
    return Finding(
        "uploaded sessions are worked on",
        not waiting or tasks > 0,
        f"{len(waiting)} uploaded, {tasks} tasks on nodes",
        "coffeeshop run-node --type worker",
    )


def doctor(client: GatewayClient, as_json: bool) -> None:
    """Print the findings; raises `CoffeeshopError` when one is not ok."""
    findings = examine(client)
    if as_json:
        print(json.dumps([asdict(each) for each in findings], indent=1))
    else:
        screen = console()
        for each in findings:
            mark = ("ok   ", "green") if each.ok else ("WRONG", "red")
            screen.print(Text.assemble(mark, f" {each.check}: {shown(each.found)}"), soft_wrap=True)
            if not each.ok:
                screen.print(Text(f"      {shown(each.advice)}", "dim"), soft_wrap=True)
    if not all(each.ok for each in findings):
        wrong = ", ".join(each.check for each in findings if not each.ok)
        raise CoffeeshopError(f"checks failed: {wrong}")
