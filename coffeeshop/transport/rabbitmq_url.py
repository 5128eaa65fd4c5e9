"""Where the broker is: AMQP URLs, and how they look in a log."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from coffeeshop.errors import UsageError

_PORTS = {"amqp": 5672, "amqps": 5671}
_YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Tls:
    """How to trust the broker, and how to be trusted by it. Paths of PEM files."""

    ca: str | None = None
    """Certificate authorities to trust; the system's without it."""
    cert: str | None = None
    """This client's certificate (chain)."""
    key: str | None = field(default=None, repr=False)
    """This client's key, unless it is in ``cert``."""
    verify: bool = True
    """Check the broker's certificate and its name."""
    server_name: str | None = None
    """The name to expect instead of the host in the URL."""

    def context(self) -> ssl.SSLContext:
        """The context of these options. Raises `UsageError` for files that are of no use."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.cert is not None:
                context.load_cert_chain(self.cert, self.key)
        except OSError as error:  # ssl.SSLError is one
            files = ", ".join(name for name in (self.ca, self.cert, self.key) if name)
            raise UsageError(f"cannot use the TLS files {files}: {error}") from error
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True)
class Address:
    """A broker, a virtual host and who we are there."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    virtual_host: str
    tls: Tls | None = None
    heartbeat: int = 20
    """Seconds; a connection that is silent for about twice as long is given up."""

    @classmethod
    def parse(cls, url: str, tls: Tls | None = None) -> Address:
        """Read ``amqp[s]://user:password@host:port/virtual-host?options``.

        Options: ``heartbeat`` (seconds) and, with ``amqps``, ``ca``, ``cert``, ``key`` (paths),
        ``verify`` (true or false), ``server_name``; an option in the URL wins over ``tls``. Raises
        `UsageError`, which never quotes the password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise UsageError("the broker URL has no valid host and port") from error
        if parts.scheme not in _PORTS or not parts.hostname:
            raise UsageError(
                "the broker URL must have the form amqp[s]://user:password@host:port/vhost"
            )
        options = _options(parts)
        heartbeat = _whole(options.pop("heartbeat", "20"))
        return cls(
            host=parts.hostname,
            port=port or _PORTS[parts.scheme],
            user=unquote(parts.username or "guest"),
            password=unquote(parts.password or "guest"),
            virtual_host=unquote(parts.path[1:]) or "/",
            tls=_tls(parts.scheme, tls, options),
            heartbeat=heartbeat,
        )

    @property
    def redacted(self) -> str:
        """The URL for logs and messages: no password, no options."""
        scheme = "amqp" if self.tls is None else "amqps"
        host = f"[{self.host}]" if ":" in self.host else self.host
        path = "" if self.virtual_host == "/" else quote(self.virtual_host, safe="")
        return f"{scheme}://{quote(self.user, safe='')}@{host}:{self.port}/{path}"


def _options(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = {"heartbeat"}
    if parts.scheme == "amqps":
        known |= {"ca", "cert", "key", "verify", "server_name"}
    if unknown := sorted(options.keys() - known):
        raise UsageError(f"unknown option in the broker URL: {', '.join(unknown)}")
    return options


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise UsageError("heartbeat in the broker URL must be a whole number of seconds")
    return int(text)


def _tls(scheme: str, tls: Tls | None, options: dict[str, str]) -> Tls | None:
    if scheme == "amqp":
        if tls is not None:
            raise UsageError("TLS options need an amqps:// URL")
        return None
    tls = tls or Tls()
    if (verify := options.pop("verify", None)) is not None:
        if verify.lower() not in _YES_NO:
            raise UsageError("verify in the broker URL must be true or false")
        tls = replace(tls, verify=_YES_NO[verify.lower()])
    texts: dict[str, Any] = dict(options)
    return replace(tls, **texts)
