"""Logs are events with fields on standard error, as many as asked for."""

from __future__ import annotations

import datetime as dt
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import structlog

from coffeeshop.observability.logs import about, get_logger
from coffeeshop.observability.telemetry import configure_logging, process_name


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """The logging of the process as it was before."""
    level = logging.getLogger("pykka").level
    configuration = structlog.get_config()
    yield
    structlog.configure(**configuration)
    logging.getLogger("pykka").setLevel(level)


def say_all() -> None:
    log = get_logger().bind(session="s")
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
    get_logger().warning("task.late", session="s", stage="filters")
    line = json.loads(capsys.readouterr().err)
    assert line.pop("timestamp")
    assert line == {
        "event": "task.late",
        "level": "warning",
        "session": "s",
        "stage": "filters",
    }


def test_json_lines_of_several_processes_can_be_put_together(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = process_name(["gateway", "filters"])
    configure_logging("normal", as_json=True, process=name)
    get_logger().warning("node.late")
    line = json.loads(capsys.readouterr().err)
    assert line["process"] == name
    assert name.startswith("gateway+filters-")
    moment = dt.datetime.fromisoformat(line["timestamp"])
    assert moment.utcoffset() == dt.timedelta(0)


@pytest.mark.parametrize("as_json", [True, False])
def test_what_a_thread_is_about_is_in_its_lines_and_in_no_others(
    capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    configure_logging("normal", as_json=as_json)

    def work() -> None:
        about(session="mine")
        get_logger().warning("task.late")
        get_logger().warning("task.later", session="another")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    get_logger().warning("node.late")
    first, second, third = capsys.readouterr().err.splitlines()
    assert "mine" in first
    assert "another" in second
    assert "mine" not in second  # what is said wins
    assert "mine" not in third


@pytest.mark.parametrize(
    ("queue", "session"),
    [
        (
            "in.6d6a0a07-6f0c-4a5e-8d07-8f3f1f6a5b10.filters.0",
            "6d6a0a07-6f0c-4a5e-8d07-8f3f1f6a5b10",
        ),
        ("out.6d6a0a07-6f0c-4a5e-8d07-8f3f1f6a5b10", "6d6a0a07-6f0c-4a5e-8d07-8f3f1f6a5b10"),
        ("ctl.assign.filters", None),
    ],
)
def test_a_line_about_a_sessions_journal_is_about_the_session(
    capsys: pytest.CaptureFixture[str], queue: str, session: str | None
) -> None:
    configure_logging("normal", as_json=True)
    get_logger().warning("transport.subscription_lost", queue=queue)
    assert json.loads(capsys.readouterr().err).get("session") == session


def test_json_lines_hold_the_trace_of_an_exception(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("normal", as_json=True)
    try:
        raise ArithmeticError("on purpose")
    except ArithmeticError:
        get_logger().exception("transport.call_failed")
    line = json.loads(capsys.readouterr().err)
    assert "on purpose" in line["exception"]
    assert "Traceback" in line["exception"]


def test_text_off_a_terminal_has_no_colours(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("normal")
    get_logger().warning("task.late", session="s")
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


def test_structlog_is_imported_with_the_first_line_that_is_written() -> None:
    program = """
import sys
from coffeeshop.observability.logs import get_logger, is_configured
from coffeeshop.observability.telemetry import configure_logging
assert not is_configured()
configure_logging("normal")
log = get_logger().bind(session="s")
log.info("not.wanted")
assert is_configured() and "structlog" not in sys.modules
log.warning("task.late", stage="filters")
log.info("not.wanted.either")
assert "structlog" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert "task.late" in line
    assert "session=s" in line
    assert "stage=filters" in line
