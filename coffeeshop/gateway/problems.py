"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from coffeeshop.errors import (
    BadData,
    BrokerRefuses,
    Cancelled,
    CodecError,
    CoffeeshopError,
    Forbidden,
    JournalBroken,
    JournalGone,
    ProtocolError,
    QuestionRefused,
    SessionFailed,
    SessionTimeout,
    Unreachable,
    UsageError,
)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1
LONGEST_VALUE = 200
"""Characters of a bad value that are shown."""
MOST_BAD_ROWS = 10
"""Rows that are named when data is refused."""
SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
"""What every problem document has; some have more."""
_MEANINGS = {
    400: "The request cannot be understood; of SQL, `question`, `line` and `column` say where.",
    401: "The request has no token, or an invalid one.",
    403: "The token does not allow this request, or another site sent it.",
    404: "No session with this id, or one of another client; or it has no such query.",
    406: "None of the media types in Accept is available.",
    408: "The body arrived too slowly.",
    409: "The request contradicts an earlier one, or the session is not ready for it.",
    410: "The session has ended or was deleted; the member `state` says how.",
    413: "The body is too large.",
    415: "The body has another media type than those listed.",
    422: "A parameter or row is invalid; `errors`, or `line`, `row`, `column`, `value`, say where.",
    429: "A limit of this client or session is reached; Retry-After says when to send it again.",
    503: "The gateway cannot do this now; Retry-After says when to send it again.",
}
_STATUS: tuple[tuple[type[CoffeeshopError], int], ...] = (
    (BadData, 422),
    (CodecError, 422),
    (ProtocolError, 409),
    (JournalGone, 410),
    (JournalBroken, 503),
    (SessionFailed, 410),
    (Cancelled, 410),
    (SessionTimeout, 504),
    (UsageError, 400),
    (BrokerRefuses, 500),
    (Forbidden, 403),
    (Unreachable, 503),
)


class Problem(Exception):
    """What a request ends in when it is not carried out."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        retry_after: int | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after = retry_after
        self.more = more

    def response(self) -> JSONResponse:
        """The answer to send."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return problem(self.status, self.detail, headers, **self.more)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the API's document says of the problems that a route answers with."""
    content = {MEDIA_TYPE: {"schema": SCHEMA}}
    return {each: {"description": _MEANINGS[each], "content": content} for each in statuses}


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """An answer with a problem document; ``more`` are its extension members."""
    body = document(status, detail, **more)
    return JSONResponse(body, status, dict(headers or {}), media_type=MEDIA_TYPE)


def document(status: int, detail: str, **more: Any) -> dict[str, Any]:
    """A problem document; ``more`` are its extension members."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **{key: value for key, value in more.items() if value is not None},
    }


def shown_row(row: BadData) -> dict[str, Any]:
    """A row that the schema refuses, within what clients are told; of a Parquet file its place
    counts as its line."""
    return {
        "line": row.row if row.line is None else row.line,
        "column": row.column,
        "value": _short(row.value),
        "reason": row.reason,
    }


def _short(value: str | None) -> str | None:
    return None if value is None else value[:LONGEST_VALUE]


def problem_of(error: CoffeeshopError) -> JSONResponse:
    """The problem document of one of our own errors."""
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    headers = {"Retry-After": str(RETRY_SECONDS)} if status == 503 else {}
    if isinstance(error, BadData):
        rows = [shown_row(row) for row in error.rows[:MOST_BAD_ROWS]]
        value = _short(error.value)
        where = {"line": error.line, "row": error.row, "column": error.column, "value": value}
        return problem(status, error.reason, headers, **where, bad_rows=rows or None)
    if isinstance(error, QuestionRefused):
        place = {"question": error.question, "line": error.line, "column": error.column}
        return problem(status, str(error), headers, **place, hint=error.hint or None)
    return problem(status, str(error), headers)
