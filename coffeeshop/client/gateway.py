"""A gateway over HTTP: every call of its API, repeated until it is answered or time is up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx

from coffeeshop.errors import (
    BadData,
    Cancelled,
    CoffeeshopError,
    Forbidden,
    ProtocolError,
    SessionFailed,
    Unreachable,
    UsageError,
)
from coffeeshop.formats import MEDIA_TYPES
from coffeeshop.messages import SessionSpec

RETRIED = (429, 502, 503, 504)
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
TIMEOUTS = httpx.Timeout(60.0, connect=5.0)
CONNECTIONS = 8


@dataclass(frozen=True)
class Event:
    """A server-sent event of a session. ``offset`` is what a resumed reading goes on after."""

    name: str
    data: dict[str, Any]
    offset: int


class GatewayClient:
    """Thread-safe. Every call may be repeated safely, so every call is: for ``patience`` seconds.

    Raises `Unreachable` when nobody answers in that time, and what the problem document says
    otherwise: `UsageError`, `BadData`, `Forbidden`, `ProtocolError`, `Cancelled`, `SessionFailed`.
    """

    def __init__(
        self,
        url: str,
        *,
        patience: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
        http: httpx.Client | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._patience = patience
        self._sleep = sleep
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        try:
            self._http = http or httpx.Client(base_url=self.url, timeout=TIMEOUTS, limits=limits)
        except (httpx.InvalidURL, ValueError) as error:
            raise UsageError(f"not a gateway's URL: {url}") from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def open(self, spec: SessionSpec, name: str = "") -> dict[str, Any]:
        """Open the session of that id, or join it when it is open with the same wishes."""
        wishes = {
            "id": spec.id,
            "plan": spec.plan,
            "producers": spec.producers,
            "partitions": spec.partitions,
            "name": name,
        }
        return self._json("POST", "/v1/sessions", json=wishes)

    def put_batch(self, session: str, table: str, producer: str, number: int, body: bytes) -> None:
        """Send a batch; returns when it is stored."""
        self._request(
            "PUT",
            f"/v1/sessions/{session}/tables/{table}/batches/{number}",
            params={"producer": producer},
            content=body,
            headers={"Content-Type": MEDIA_TYPES["arrow"]},
        )

    def end_table(self, session: str, table: str, producer: str, batches: int) -> None:
        """Say how many batches this producer sent of a table."""
        self._request(
            "PUT",
            f"/v1/sessions/{session}/tables/{table}/eof",
            params={"producer": producer},
            json={"batches": batches},
        )

    def session(self, session: str) -> dict[str, Any]:
        """What the gateway tells of a session."""
        return self._json("GET", f"/v1/sessions/{session}")

    def sessions(self, state: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """The newest sessions, page after page up to ``limit``."""
        found: list[dict[str, Any]] = []
        after: str | None = None
        while len(found) < limit:
            wanted = {"state": state, "after": after, "limit": min(limit - len(found), 1000)}
            params = {key: value for key, value in wanted.items() if value is not None}
            page = self._json("GET", "/v1/sessions", params=params)
            found.extend(page["sessions"])
            after = page["next"]
            if after is None:
                break
        return found

    def nodes(self) -> list[dict[str, Any]]:
        """The nodes that the gateway heard of lately."""
        nodes: list[dict[str, Any]] = self._json("GET", "/v1/nodes")["nodes"]
        return nodes

    def status(self) -> dict[str, Any]:
        """Figures of the gateway that answers."""
        return self._json("GET", "/v1/status")

    def ready(self) -> bool:
        """Whether the gateway and its broker answer; asks once."""
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def heartbeat(self, session: str) -> None:
        """Say that the client is there."""
        self._request("POST", f"/v1/sessions/{session}/heartbeat")

    def cancel(self, session: str) -> dict[str, Any]:
        """Ask for a session's end."""
        return self._json("POST", f"/v1/sessions/{session}/cancel")

    def delete(self, session: str) -> None:
        """Remove a session and its results."""
        self._request("DELETE", f"/v1/sessions/{session}")

    def result(self, session: str, query: str, file_format: str) -> bytes:
        """One query's result in a format of `coffeeshop.formats`."""
        accept = {"Accept": MEDIA_TYPES[file_format]}
        path = f"/v1/sessions/{session}/results/{query}"
        content: bytes = self._request("GET", path, headers=accept, retry_conflict=True).content
        return content

    def events(self, session: str, after: int = -1) -> Iterator[Event]:
        """The session's events, to its end; goes on after a lost connection where it was."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                for event in self._events_once(session, after):
                    after = max(after, event.offset)
                    deadline = time.monotonic() + self._patience
                    yield event
                    if event.name in ENDS:
                        return
            except httpx.TransportError as error:
                if time.monotonic() > deadline:
                    raise Unreachable(f"{self.url} does not answer: {error}") from error
            self._sleep(FIRST_PAUSE)

    def _events_once(self, session: str, after: int) -> Iterator[Event]:
        headers = {"Last-Event-ID": str(after)} if after >= 0 else {}
        path = f"/v1/sessions/{session}/events"
        timeout = httpx.Timeout(30.0, connect=5.0)  # the gateway breaks a silence every 10 s
        with self._http.stream("GET", path, headers=headers, timeout=timeout) as response:
            if response.status_code in RETRIED:
                return
            if response.status_code != 200:
                response.read()
                raise error_of(response)
            yield from parse_events(response.iter_lines())

    def _json(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._request(method, path, **how).json()
        return found

    def _request(
        self, method: str, path: str, *, retry_conflict: bool = False, **how: Any
    ) -> httpx.Response:
        deadline = time.monotonic() + self._patience
        pause = FIRST_PAUSE
        while True:
            try:
                response = self._http.request(method, path, **how)
            except httpx.TransportError as error:
                failed: CoffeeshopError = Unreachable(
                    f"{self.url} does not answer: {error or type(error).__name__}"
                )
            else:
                if response.is_success:
                    return response
                failed = error_of(response)
                retried = response.status_code in RETRIED
                waits = retry_conflict and "retry-after" in response.headers
                if not retried and not waits:
                    raise failed
            if time.monotonic() + pause > deadline:
                raise failed
            self._sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


ENDS = ("completed", "failed", "cancelled", "aborted", "expired")
"""Names of events after which there are none."""


def parse_events(lines: Iterator[str]) -> Iterator[Event]:
    """Server-sent events from the lines of a response."""
    name, data, offset = "message", "", -1
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                name = value
            case "data":
                data += value
            case "id" if value.isdigit():
                offset = int(value)
            case "" if not line and data:
                yield Event(name, json.loads(data), offset)
                name, data, offset = "message", "", -1


def error_of(response: httpx.Response) -> CoffeeshopError:
    """The exception that a problem document stands for."""
    try:
        document = response.json()
        detail = str(document["detail"])
    except (ValueError, KeyError, TypeError):
        document, detail = {}, f"the gateway answered {response.status_code}"
    match response.status_code:
        case 401 | 403:
            return Forbidden(detail)
        case 410 if document.get("state") == "cancelled":
            return Cancelled(detail)
        case 410:
            return SessionFailed(detail)
        case 422 if "errors" not in document:
            return BadData(
                detail,
                line=document.get("line"),
                column=document.get("column"),
                value=document.get("value"),
            )
        case 409:
            return ProtocolError(detail)
        case 429 | 502 | 503 | 504:
            return Unreachable(detail)
        case status if status < 500:
            return UsageError(detail)
    return CoffeeshopError(detail)
