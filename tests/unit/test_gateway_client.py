"""The client of a gateway: what it repeats, what it asks, what it raises."""

from __future__ import annotations

import json
import threading

import httpx2 as httpx
import pytest

from coffeeshop import errors
from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.problems import error_of
from coffeeshop.client.retry_budget import LONGEST_PAUSE, RetryBudget
from coffeeshop.pipeline.messages import SessionSpec
from tests.unit.scripted_gateway import DOWN, Answer, Gateway, Time, ok, problem

# What is repeated.


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_a_busy_gateway_is_asked_again_until_it_answers(status: int) -> None:
    gateway = Gateway(problem(status), problem(status), ok(version="1"))
    assert gateway.client.status() == {"version": "1"}
    assert len(gateway.requests) == 3
    assert gateway.time.pauses == [0.1, 0.2]


def test_the_gateway_says_how_long_to_wait() -> None:
    gateway = Gateway(problem(429, later=1), problem(503, later=3600), ok())
    gateway.client.status()
    assert gateway.time.pauses == [1.0, LONGEST_PAUSE]


@pytest.mark.parametrize(
    "lost",
    [DOWN, httpx.ReadError("reset"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut")],
    ids=lambda error: type(error).__name__,
)
def test_a_lost_connection_is_made_again(lost: Exception) -> None:
    gateway = Gateway(lost, lost, ok(nodes=[]))
    assert gateway.client.nodes() == []
    assert gateway.calls == ["GET /v1/nodes"] * 3


def test_patience_has_an_end_and_pauses_grow_up_to_a_limit() -> None:
    gateway = Gateway(DOWN, patience=30.0)
    with pytest.raises(errors.Unreachable, match="http://gateway does not answer: connection ref"):
        gateway.client.status()
    assert gateway.time.pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 5.0]
    assert gateway.time.seconds <= 30.0


def test_without_patience_there_is_one_try() -> None:
    gateway = Gateway(DOWN, patience=0)
    with pytest.raises(errors.Unreachable):
        gateway.client.status()
    assert len(gateway.requests) == 1


def test_what_is_busy_to_the_end_is_unreachable() -> None:
    gateway = Gateway(problem(503, "full"), patience=1)
    with pytest.raises(errors.Unreachable, match="full"):
        gateway.client.open(SessionSpec("s"))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 406, 409, 410, 413, 415, 422, 500, 301])
def test_other_answers_are_final(status: int) -> None:
    gateway = Gateway(problem(status))
    with pytest.raises(errors.CoffeeshopError):
        gateway.client.put_batch("s", "users", "0", 0, b"")
    assert len(gateway.requests) == 1


def test_a_result_that_is_not_complete_yet_is_waited_for() -> None:
    result = httpx.Response(200, content=b"a,b\n")
    gateway = Gateway(problem(409, later=1), problem(409, later=1), result)
    assert gateway.client.result("s", "query1", "csv") == b"a,b\n"
    assert gateway.requests[0].headers["accept"] == "text/csv"


def test_a_conflict_that_will_not_go_away_is_final_for_results_too() -> None:
    gateway = Gateway(problem(409))
    with pytest.raises(errors.ProtocolError):
        gateway.client.result("s", "query1", "csv")
    assert len(gateway.requests) == 1


def test_a_batch_is_not_sent_again_once_nobody_wants_it() -> None:
    gateway = Gateway(DOWN)
    stop = threading.Event()
    stop.set()
    with pytest.raises(errors.Unreachable):
        gateway.client.put_batch("s", "users", "0", 0, b"", stop)
    with pytest.raises(errors.Unreachable):
        gateway.client.end_table("s", "users", "0", 0, stop)
    assert len(gateway.requests) == 2


def test_stopping_ends_a_pause() -> None:
    gateway = Gateway(problem(503, later=3600), patience=1e9)
    stop = threading.Event()
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(errors.Unreachable):
        gateway.client.put_batch("s", "users", "0", 0, b"", stop)


def test_who_leaves_waits_a_short_while_only() -> None:
    gateway = Gateway(DOWN, patience=3600)
    with pytest.raises(errors.Unreachable):
        gateway.client.cancel_soon("s", 2.0)
    assert gateway.time.seconds <= 2.0


def test_patience_begins_anew_when_somebody_answers() -> None:
    time = Time()
    patience = RetryBudget(1.0, time.sleep, time.now)
    patience.pause(DOWN)
    time.seconds = 0.95
    patience.renew()
    patience.pause(DOWN)
    assert time.pauses == [0.1, 0.1]
    time.seconds = 2.0
    with pytest.raises(httpx.ConnectError):
        patience.pause(DOWN)


# What is asked.


