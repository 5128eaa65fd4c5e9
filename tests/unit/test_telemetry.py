"""Logs are events with fields on standard error, as many as asked for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from coffeeshop.telemetry import configure_logging


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """The logging of the process as it was before."""
    level = logging.getLogger("pykka").level
    configuration = structlog.get_config()
    yield
    structlog.configure(**configuration)
    logging.getLogger("pykka").setLevel(level)


def say_all() -> None:
    log = structlog.get_logger().bind(session="s")
    log.debug("a.debug", n=1)
    log.info("an.info", n=2)
    log.warning("a.warning", n=3)
    log.error("an.error", n=4)


@pytest.mark.parametrize(
    ("verbosity", "levels"),
    [
        ("quiet", ["error"]),
        ("normal", ["warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("verbose", ["debug", "info", "warning", "error"]),
    ],
)
def test_each_verbosity_has_its_levels(
    capsys: pytest.CaptureFixture[str], verbosity: str, levels: list[str]
) -> None:
    configure_logging(verbosity, as_json=True)
    say_all()
    output = capsys.readouterr()
    assert [json.loads(line)["level"] for line in output.err.splitlines()] == levels
    assert output.out == ""


def test_json_lines_hold_the_event_and_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("normal", as_json=True)
    structlog.get_logger().warning("task.late", session="s", stage="filters")
    line = json.loads(capsys.readouterr().err)
    assert line.pop("timestamp")
    assert line == {
        "event": "task.late",
        "level": "warning",
        "session": "s",
        "stage": "filters",
    }


def test_text_off_a_terminal_has_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("normal")
    structlog.get_logger().warning("task.late", session="s")
    line = capsys.readouterr().err
    assert "task.late" in line
    assert "session=s" in line
    assert "\x1b" not in line


def test_the_actor_library_keeps_quiet() -> None:
    configure_logging("verbose")
    assert not logging.getLogger("pykka").isEnabledFor(logging.ERROR)


def test_an_unknown_verbosity_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        configure_logging("loud")
