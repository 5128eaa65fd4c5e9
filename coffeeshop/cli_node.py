"""`coffeeshop run-node`. Imports of the system are inside, as in `coffeeshop.cli`."""

from __future__ import annotations

import rich_click as click

from coffeeshop.cli_access import access, access_options
from coffeeshop.errors import Unreachable
from coffeeshop.settings import Settings, set_up_logging


@click.command("run-node")
@click.option(
    "--type", "types", multiple=True, required=True, help="gateway, a stage, worker, all."
)
@click.option(
    "--broker", help="RabbitMQ's URL.  [COFFEESHOP_BROKER_URL, COFFEESHOP_BROKER_URL_FILE]"
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the gateway listens.")
@click.option("--port", type=click.IntRange(0, 65535), default=9000, show_default=True)
@access_options
@click.option("--metrics-host", default="127.0.0.1", show_default=True)
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="Serve /metrics and /healthz.")
@click.option("--drain-timeout", type=click.FloatRange(min=0), default=10.0, show_default=True)
@click.option(
    "--hang-timeout",
    type=click.FloatRange(min=0.1),
    default=600.0,
    show_default=True,
    help="Seconds one batch may take; then its session fails and this process ends (70).",
)
@click.option("--client-timeout", type=click.FloatRange(min=0.1), default=60.0, show_default=True)
@click.option("--result-ttl", type=click.FloatRange(min=0), default=3600.0, show_default=True)
@click.option("--session-ttl", type=click.FloatRange(min=1), default=86_400.0, show_default=True)
@click.option("--max-sessions", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--max-journal-mib", type=click.IntRange(min=1), default=65_536, show_default=True)
@click.option("--verbose", "verbosity", flag_value="verbose", help="Log every step.")
@click.option("--quiet", "-q", "verbosity", flag_value="quiet", help="Log errors only.")
def run_node(
    types: tuple[str, ...],
    broker: str | None,
    host: str,
    port: int,
    metrics_host: str,
    metrics_port: int | None,
    drain_timeout: float,
    hang_timeout: float,
    client_timeout: float,
    result_ttl: float,
    session_ttl: float,
    max_sessions: int,
    max_journal_mib: int,
    verbosity: str | None,
) -> None:
    """Run one process of the distributed system: a gateway, stages, or both.

    \b
    coffeeshop run-node --type gateway --port 9000
    coffeeshop run-node --type worker
    coffeeshop run-node --type filter_year --type filter_hour
    """
    settings = Settings.read()
    set_up_logging(settings, verbosity or "info")
    from coffeeshop.gateway.admission import Limits
    from coffeeshop.gateway.lifetimes import Lifetimes
    from coffeeshop.service import NodeOptions, Service, has_gateway, stages_of

    stages_of(types)  # what is wrong is said before anything is connected
    allowed = access(settings) if has_gateway(types) else None
    if allowed is not None:
        allowed.check_host(host)
    service = Service(
        NodeOptions(
            types,
            broker or settings.broker,
            host,
            port,
            metrics_host,
            metrics_port,
            drain_timeout,
            hang_timeout,
            Limits(open_sessions=max_sessions, journals=max_journal_mib << 20),
            Lifetimes(client_timeout, result_ttl, session_ttl),
            allowed,
        )
    )
    service.install_signals()
    try:
        service.run()
    except OSError as error:
        raise Unreachable(f"cannot listen on {host}:{port}: {error.strerror}") from error