def test_every_call_is_one_request_of_the_api() -> None:
    gateway = Gateway(ok(sessions=[], next=None, nodes=[]))
    client = gateway.client
    client.open(SessionSpec("s", "staged", 2, 3), "name")
    client.put_batch("s", "users", "1", 7, b"body")
    client.end_table("s", "users", "1", 8)
    client.session("s")
    client.sessions("open", 5)
    client.heartbeat("s")
    client.cancel("s")
    client.delete("s")
    assert gateway.calls == [
        "POST /v1/sessions",
        "PUT /v1/sessions/s/tables/users/batches/7?producer=1",
        "PUT /v1/sessions/s/tables/users/eof?producer=1",
        "GET /v1/sessions/s",
        "GET /v1/sessions?state=open&limit=5",
        "POST /v1/sessions/s/heartbeat",
        "POST /v1/sessions/s/cancel",
        "DELETE /v1/sessions/s",
    ]
    parameters = json.loads(gateway.requests[0].content)
    assert parameters == {
        "id": "s",
        "plan": "staged",
        "producers": 2,
        "partitions": 3,
        "name": "name",
    }
    assert gateway.requests[1].content == b"body"
    assert json.loads(gateway.requests[2].content) == {"batches": 8}


@pytest.mark.parametrize("name", ["../nodes", "a/b", "a?b", "a#b", "%2e%2e", "..a"])
def test_a_sessions_name_never_leads_to_another_path(name: str) -> None:
    gateway = Gateway(ok())
    gateway.client.session(name)
    path = gateway.requests[0].url.raw_path.decode()
    assert path.startswith("/v1/sessions/")
    assert path.count("/") == 3
    assert "?" not in path


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_is_a_step_in_a_path_is_no_session(name: str) -> None:
    gateway = Gateway(ok())
    with pytest.raises(errors.UsageError):
        gateway.client.cancel(name)
    assert gateway.requests == []


def test_lists_are_read_page_after_page() -> None:
    pages = (ok(sessions=[{"id": 1}, {"id": 2}], next="x"), ok(sessions=[{"id": 3}], next=None))
    gateway = Gateway(*pages)
    assert [each["id"] for each in gateway.client.sessions(limit=10)] == [1, 2, 3]
    assert gateway.calls[1] == "GET /v1/sessions?after=x&limit=8"


def test_no_more_pages_are_read_than_wanted() -> None:
    gateway = Gateway(ok(sessions=[{"id": 1}, {"id": 2}], next="x"))
    assert len(gateway.client.sessions(limit=2)) == 2
    assert len(gateway.requests) == 1


@pytest.mark.parametrize(("answer", "ready"), [(ok(), True), (problem(503), False), (DOWN, False)])
def test_readiness_is_asked_once(answer: Answer, ready: bool) -> None:
    gateway = Gateway(answer)
    assert gateway.client.ready() is ready
    assert len(gateway.requests) == 1


# What is raised.


@pytest.mark.parametrize("url", ["", "gateway", "localhost:9000", "ftp://x", "http://"])
def test_what_is_no_url_is_said_at_once(url: str) -> None:
    with pytest.raises(errors.UsageError, match="not a gateway URL"):
        GatewayClient(url)


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[]", b"3", b""])
def test_another_server_at_the_url_is_recognised(body: bytes) -> None:
    gateway = Gateway(httpx.Response(200, content=body))
    with pytest.raises(errors.UsageError, match="not a coffeeshop gateway"):
        gateway.client.status()


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (problem(400), errors.UsageError),
        (problem(401), errors.Forbidden),
        (problem(403), errors.Forbidden),
        (problem(404), errors.UsageError),
        (problem(408), errors.Unreachable),
        (problem(409), errors.ProtocolError),
        (problem(410), errors.SessionFailed),
        (problem(410, state="cancelled"), errors.Cancelled),
        (problem(410, state="failed"), errors.SessionFailed),
        (problem(413), errors.UsageError),
        (problem(422), errors.BadData),
        (problem(422, errors=[]), errors.UsageError),
        (problem(429), errors.Unreachable),
        (problem(500), errors.CoffeeshopError),
        (problem(503), errors.Unreachable),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value.status_code),
)
def test_a_problem_becomes_its_exception(response: httpx.Response, kind: type) -> None:
    error = error_of(response)
    assert type(error) is kind
    assert str(error) == "no"


def test_bad_data_keeps_its_place() -> None:
    error = error_of(problem(422, line=3, column="c", value="v"))
    assert isinstance(error, errors.BadData)
    assert (error.line, error.column, error.value) == (3, "c", "v")
    assert str(error) == "line 3, column c, value 'v': no"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"null", b'"detail"'])
def test_an_answer_that_is_no_problem_document_is_an_error_all_the_same(body: bytes) -> None:
    error = error_of(httpx.Response(502, content=body))
    assert isinstance(error, errors.Unreachable)
    assert str(error) == "the gateway answered 502"
