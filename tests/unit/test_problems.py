"""Errors as RFC 9457 documents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coffeeshop import errors
from coffeeshop.gateway.problems import MEDIA_TYPE, SCHEMA, Problem, problem, problem_of


def document(response: Any) -> dict[str, Any]:
    assert response.media_type == MEDIA_TYPE
    assert response.headers["content-type"] == MEDIA_TYPE
    found: dict[str, Any] = json.loads(response.body)
    assert set(SCHEMA["required"]) <= found.keys()
    assert found["status"] == response.status_code
    return found


def test_a_problem_says_what_rfc_9457_wants() -> None:
    assert document(problem(404, "not here")) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "not here",
    }


def test_extension_members_without_a_value_are_left_out() -> None:
    found = document(problem(422, "bad", line=3, value=None))
    assert found["line"] == 3
    assert "value" not in found


def test_a_problem_may_ask_to_come_back_later() -> None:
    response = Problem(429, "slow down", retry_after=2, state="open").response()
    assert response.headers["retry-after"] == "2"
    assert document(response)["state"] == "open"
    assert "retry-after" not in Problem(409, "no").response().headers


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.BadData("x"), 422),
        (errors.CodecError("x"), 422),
        (errors.ProtocolError("x"), 409),
        (errors.JournalGone("x"), 410),
        (errors.SessionFailed("x"), 410),
        (errors.Cancelled("x"), 410),
        (errors.SessionTimeout("x"), 504),
        (errors.UsageError("x"), 400),
        (errors.Forbidden("x"), 403),
        (errors.Unreachable("x"), 503),
        (errors.CoffeeshopError("x"), 500),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_of_our_errors_has_its_status(error: errors.CoffeeshopError, status: int) -> None:
    response = problem_of(error)
    assert document(response)["detail"] == "x"
    assert response.status_code == status
    assert ("retry-after" in response.headers) == (status == 503)


def test_every_error_there_is_has_a_status_of_its_own() -> None:
    kinds = errors.CoffeeshopError.__subclasses__()
    ours = [kind for kind in kinds if kind.__module__ == errors.__name__]
    assert all(problem_of(kind("x")).status_code != 500 for kind in ours)


def test_bad_data_says_line_column_and_the_beginning_of_the_value() -> None:
    error = errors.BadData("no", file="body", line=7, column="user_id", value="v" * 5000)
    found = document(problem_of(error))
    assert (found["detail"], found["line"], found["column"]) == ("no", 7, "user_id")
    assert found["value"] == "v" * 200
