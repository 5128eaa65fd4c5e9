"""The environment becomes one value."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coffeeshop.errors import UsageError
from coffeeshop.settings import Credentials, Settings, read_secret, set_up_logging


def test_an_empty_environment_has_defaults() -> None:
    settings = Settings.read({})
    assert settings.data_root == Path(".data")
    assert settings.log_json is False
    assert settings.gateway is None
    assert settings.broker == "amqp://guest:guest@127.0.0.1:5672/"


def test_an_empty_value_is_no_value() -> None:
    names = ("DATA_ROOT", "LOG_FORMAT", "GATEWAY", "BROKER_URL", "BROKER_URL_FILE")
    empty = {f"COFFEESHOP_{name}": "" for name in names}
    assert Settings.read(empty) == Settings.read({})


def test_the_environment_says_where_data_is_and_how_logs_look() -> None:
    settings = Settings.read({"COFFEESHOP_DATA_ROOT": "some", "COFFEESHOP_LOG_FORMAT": "json"})
    assert settings.data_root == Path("some")
    assert settings.log_json is True


@pytest.mark.parametrize("value", ["text", "JSON", "1"])
def test_only_json_makes_logs_json(value: str) -> None:
    assert Settings.read({"COFFEESHOP_LOG_FORMAT": value}).log_json is False


def test_without_an_argument_the_process_environment_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COFFEESHOP_DATA_ROOT", "elsewhere")
    assert Settings.read().data_root == Path("elsewhere")


def test_the_environment_says_where_gateway_and_broker_are() -> None:
    settings = Settings.read(
        {"COFFEESHOP_GATEWAY": "http://g:1", "COFFEESHOP_BROKER_URL": "amqp://b:2/"}
    )
    assert (settings.gateway, settings.broker) == ("http://g:1", "amqp://b:2/")


def test_the_broker_may_be_kept_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("amqp://secret:3/\n")
    settings = Settings.read(
        {
            "COFFEESHOP_BROKER_URL": "amqp://b:2/",
            "COFFEESHOP_BROKER_URL_FILE": str(tmp_path / "secret"),
        }
    )
    assert settings.broker == "amqp://secret:3/"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="COFFEESHOP_BROKER_URL_FILE: cannot read"):
        Settings.read({"COFFEESHOP_BROKER_URL_FILE": str(tmp_path / "nothing")})


@pytest.mark.parametrize(
    ("verbosity", "as_json", "called"),
    [(None, True, ("normal", True)), ("quiet", False, ("quiet", False))],
)
def test_logging_is_set_up_as_the_settings_say(
    monkeypatch: pytest.MonkeyPatch,
    verbosity: str | None,
    as_json: bool,
    called: tuple[str, bool],
) -> None:
    calls: list[tuple[str, bool]] = []
    processes: list[str] = []

    def configure(verbosity: str, *, as_json: bool, process: str) -> None:
        calls.append((verbosity, as_json))
        processes.append(process)

    monkeypatch.setattr("coffeeshop.observability.telemetry.configure_logging", configure)
    set_up_logging(Settings(log_json=as_json), verbosity)
    set_up_logging(Settings(log_json=as_json), verbosity, ["gateway", "filters"])
    assert calls == [called, called]
    assert [name.rsplit("-", 1)[1] for name in processes] == [str(os.getpid())] * 2
    assert processes[0].startswith("client-")
    assert processes[1].startswith("gateway+filters-")


@pytest.mark.parametrize(
    ("environment", "traced"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_SERVICE_NAME": "x"}, False),
    ],
)
def test_a_process_is_traced_where_the_environment_names_a_collector(
    environment: dict[str, str], traced: bool
) -> None:
    assert Settings.read(environment).tracing == traced


def test_the_environment_says_what_is_shown_to_a_gateway_and_whom_to_believe(
    tmp_path: Path,
) -> None:
    file = tmp_path / "token"
    file.write_text("mine\n")
    environment = {
        "COFFEESHOP_TOKEN_FILE": str(file),
        "COFFEESHOP_TOKEN": "another",
        "COFFEESHOP_CA_FILE": "ca.pem",
        "COFFEESHOP_TOKENS_FILE": "tokens",
    }
    settings = Settings.read(environment)
    assert settings.credentials == Credentials("mine", Path("ca.pem"))
    assert settings.tokens_file == Path("tokens")
    assert "mine" not in repr(settings)
    assert Settings.read({"COFFEESHOP_TOKEN": "x"}).credentials == Credentials("x")
    assert Settings.read({}).credentials == Credentials()


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00hidden"])
def test_a_secret_that_cannot_be_read_is_named_and_not_shown(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match="--token-file") as error:
        read_secret(file, "--token-file")
    assert "hidden" not in str(error.value)
    assert error.value.__cause__ is None or content is None
