"""`--tracing`. Imports of the system are inside, as in `coffeeshop.cli`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from coffeeshop.errors import UsageError
from coffeeshop.settings import Settings

tracing_option = click.option(
    "--tracing",
    is_flag=True,
    help="Send traces by OTLP over HTTP.  [on where OTEL_EXPORTER_OTLP_ENDPOINT is set]",
)


def set_up_tracing(settings: Settings, wanted: bool, kinds: Sequence[str] = ("client",)) -> None:
    """Trace this process, to its end, if it is ``wanted`` or the environment names a collector.

    Raises `UsageError` when what is wanted cannot be had.
    """
    if not (wanted or settings.tracing):
        return
    from coffeeshop.observability import tracing
    from coffeeshop.observability.telemetry import process_name

    try:
        tracing.start(process_name(kinds))
    except UsageError as error:
        if wanted:
            raise
        # The variables may be meant for all of a machine: that is no reason not to work.
        from coffeeshop.observability.logs import get_logger

        get_logger().warning("tracing.not_installed", reason=str(error))
