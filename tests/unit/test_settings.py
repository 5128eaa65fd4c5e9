"""The environment becomes one value."""

from __future__ import annotations

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
    monkeypatch.setattr(
        "coffeeshop.telemetry.configure_logging",
        lambda verbosity, *, as_json: calls.append((verbosity, as_json)),
    )
    set_up_logging(Settings(log_json=as_json), verbosity)
    assert calls == [called]


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
