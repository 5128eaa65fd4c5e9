"""`coffeeshop run-node`. Imports of the system are inside, as in `coffeeshop.cli`."""

from __future__ import annotations

import click

from coffeeshop.commands.access import access, access_options
from coffeeshop.commands.help import Command
from coffeeshop.commands.tracing import set_up_tracing, tracing_option
from coffeeshop.commands.types import Choice, Currency, Seconds
from coffeeshop.errors import Unreachable
from coffeeshop.names import NODE_TYPES
from coffeeshop.settings import Settings, set_up_logging


@click.command(
    "run-node",
    cls=Command,
    short_help="Run a gateway, workers, or both.",
    examples=(
        ("HTTP on 127.0.0.1:9000", "coffeeshop run-node --type gateway --port 9000"),
        ("a worker for every stage; start as many as needed", "coffeeshop run-node --type worker"),
        ("a worker for two stages", "coffeeshop run-node --type filter_year --type filter_hour"),
    ),
)
@click.option(
    "--type",
    "types",
    type=Choice(NODE_TYPES),
    metavar="TYPE",
    multiple=True,
    required=True,
    help=f"{', '.join(NODE_TYPES)}. Repeatable; worker means every stage.",
)
@click.option("--broker", help="RabbitMQ URL.  [COFFEESHOP_BROKER_URL, COFFEESHOP_BROKER_URL_FILE]")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address the gateway listens on."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=9000,
    show_default=True,
    help="Port the gateway listens on; 0 takes a free one.",
)
@access_options
@click.option(
    "--metrics-host", default="127.0.0.1", show_default=True, help="Address for --metrics-port."
)
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), help="Serve /metrics and /healthz of a worker."
)
@click.option(
    "--drain-timeout",
    type=Seconds(),
    default=10.0,
    show_default=True,
    help="Seconds that running tasks get to finish at shutdown.",
)
@click.option(
    "--hang-timeout",
    type=Seconds(0.1),
    default=600.0,
    show_default=True,
    help="Seconds one batch may take; after that its session fails and the process exits (70).",
)
@click.option(
    "--repair-after",
    type=Seconds(0.1),
    default=5.0,
    show_default=True,
    help="Seconds without anything new after which a task asks for what is missing.",
)
@click.option(
    "--client-timeout",
    type=Seconds(0.1),
    default=60.0,
    show_default=True,
    help="Seconds without a request after which a client counts as gone.",
)
@click.option(
    "--result-ttl",
    type=Seconds(),
    default=604_800.0,
    show_default="604800, a week",
    help="Seconds to keep results after a session ended; see `coffeeshop keep`.",
)
@click.option(
    "--session-ttl",
    type=Seconds(1),
    default=86_400.0,
    show_default=True,
    help="Seconds after which an open session is aborted.",
)
@click.option(
    "--max-sessions",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Most open sessions.",
)
@click.option(
    "--max-journal-mib",
    type=click.IntRange(min=1),
    default=65_536,
    show_default=True,
    help="Most input of all open sessions on the broker.",
)
@click.option(
    "--max-sessions-per-token",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Most open sessions of one client (a name in the tokens file).",
)
@click.option(
    "--max-journal-mib-per-token",
    type=click.IntRange(min=1),
    default=16_384,
    show_default=True,
    help="Most input of one client's open sessions on the broker.",
)
@click.option(
    "--max-results-per-token",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    help="Most sessions of one client, with ended ones; above, the oldest results go early.",
)
@click.option(
    "--max-results",
    type=click.IntRange(min=1),
    default=5000,
    show_default=True,
    help="The same, of all clients.",
)
@click.option(
    "--max-result-mib",
    type=click.IntRange(min=1),
    default=16_384,
    show_default=True,
    help="Most results that the broker keeps; above, the oldest go early.",
)
@click.option(
    "--broker-files",
    type=click.IntRange(min=1),
    default=65_536,
    show_default=True,
    help="File descriptors that the broker may have; a session takes about 22.",
)
@click.option(
    "--currency",
    type=Currency(),
    metavar="CODE",
    help="Show amounts in it, as EUR, on the page and in workbooks.  [COFFEESHOP_CURRENCY]",
)
@tracing_option
@click.option("--verbose", "verbosity", flag_value="verbose", help="Log every step.")
@click.option("--quiet", "-q", "verbosity", flag_value="quiet", help="Log errors only.")
def run_node(  # noqa: PLR0913 - one for each option
    *,
    types: tuple[str, ...],
    broker: str | None,
    host: str,
    port: int,
    metrics_host: str,
    metrics_port: int | None,
    drain_timeout: float,
    hang_timeout: float,
    repair_after: float,
    client_timeout: float,
    result_ttl: float,
    session_ttl: float,
    max_sessions: int,
    max_journal_mib: int,
    max_sessions_per_token: int,
    max_journal_mib_per_token: int,
    max_results_per_token: int,
    max_results: int,
    max_result_mib: int,
    broker_files: int,
    currency: str | None,
    tracing: bool,
    verbosity: str | None,
) -> None:
    """Run one process of the distributed system: a gateway, workers, or both."""
    settings = Settings.read()
    set_up_logging(settings, verbosity or "info", types)
    set_up_tracing(settings, tracing, types)
    from coffeeshop.allocator import tune_malloc
    from coffeeshop.gateway.admission import Limits
    from coffeeshop.service import NodeOptions, Service, has_gateway, stages_of
    from coffeeshop.sessions.lifecycle import Timeouts

    stages_of(types)  # what is wrong is said before anything is connected
    allowed = access(settings) if has_gateway(types) else None
    if allowed is not None:
        allowed.check_host(host)
    service = Service(
        NodeOptions(
            types,
            broker or settings.broker,
            host=host,
            port=port,
            metrics_host=metrics_host,
            metrics_port=metrics_port,
            drain_timeout=drain_timeout,
            hang_timeout=hang_timeout,
            repair_after=repair_after,
            limits=Limits(
                open_sessions=max_sessions,
                journals=max_journal_mib << 20,
                client_sessions=max_sessions_per_token,
                client_journals=max_journal_mib_per_token << 20,
                client_results=max_results_per_token,
                broker_files=broker_files,
                results=max_results,
                result_bytes=max_result_mib << 20,
            ),
            timeouts=Timeouts(client_timeout, result_ttl, session_ttl),
            access=allowed,
            currency=settings.currency if currency is None else currency,
        )
    )
    tune_malloc()
    service.install_signals()
    try:
        service.run()
    except OSError as error:
        where = f"{host}:{port}"
        if metrics_port is not None:
            where += f" and {metrics_host}:{metrics_port}"
        raise Unreachable(f"cannot listen on {where}: {error.strerror}") from error
