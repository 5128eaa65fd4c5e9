"""Where the broker is: AMQP URLs, and how they look in a log."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from coffeeshop.errors import UsageError

_PORTS = {"amqp": 5672, "amqps": 5671}
HEARTBEAT = 20
CLUSTER_HEARTBEAT = 5
"""Where another node can take over, a silent one is left within two and a half of these."""
_FORM = re.compile(
    r"(?P<scheme>amqps?)://(?:(?P<user>[^/?#]*)@)?(?P<hosts>[^/?#@]+)"
    r"(?:/(?P<path>[^?#]*))?(?:\?(?P<query>[^#]*))?(?:#.*)?"
)
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

    hosts: tuple[tuple[str, int], ...]
    """Names and ports, at least one: the nodes of a cluster, any of which serves."""
    user: str
    password: str = field(repr=False)
    virtual_host: str
    tls: Tls | None = None
    heartbeat: int = HEARTBEAT
    """Seconds; a connection that is silent for about twice as long is given up."""
    cluster: bool = False
    """Whether another node serves when one is lost."""

    @classmethod
    def parse(cls, url: str, tls: Tls | None = None) -> Address:
        """Read ``amqp[s]://user:password@host:port,host:port/virtual-host?options``.

        Options: ``cluster`` (true or false: whether there are several nodes; with several hosts
        there are, behind the one name of a balancer it must be said), ``heartbeat`` (seconds;
        unless it is said 5 for a cluster and 20 for one node) and, with ``amqps``, ``ca``,
        ``cert``, ``key`` (paths), ``verify`` (true or false), ``server_name``; an option in the URL
        wins over ``tls``. Raises `UsageError`, which never quotes the password.
        """
        found = _FORM.fullmatch(url)
        if found is None:
            raise UsageError(
                "the broker URL must have the form amqp[s]://user:password@host:port/vhost, "
                "with commas between several host:port"
            )
        scheme, users, hosts = found["scheme"], found["user"] or "", found["hosts"]
        user, _, password = users.partition(":")
        options = _options(scheme, found["query"] or "")
        listed = tuple(_host(host, _PORTS[scheme]) for host in hosts.split(","))
        cluster = _yes_or_no(options, "cluster", len(listed) > 1)
        usual = CLUSTER_HEARTBEAT if cluster else HEARTBEAT
        return cls(
            hosts=listed,
            user=unquote(user) or "guest",
            password=unquote(password) or "guest",
            virtual_host=unquote(found["path"] or "") or "/",
            heartbeat=_whole(options.pop("heartbeat", str(usual))),
            tls=_tls(scheme, tls, options),
            cluster=cluster,
        )

    @property
    def host(self) -> str:
        """The name of the first host."""
        return self.hosts[0][0]

    @property
    def port(self) -> int:
        """The port of the first host."""
        return self.hosts[0][1]

    @property
    def several(self) -> bool:
        """Whether there are hosts to ask about what one of them says."""
        return len(self.hosts) > 1

    def each(self) -> list[Address]:
        """One address for every host."""
        return [replace(self, hosts=(host,)) for host in self.hosts]

    @property
    def redacted(self) -> str:
        """The URL for logs and messages: no password, no options."""
        scheme = "amqp" if self.tls is None else "amqps"
        path = "" if self.virtual_host == "/" else quote(self.virtual_host, safe="")
        hosts = ",".join(f"[{h}]:{port}" if ":" in h else f"{h}:{port}" for h, port in self.hosts)
        return f"{scheme}://{quote(self.user, safe='')}@{hosts}/{path}"


def _host(text: str, usual: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        name, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError("the broker URL has no valid host and port") from error
    if not name:
        raise UsageError("the broker URL has an empty host")
    return name, usual if port is None else port


def _options(scheme: str, query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    known = {"heartbeat", "cluster"}
    if scheme == "amqps":
        known |= {"ca", "cert", "key", "verify", "server_name"}
    if unknown := sorted(options.keys() - known):
        raise UsageError(f"unknown option in the broker URL: {', '.join(unknown)}")
    return options


def _yes_or_no(options: dict[str, str], name: str, usual: bool) -> bool:
    """Take an option out."""
    if (text := options.pop(name, None)) is None:
        return usual
    if text.lower() not in _YES_NO:
        raise UsageError(f"{name} in the broker URL must be true or false")
    return _YES_NO[text.lower()]


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
    tls = replace(tls, verify=_yes_or_no(options, "verify", tls.verify))
    texts: dict[str, Any] = dict(options)
    return replace(tls, **texts)
