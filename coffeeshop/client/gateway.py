"""A gateway over HTTP: every call of its API, repeated until it is answered or time is up."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2 as httpx

from coffeeshop.client.connection import connection
from coffeeshop.client.left_out import LeftOut
from coffeeshop.client.problems import RETRIED, by_proxy, error_of
from coffeeshop.client.proxies import proxy_of
from coffeeshop.client.retry_budget import SILENCE, RetryBudget
from coffeeshop.client.sse import Event, parse_events
from coffeeshop.errors import CoffeeshopError, Misdirected, Unreachable, UsageError
from coffeeshop.formats import MEDIA_TYPES
from coffeeshop.names import ENDS
from coffeeshop.observability import tracing
from coffeeshop.parameters import Parameters
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.questions.asking import texts_of

TOO_MANY = 429
UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
PATIENCE = 60.0
"""Seconds in which a call is repeated until it is answered."""
LEAST, LONGEST = 5.0, 60.0
"""Seconds that one try of a call gets, whatever the patience."""


class GatewayClient:
    """Thread-safe. Every call may be repeated safely, so every call is: for ``patience`` seconds.

    Raises `Unreachable` when no gateway answers in that time, and what the problem document says
    otherwise: `UsageError`, `BadData`, `Forbidden`, `ProtocolError`, `Cancelled`, `SessionFailed`.
    """

    def __init__(
        self,
        url: str,
        *,
        patience: float = PATIENCE,
        token: str | None = None,
        ca_file: Path | None = None,
        proxy_sees_token: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
        http: httpx.Client | None = None,
        on_silence: Callable[[float], None] | None = None,
    ) -> None:
        """``ca_file`` names who vouches for an https gateway; None: whom the system believes.
        ``proxy_sees_token``: show the token to a gateway without TLS through a proxy, too.
        ``on_silence`` is told, from any thread, when there is no answer for `SILENCE` seconds: for
        how many more it is tried.

        Raises `UsageError` when one of these is not what it should be.
        """
        self.url = url.rstrip("/")
        self._patience = patience
        self._sleep = sleep
        self._now = now
        self._end: float | None = None
        self._on_silence = on_silence
        self._answered = threading.Event()
        self._silence_lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._proxy = None if http is not None else proxy_of(self.url)
        self._http = http or connection(
            self.url, token, ca_file, self._proxy, proxy_sees_token=proxy_sees_token
        )

    def until(self, end: float | None) -> GatewayClient:
        """The same client, of which no call goes on after ``end`` (of `time.monotonic`).

        They share their connections: close one of them.
        """
        bounded = copy.copy(self)
        bounded._end = end
        return bounded

    def page(self, session: str) -> str:
        """The address of a session's page."""
        return f"{self.url}/#/sessions/{quote(session, safe='')}"

    def close(self) -> None:
        """Close the connections."""
        if self._timer is not None:
            self._timer.cancel()
        self._http.close()

    def open(self, spec: SessionSpec, name: str = "") -> dict[str, Any]:
        """Open the session of that id, or join it when it is open with the same parameters."""
        parameters: dict[str, Any] = {
            "id": spec.id,
            "plan": spec.plan,
            "producers": spec.producers,
            "partitions": spec.partitions,
            "name": name,
        }
        if spec.parameters:
            parameters["parameters"] = Parameters.of_text(spec.parameters).shown()
        if spec.questions:  # an older gateway does not know the word
            parameters["questions"] = [
                {key: value for key, value in each.items() if value}
                for each in texts_of(spec.questions)
            ]
        if spec.quality:
            parameters["quality"] = True
        return self._json("POST", "/v1/sessions", json=parameters)

    def put_batch(
        self,
        session: str,
        table: str,
        producer: str,
        number: int,
        body: bytes,
        stop: threading.Event | None = None,
    ) -> None:
        """Send a batch; returns when it is stored. Not repeated any more once ``stop`` is set."""
        self._request(
            "PUT",
            f"{_path(session)}/tables/{table}/batches/{number}",
            stop=stop,
            params={"producer": producer},
            content=body,
            headers={"Content-Type": MEDIA_TYPES["arrow"]},
        )

    def end_table(
        self,
        session: str,
        table: str,
        producer: str,
        batches: int,
        stop: threading.Event | None = None,
        left_out: LeftOut | None = None,
    ) -> None:
        """Say how many batches this producer sent of a table, and what it left out."""
        told: dict[str, Any] = {"batches": batches}
        path, params = f"{_path(session)}/tables/{table}/eof", {"producer": producer}
        if left_out is not None:
            try:
                more = {**told, "left_out": left_out.fields()}
                self._request("PUT", path, stop=stop, params=params, json=more)
            except UsageError:  # an older gateway does not know the word
                pass
            else:
                return
        self._request("PUT", path, stop=stop, params=params, json=told)

    def partial(self, session: str) -> dict[str, Any]:
        """What is known of an open session so far, which is no answer."""
        return self._json("GET", f"{_path(session)}/partial")

    def session(self, session: str) -> dict[str, Any]:
        """What the gateway tells of a session."""
        return self._json("GET", _path(session))

    def you(self) -> dict[str, Any]:
        """Whom the gateway takes this client for: ``name`` (empty without tokens), ``admin``."""
        found = self._json("GET", "/v1/overview", params={"limit": 1}).get("you")
        return found if isinstance(found, dict) else {}

    def sessions(
        self, state: str | None = None, limit: int = 100, search: str = ""
    ) -> list[dict[str, Any]]:
        """The newest sessions, page after page up to ``limit``.

        ``search``: words that must occur in name, id, owner, plan or reason.
        """
        found: list[dict[str, Any]] = []
        after: str | None = None
        while len(found) < limit:
            size = min(limit - len(found), 1000)
            wanted = {"state": state, "q": search or None, "after": after, "limit": size}
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

    def leftovers(self) -> dict[str, Any]:
        """What the broker still has of released sessions."""
        return self._json("GET", "/v1/leftovers")

    def ready(self) -> bool:
        """Whether the gateway and its broker answer; asks once."""
        try:
            answer = self._http.get("/readyz")
            return answer.status_code == 200 and answer.json().get("broker") != "away"
        except httpx.TransportError:
            return False

    def heartbeat(self, session: str) -> None:
        """Say that the client is there."""
        self._request("POST", f"{_path(session)}/heartbeat")

    def cancel(self, session: str) -> dict[str, Any]:
        """Ask for a session's end."""
        return self._json("POST", f"{_path(session)}/cancel")

    def cancel_soon(self, session: str, patience: float, why: dict[str, Any] | None = None) -> None:
        """`cancel` for a client that leaves: with a patience and a time limit of its own.

        ``why`` is the request's body: kind, reason, bad rows. Raises as `cancel` does."""
        path, limit = f"{_path(session)}/cancel", httpx.Timeout(patience)
        self._request("POST", path, patience=patience, timeout=limit, json=why or {})

    def keep(self, session: str, seconds: float) -> dict[str, Any]:
        """Have its results kept for that long from now."""
        return self._json("POST", f"{_path(session)}/keep", json={"seconds": seconds})

    def share(self, session: str, seconds: float) -> dict[str, Any]:
        """Make a read-only link to it: its address (``url``), and ``until`` when it holds."""
        made = self._json("POST", f"{_path(session)}/links", json={"seconds": seconds})
        return {**made, "url": f"{self.url}{made['path']}"}

    def unshare(self, session: str) -> None:
        """End all links to it."""
        self._request("DELETE", f"{_path(session)}/links")

    def delete(self, session: str) -> None:
        """Remove a session and its results."""
        self._request("DELETE", _path(session))

    def result(self, session: str, query: str, file_format: str) -> bytes:
        """One query's result in a format of `coffeeshop.formats`."""
        accept = {"Accept": MEDIA_TYPES[file_format]}
        path = f"{_path(session)}/results/{query}"
        content: bytes = self._request("GET", path, headers=accept, retry_conflict=True).content
        return content

    def events(self, session: str, after: int = -1) -> Iterator[Event]:
        """The session's events, to its end; goes on after a lost connection where it was.

        The budget counts from the moment of the last answer.
        """
        budget = self._retry_budget(self._patience, self._sleep)
        while True:
            failed: CoffeeshopError = Unreachable(f"{self.url} closed the event stream too early")
            wanted = 0.0
            try:
                with self._http.stream("GET", f"{_path(session)}/events", **_since(after)) as found:
                    if found.status_code == 200:
                        for event in parse_events(_alive(found.iter_lines(), budget)):
                            after = max(after, event.offset)
                            yield event
                            if event.name in ENDS:
                                return
                    else:
                        found.read()
                        failed, wanted = error_of(found, self._proxy), _retry_after(found)
                        if found.status_code not in RETRIED:
                            raise failed
                        if found.status_code == TOO_MANY:
                            budget.renew()  # it is there, and its sessions go on meanwhile
            except httpx.TransportError as error:
                failed = self._unreachable(error)
            budget.pause(failed, wanted)

    def _json(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        response = self._request(method, path, is_small=True, **how)
        try:
            found = response.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            if self._proxy is not None:
                raise by_proxy(self._proxy, "something else")
            raise UsageError(f"the server at {self.url} is not a coffeeshop gateway")
        return found

    def _request(
        self,
        method: str,
        path: str,
        *,
        retry_conflict: bool = False,
        is_small: bool = False,
        patience: float | None = None,
        stop: threading.Event | None = None,
        **how: Any,
    ) -> httpx.Response:
        seconds = self._patience if patience is None else patience
        sleep = self._sleep if stop is None else _sleep_until(stop)
        if patience is None:  # else the caller leaves, and bounds it by that
            how = {**self._timeouts(max(seconds, LEAST) if is_small else LONGEST), **how}
            budget = self._retry_budget(seconds, sleep)
        else:
            budget = RetryBudget(seconds, sleep, self._now)
        if above := tracing.headers():
            how["headers"] = {**how.get("headers", {}), **above}
        while True:
            wanted = 0.0
            try:
                with self._first_try(seconds):
                    response = self._http.request(method, path, **how)
            except httpx.TransportError as error:
                failed: CoffeeshopError = self._unreachable(error)
            else:
                if response.is_success:
                    return response
                failed, wanted = error_of(response, self._proxy), _retry_after(response)
                waits = retry_conflict and "retry-after" in response.headers
                if response.status_code not in RETRIED and not waits:
                    raise failed
            if stop is not None and stop.is_set():
                raise failed
            budget.pause(failed, wanted)

    def _timeouts(self, longest: float) -> dict[str, Any]:
        """Of one try: what is small is answered within the patience, or not at all."""
        left = longest if self._end is None else max(0.1, self._end - self._now())
        return {"timeout": httpx.Timeout(min(LONGEST, longest, left), connect=min(5.0, left))}

    def _retry_budget(self, seconds: float, sleep: Callable[[float], None]) -> RetryBudget:
        told = self._on_silence if self._answered.is_set() else None
        return RetryBudget(seconds, sleep, self._now, end=self._end, on_silence=told)

    @contextmanager
    def _first_try(self, seconds: float) -> Iterator[None]:
        """Until there was one answer, a timer tells of the silence: a try itself may hang."""
        if self._on_silence is None or self._answered.is_set():
            yield
            return
        with self._silence_lock:
            if self._timer is None:
                left = seconds if self._end is None else min(seconds, self._end - self._now())
                self._timer = threading.Timer(SILENCE, self._tell_silence, (left - SILENCE,))
                self._timer.daemon = True
                self._timer.start()
        yield
        self._answered.set()
        self._timer.cancel()

    def _tell_silence(self, left: float) -> None:
        if self._on_silence is not None and left > 0 and not self._answered.is_set():
            self._on_silence(left)

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        """What to raise when time is up. Raises `Misdirected` for what no time changes."""
        words = str(error) or type(error).__name__
        if UNTRUSTED in words:
            raise Misdirected(
                f"the certificate of {self.url} is not trusted: {words}; name who vouches for it "
                "with --ca-file, COFFEESHOP_CA_FILE or SSL_CERT_FILE"
            ) from error
        if self._proxy is None:
            return Unreachable(f"{self.url} does not answer: {words}")
        if isinstance(error, httpx.ProxyError):
            failed = by_proxy(self._proxy, words)
            if isinstance(failed, Misdirected):
                raise failed from error
            return failed
        return Unreachable(
            f"{self.url} does not answer through the proxy {self._proxy.shown}: {words}; "
            f"{self._proxy.advice}"
        )


def _sleep_until(stop: threading.Event) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        stop.wait(seconds)

    return sleep


def _path(session: str) -> str:
    if not session.strip("."):
        raise UsageError(f"not a session id: {session!r}")  # it would lead to another path
    return f"/v1/sessions/{quote(session, safe='')}"


def _since(after: int) -> dict[str, Any]:
    headers = {"Last-Event-ID": str(after)} if after >= 0 else {}
    # The gateway breaks a silence every 10 s.
    return {"headers": headers, "timeout": httpx.Timeout(30.0, connect=5.0)}


def _alive(lines: Iterator[str], budget: RetryBudget) -> Iterator[str]:
    for line in lines:
        budget.renew()
        yield line


def _retry_after(response: httpx.Response) -> float:
    text = response.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else 0.0
