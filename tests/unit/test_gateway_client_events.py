"""A session's events as the client of a gateway reads them, over any number of connections."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import httpx2 as httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffeeshop import errors
from coffeeshop.client.sse import Event, parse_events
from coffeeshop.gateway.events import sse
from tests.unit.scripted_gateway import DOWN, Answer, Gateway, problem

EVENTS = [
    Event("progress", {"rows": 1}, 0),
    Event("result", {"query": "a\nb: c\u2028"}, 3),
    Event("completed", {}, 4),
]
TEXT = "retry: 1000\n\n: nothing new\n\n" + "".join(
    sse([(event.name, event.data)], event.offset).decode() for event in EVENTS
)


class Pieces(httpx.SyncByteStream):
    """A body in pieces, and then perhaps an error."""

    def __init__(self, pieces: list[bytes], error: Exception | None = None) -> None:
        self._pieces = pieces
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._error is not None:
            raise self._error


def stream(text: str, error: Exception | None = None) -> httpx.Response:
    return httpx.Response(200, stream=Pieces([text.encode()], error))


@given(st.sets(st.integers(1, len(TEXT) - 1)))
def test_events_are_the_same_however_their_text_is_cut(cuts: set[int]) -> None:
    places = [0, *sorted(cuts), len(TEXT)]
    pieces = [TEXT[a:b].encode() for a, b in pairwise(places)]
    response = httpx.Response(200, stream=Pieces(pieces))
    assert list(parse_events(response.iter_lines())) == EVENTS


@given(st.lists(st.text("abdeintv:1{}\"' ", max_size=12), max_size=20))
def test_lines_that_are_no_events_are_passed_over(lines: list[str]) -> None:
    junk = [line for line in lines if not line.startswith("data")]
    found = list(parse_events(iter(["data: {}", "", *junk, *TEXT.split("\n")])))
    assert found[-2:] == EVENTS[1:]


def test_an_event_that_is_cut_off_is_no_event() -> None:
    assert list(parse_events(iter(TEXT.split("\n")[:-2]))) == EVENTS[:-1]


def test_events_end_with_the_session() -> None:
    gateway = Gateway(stream(TEXT + sse([("late", {})], 9).decode()))
    assert list(gateway.client.events("s")) == EVENTS
    assert "last-event-id" not in gateway.requests[0].headers


def test_after_a_lost_connection_the_rest_is_asked_for() -> None:
    cut = TEXT.index("event: completed") + 5
    lost = httpx.ReadError("reset")
    gateway = Gateway(stream(TEXT[:cut], lost), DOWN, problem(503), stream(TEXT[cut - 5 :]))
    assert list(gateway.client.events("s")) == EVENTS
    assert [r.headers.get("last-event-id") for r in gateway.requests] == [None, "3", "3", "3"]


def test_a_gateway_that_leaves_is_followed_to_the_next() -> None:
    cut = TEXT.index("event: completed")
    gateway = Gateway(stream(TEXT[:cut]), stream(TEXT[cut:]))
    assert list(gateway.client.events("s")) == EVENTS


def test_a_gateway_with_too_many_listeners_is_waited_for() -> None:
    full = [problem(429, later=5)] * 100
    gateway = Gateway(*full, stream(TEXT), patience=10)
    assert list(gateway.client.events("s")) == EVENTS
    assert gateway.time.seconds > 100


@pytest.mark.parametrize("answer", [DOWN, problem(503), lambda: stream("")])
def test_events_that_never_come_are_given_up(answer: Answer) -> None:
    gateway = Gateway(answer, patience=10)
    with pytest.raises(errors.Unreachable):
        next(gateway.client.events("s"))
    assert gateway.time.seconds <= 10


def test_patience_counts_from_the_loss_and_not_from_the_last_event() -> None:
    cut = TEXT.index("event: result")
    silence = ": nothing new\n\n"
    gateway = Gateway(patience=10)

    def long_silence_and_a_loss() -> Iterator[bytes]:
        yield TEXT[:cut].encode()
        gateway.time.seconds += 1000
        yield silence.encode()
        raise httpx.ReadTimeout("")

    class Body(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            return long_silence_and_a_loss()

    gateway.answers = [httpx.Response(200, stream=Body()), DOWN, DOWN, stream(TEXT[cut:])]
    assert list(gateway.client.events("s")) == EVENTS


def test_events_of_nothing_are_an_error() -> None:
    gateway = Gateway(problem(404, "there is no session"))
    with pytest.raises(errors.UsageError, match="there is no session"):
        next(gateway.client.events("s"))
