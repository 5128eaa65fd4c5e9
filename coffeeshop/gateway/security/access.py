"""Authentication: which client sends a request, before its body is read and any route runs.

Three doors, in this order: the Host must be one of ours (else a page of a stranger's domain that
resolves to this machine could read everything), a write must not come from another site's page, and
where there are tokens one must be shown, as a bearer or in the page's cookie.
"""

from __future__ import annotations

import ipaddress
import re
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from coffeeshop.errors import UsageError
from coffeeshop.gateway.problems import Problem, problem
from coffeeshop.gateway.security.tokens import Client, Tokens

NOBODY = Client("")
EVERYBODY = Client("", admin=True)
"""The client of every request to a gateway without tokens."""
OPEN = frozenset(("/healthz", "/readyz", "/login", "/logout"))
SHARED = "/shared/"
"""Where links lead that show a session to those who have them."""
HEALTH = frozenset(("/healthz", "/readyz"))
SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
MISSING_TOKEN = "no token given"
INVALID_TOKEN = "invalid token"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="coffeeshop"'}
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]{1,5})?")
_caller: ContextVar[Client] = ContextVar("caller", default=NOBODY)


@dataclass(frozen=True)
class Access:
    """How a gateway decides who may do what, and what it shows of itself on the wire."""

    tokens: Tokens | None = None
    """None: everybody who reaches the gateway may do everything."""
    insecure: bool = False
    """Whether that is meant, also where others than this machine reach it."""
    allowed_hosts: frozenset[str] = frozenset()
    """Names by which a gateway without tokens may be called, beside addresses and localhost."""
    certificate: Path | None = None
    """TLS: the chain in PEM; the key is in it unless `key` names a file."""
    key: Path | None = field(default=None, repr=False)

    def check_host(self, host: str) -> None:
        """Raise `UsageError` when listening there would be open to the network without tokens."""
        if self.tokens is None and not self.insecure and not is_loopback(host):
            raise UsageError(
                f"listening on {host} without --tokens FILE gives everyone on the network full "
                "access; make tokens with `coffeeshop token NAME`, or add --insecure"
            )

    def version(self) -> int:
        """Changes when the tokens do."""
        return 0 if self.tokens is None else self.tokens.version()

    def reread(self) -> None:
        """Read the tokens again. May be called by a signal handler."""
        if self.tokens is not None:
            self.tokens.reread()


def caller() -> Client:
    """Who asks, in the task of a request; `NOBODY` elsewhere."""
    return _caller.get()


def sees(owner: str) -> bool:
    """Whether who asks may know of the sessions of that owner."""
    who = caller()
    return who.admin or (who.name == owner and owner != "")


async def require_admin() -> None:
    """A dependency of routes; raises `Problem` 403."""
    if not caller().admin:
        raise Problem(403, "this needs an admin token")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a listener at that address or name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


class AuthenticationMiddleware:
    """ASGI middleware: answers 400, 401 and 403 itself, lets the rest know `caller`."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse it or pass it on."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request = Request(scope)
        client = client_of(request, self._access)
        refusal = self._refusal(request, client)
        if refusal is not None:
            return await refusal(scope, receive, send)
        before = _caller.set(client or NOBODY)
        try:
            await self._app(scope, receive, send)
        finally:
            _caller.reset(before)

    def _refusal(self, request: Request, client: Client | None) -> Response | None:
        path = request.scope["path"]
        if path not in HEALTH and not self._is_called_rightly(request):
            return problem(
                403,
                "the Host header names no host of this gateway; run-node --allowed-host adds one",
            )
        if request.method not in SAFE and not _is_from_here(request):
            return problem(403, "a page of another site sent this request (Origin and Host differ)")
        if client is not None or path in OPEN or path.startswith("/static/"):
            return None
        if path.startswith(SHARED) and request.method in SAFE:
            return None  # the link itself is the token, which the route looks at
        if path == "/" and request.method in SAFE:
            return RedirectResponse("login", 303, {"Cache-Control": "no-store"})
        shown = shown_token(request) is not None
        return problem(401, INVALID_TOKEN if shown else MISSING_TOKEN, CHALLENGE)

    def _is_called_rightly(self, request: Request) -> bool:
        names = [_HOST.fullmatch(each) for each in request.headers.getlist("host")]
        if len(names) != 1 or names[0] is None:
            return False
        # With tokens a stranger's page gets nowhere by a name: the browser sends it no cookie.
        return self._access.tokens is not None or self._is_ours(names[0][1].lower().rstrip("."))

    def _is_ours(self, name: str) -> bool:
        if name == "localhost" or name in self._access.allowed_hosts:
            return True
        try:  # an address resolves to nothing else
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True


class StillAllowed:
    """Whether a request that is being answered would be let in again, as the same client.

    Looks again when the tokens have changed; after a no it stays at no. Belongs to the event loop's
    thread.
    """

    def __init__(self, request: Request, access: Access) -> None:
        self._request = request
        self._access = access
        self._client = client_of(request, access)
        self._version = access.version()

    def __call__(self) -> bool:
        """Ask."""
        if self._client is not None and self._access.version() != self._version:
            self._version = self._access.version()
            if client_of(self._request, self._access) != self._client:
                self._client = None
        return self._client is not None


def client_of(request: Request, access: Access) -> Client | None:
    """The client whose token a request has, at this moment; None without a valid one."""
    if access.tokens is None:
        return EVERYBODY
    shown = shown_token(request)
    return None if shown is None else access.tokens.client_of(shown)


def cookie_name(request: Request) -> str:
    """The page's cookie. The prefix makes browsers keep it from other hosts and plain HTTP."""
    return "__Host-coffeeshop" if request.url.scheme == "https" else "coffeeshop"


def shown_token(request: Request) -> str | None:
    """The token that a request shows: in its Authorization, else in its cookie."""
    authorization = request.headers.get("authorization")
    if authorization is None:
        return request.cookies.get(cookie_name(request))
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _is_from_here(request: Request) -> bool:
    host = request.headers.get("host", "").lower()
    return all(_authority(each) == host for each in request.headers.getlist("origin"))


def _authority(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
