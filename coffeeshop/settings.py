"""The environment and the defaults, read once by the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from coffeeshop import kernels, logins
from coffeeshop.crashpoints import VARIABLE, arm
from coffeeshop.errors import UsageError
from coffeeshop.parameters import currency_of
from coffeeshop.reading import native

COLLECTORS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@dataclass(frozen=True)
class Credentials:
    """What a client shows a gateway, and whom it believes."""

    token: str | None = field(default=None, repr=False)
    """COFFEESHOP_TOKEN, or the text of the file COFFEESHOP_TOKEN_FILE."""
    ca_file: Path | None = None
    """COFFEESHOP_CA_FILE: who vouches for the gateway's certificate; None: the system's."""
    proxy_sees_token: bool = False
    """COFFEESHOP_PROXY_SEES_TOKEN=1: a proxy may read the token when there is no TLS."""


@dataclass(frozen=True)
class Settings:
    """What the environment says. An option on the command line wins."""

    data_root: Path = Path(".data")
    """COFFEESHOP_DATA_ROOT: the folder that holds data folders by name."""
    gateway: str | None = None
    """COFFEESHOP_GATEWAY, else the one of `coffeeshop login`: the URL of a gateway; without one,
    everything runs in this process. An empty variable is none."""
    currency: str = ""
    """COFFEESHOP_CURRENCY: the ISO code of the currency that amounts are shown in."""
    gateway_patience: float | None = None
    """COFFEESHOP_GATEWAY_PATIENCE: seconds in which an unanswered request is repeated."""
    broker: str = field(default="amqp://guest:guest@127.0.0.1:5672/", repr=False)
    """COFFEESHOP_BROKER_URL, or the text of the file COFFEESHOP_BROKER_URL_FILE."""
    credentials: Credentials = field(default_factory=Credentials)
    """For any gateway: what the environment says."""
    login: logins.Login | None = None
    """What `coffeeshop login` kept."""
    tokens_file: Path | None = None
    """COFFEESHOP_TOKENS_FILE: who may use the gateway that runs here."""
    log_json: bool = False
    """COFFEESHOP_LOG_FORMAT=json: logs as JSON lines."""
    tracing: bool = False
    """Whether OTEL_EXPORTER_OTLP_ENDPOINT (or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) is set; the
    libraries of OpenTelemetry read this and the rest of its standard variables themselves."""

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """The settings of an environment."""
        login = logins.read(environment)
        kept = None if login is None else login.gateway
        return cls(
            data_root=Path(environment.get("COFFEESHOP_DATA_ROOT") or cls.data_root),
            gateway=environment.get("COFFEESHOP_GATEWAY", kept) or None,
            currency=_currency(environment, "COFFEESHOP_CURRENCY"),
            gateway_patience=_seconds(environment, "COFFEESHOP_GATEWAY_PATIENCE"),
            broker=_secret(environment, "COFFEESHOP_BROKER_URL") or cls.broker,
            credentials=Credentials(
                _secret(environment, "COFFEESHOP_TOKEN"),
                _path(environment, "COFFEESHOP_CA_FILE"),
                environment.get("COFFEESHOP_PROXY_SEES_TOKEN") == "1",
            ),
            login=login,
            tokens_file=_path(environment, "COFFEESHOP_TOKENS_FILE"),
            log_json=environment.get("COFFEESHOP_LOG_FORMAT") == "json",
            tracing=any(environment.get(name) for name in COLLECTORS),
        )

    def credentials_for(self, url: str | None) -> Credentials:
        """What that gateway is shown: of a login only the gateway that it is for sees anything."""
        known, login = self.credentials, self.login
        if login is None or url is None or not login.is_for(url):
            return known
        return replace(
            known, token=known.token or login.token, ca_file=known.ca_file or login.ca_file
        )


def _currency(environment: Mapping[str, str], name: str) -> str:
    try:
        return currency_of(environment.get(name, ""))
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None


def _seconds(environment: Mapping[str, str], name: str) -> float | None:
    text = environment.get(name)
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise UsageError(f"{name} must be a number of seconds, not {text!r}")
    return seconds


def _secret(environment: Mapping[str, str], name: str) -> str | None:
    """A value, or the text of the file that ``<name>_FILE`` names."""
    file = environment.get(f"{name}_FILE")
    if file:
        return read_secret(Path(file), f"{name}_FILE")
    return environment.get(name) or None


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    text = environment.get(name)
    return Path(text) if text else None


def read_secret(file: Path, said_by: str) -> str:
    """The text of a file. Raises `UsageError`, which shows nothing that is in it."""
    try:
        return file.read_text().strip()
    except OSError as error:
        raise UsageError(f"{said_by}: cannot read {file}: {error.strerror}") from error
    except ValueError:
        raise UsageError(f"{said_by}: {file} is not text") from None


def arm_crash_point(environment: Mapping[str, str] = os.environ) -> None:
    """Arm the crash point that COFFEESHOP_CRASH_AT names, if any: for tests of reliability."""
    wanted = environment.get(VARIABLE)
    if wanted:
        try:
            arm(wanted)
        except ValueError as error:
            raise UsageError(f"{VARIABLE}: {error}") from error


SCANNER = "COFFEESHOP_NATIVE_SCANNER"


def choose_scanner(environment: Mapping[str, str] = os.environ) -> None:
    """Do without the native scanner and kernels when COFFEESHOP_NATIVE_SCANNER is ``off``."""
    wanted = environment.get(SCANNER)
    if wanted == "off":
        native.switch_off()
        kernels.switch_off()
    elif wanted not in (None, "", "on"):
        raise UsageError(f"{SCANNER} must be on or off, not {wanted!r}")


def set_up_logging(
    settings: Settings, verbosity: str | None, kinds: Sequence[str] = ("client",)
) -> None:
    """Set up this process's logs. ``verbosity``: a key of `telemetry.LEVELS`; normal if None.

    ``kinds`` is what the process is, for its name.
    """
    from coffeeshop.observability.telemetry import (  # `--help` must not wait
        configure_logging,
        process_name,
    )

    configure_logging(verbosity or "normal", as_json=settings.log_json, process=process_name(kinds))
