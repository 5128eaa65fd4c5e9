"""Log lines of several processes: read, chosen, put in the order of time, shown."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from coffeeshop.commands.log_lines import (
    BEGINNING,
    Choice,
    Line,
    Parser,
    as_json,
    as_text,
    chosen,
    merged,
    moment_of,
)
from coffeeshop.errors import UsageError

NOW = dt.datetime(2026, 1, 31, 12, 0, tzinfo=dt.UTC)


def line(seconds: float = 0.0, **fields: Any) -> str:
    stamp = (NOW + dt.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    return json.dumps({"event": "task.done", "level": "info", "timestamp": stamp, **fields})


def parsed(*texts: str, source: str = "") -> list[Line]:
    parser = Parser(source)
    return [parser.parse(text) for text in texts]


def events(texts: list[str], **wanted: Any) -> list[str]:
    found = chosen(texts, Parser("file"), Choice(**wanted))
    return [str((each.fields or {}).get("event", each.text)) for each in found]


def test_a_line_has_its_time_its_fields_and_its_process() -> None:
    (found,) = parsed(line(1, process="worker-host-7"), source="worker")
    assert found.at == NOW + dt.timedelta(seconds=1)
    assert found.process == "worker-host-7"
    assert found.fields is not None
    assert found.fields["event"] == "task.done"


@pytest.mark.parametrize(
    "prefix", ["worker-1  | ", "worker-1 | ", "worker-1  | 2026-01-31T12:00:00.123456789Z ", ""]
)
def test_the_prefix_of_containers_is_no_part_of_the_line(prefix: str) -> None:
    (found,) = parsed(prefix + line(session="s"))
    assert found.fields is not None
    assert found.fields["session"] == "s"
    assert found.source == ("worker-1" if prefix else "")
    assert found.process == found.source


def test_a_coloured_prefix_is_understood() -> None:
    (found,) = parsed("\x1b[36mworker-1  | \x1b[0m" + line())
    assert found.fields is not None
    assert found.source == "worker-1"


def test_what_is_no_json_has_the_time_of_the_line_before_it_in_its_process() -> None:
    texts = [
        "a | " + line(1),
        "b | " + line(9),
        "a | Traceback (most recent call last):",
        "b | [1]",
        "c | first",
    ]
    *_, trace, other, unknown = parsed(*texts)
    assert (trace.fields, trace.at) == (None, NOW + dt.timedelta(seconds=1))
    assert (other.fields, other.at) == (None, NOW + dt.timedelta(seconds=9))
    assert unknown.at == BEGINNING


@pytest.mark.parametrize(
    "text", ['{"half": ', "[" * 100_000, '{"a":' * 100_000, "\x00\xff", "", '"text"', "{}x"]
)
def test_anything_may_be_in_a_log(text: str) -> None:
    (found,) = parsed(text)
    assert found.fields is None
    assert as_text(found).isprintable()


def test_a_time_that_is_none_is_that_of_the_line_before() -> None:
    first, second = parsed(line(3), json.dumps({"event": "x", "timestamp": "12:00:00.5"}))
    assert second.at == first.at
    assert second.fields is not None


def test_lines_of_several_processes_are_put_in_the_order_of_time() -> None:
    one = parsed(line(1, event="a"), line(3, event="c"), "trace of c", source="one")
    other = parsed(line(2, event="b"), line(3, event="d"), source="other")
    told = [(each.fields or {"event": each.text})["event"] for each in merged([*one, *other])]
    assert told == ["a", "b", "c", "trace of c", "d"]


def test_a_session_is_chosen_by_the_beginning_of_its_id() -> None:
    texts = [line(event="a", session="6d6a-1"), line(event="b", session="77"), line(event="c"), "x"]
    assert events(texts, session="6d6a") == ["a"]
    assert events(texts) == ["a", "b", "c", "x"]


def test_a_level_is_the_lowest_that_is_wanted() -> None:
    levels = ("debug", "info", "warning", "error", "critical")
    texts = [line(event=level, level=level) for level in levels] + ["x"]
    assert events(texts, level="warning") == ["warning", "error", "critical"]
    assert events(texts, level="debug") == [*levels, "x"]


def test_events_are_chosen_by_how_they_begin() -> None:
    texts = [line(event="eof_protocol.a"), line(event="task.done"), "eof_protocol in a trace"]
    assert events(texts, event="eof_protocol.") == ["eof_protocol.a"]


def test_processes_are_chosen_by_a_part_of_their_name() -> None:
    texts = [line(event="a", process="worker-h-1"), line(event="b", process="gateway-h-2"), "x"]
    assert events(texts, process="worker") == ["a"]
    assert events(texts, process="file") == ["x"]


def test_since_a_moment_means_that_moment_too() -> None:
    texts = [line(-1, event="a"), "of a", line(0, event="b"), "of b"]
    assert events(texts, since=NOW) == ["b", "of b"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), ("2d", 172_800)]
)
def test_a_moment_may_be_so_long_ago(text: str, seconds: float) -> None:
    assert moment_of(text, NOW) == NOW - dt.timedelta(seconds=seconds)


def test_a_moment_may_be_written_out() -> None:
    assert moment_of("2026-01-31T13:00:00+01:00", NOW) == NOW
    local = moment_of("2026-01-31T12:00", NOW)
    assert local == dt.datetime(2026, 1, 31, 12, 0).astimezone()


@pytest.mark.parametrize("text", ["", "yesterday", "10", "m", "-5m", "99999999999d", "1e400s"])
def test_what_is_no_moment_is_a_mistake(text: str) -> None:
    with pytest.raises(UsageError, match="not a time"):
        moment_of(text, NOW)


def test_a_line_for_people_has_its_fields_in_order() -> None:
    (found,) = parsed(line(process="worker-1", stage="filters", partition=2, session="s"))
    text = as_text(found)
    assert "worker-1 task.done" in text
    assert text.endswith("partition=2 session=s stage=filters")


def test_what_others_wrote_does_not_steer_the_terminal() -> None:
    evil = "\x1b]0;title\x07\x1b[2Jname\r\nforged"
    (found,) = parsed(line(reason=evil))
    assert as_text(found).isprintable()
    assert "\\x1b]0;title\\x07" in as_text(found)


def test_json_has_the_process_and_the_text_of_what_was_none() -> None:
    first, second = parsed("worker-1  | " + line(session="s"), "worker-1  | Killed")
    assert json.loads(as_json(first))["process"] == "worker-1"
    assert json.loads(as_json(second)) == {"event": "Killed", "process": "worker-1"}
