"""The environment and the defaults, read once by the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from coffeeshop.errors import UsageError


@dataclass(frozen=True)
class Settings:
    """What the environment says. An option on the command line wins."""

    data_root: Path = Path(".data")
    """COFFEESHOP_DATA_ROOT: the folder that holds data folders by name."""
    gateway: str | None = None
    """COFFEESHOP_GATEWAY: the URL of a gateway; without one, everything runs in this process."""
    gateway_patience: float | None = None
    """COFFEESHOP_GATEWAY_PATIENCE: seconds in which an unanswered request is repeated."""
    broker: str = field(default="amqp://guest:guest@127.0.0.1:5672/", repr=False)
    """COFFEESHOP_BROKER_URL, or the text of the file COFFEESHOP_BROKER_URL_FILE."""
    log_json: bool = False
    """COFFEESHOP_LOG_FORMAT=json: logs as JSON lines."""

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """The settings of an environment."""
        return cls(
            data_root=Path(environment.get("COFFEESHOP_DATA_ROOT") or cls.data_root),
            gateway=environment.get("COFFEESHOP_GATEWAY") or None,
            gateway_patience=_seconds(environment, "COFFEESHOP_GATEWAY_PATIENCE"),
            broker=_secret(environment, "COFFEESHOP_BROKER_URL") or cls.broker,
            log_json=environment.get("COFFEESHOP_LOG_FORMAT") == "json",
        )


def _seconds(environment: Mapping[str, str], name: str) -> float | None:
    text = environment.get(name)
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise UsageError(f"{name} is a number of seconds, not {text!r}")
    return seconds


def _secret(environment: Mapping[str, str], name: str) -> str | None:
    """A value, or the text of the file that ``<name>_FILE`` names."""
    file = environment.get(f"{name}_FILE")
    if file:
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            raise UsageError(f"{name}_FILE: cannot read {file}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{name}_FILE: {file} is no text") from error
    return environment.get(name) or None


def set_up_logging(settings: Settings, verbosity: str | None) -> None:
    """Set up this process's logs. ``verbosity``: a key of `telemetry.LEVELS`; normal if None."""
    from coffeeshop.telemetry import configure_logging  # `--help` must not wait for it

    configure_logging(verbosity or "normal", as_json=settings.log_json)
