"""Which proxy leads to a gateway, by the environment: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY.

What is on this machine is never asked through a proxy, whatever the variables say: a proxy
elsewhere would ask its own machine.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

ABOUT = {"http": "HTTP_PROXY", "https": "HTTPS_PROXY", "all": "ALL_PROXY"}


@dataclass(frozen=True)
class Proxy:
    """A proxy that the environment names."""

    url: str
    """May hold a password: `shown` is for messages."""
    variable: str
    """Where it was named."""
    host: str
    """The gateway's, which NO_PROXY would have to name."""

    @property
    def shown(self) -> str:
        """The proxy and its variable, without user and password."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]} ({self.variable})"

    @property
    def advice(self) -> str:
        """How not to use it."""
        return f"add {self.host} to NO_PROXY, or unset {self.variable}, if it is not to be used"


def proxy_of(url: str, environment: Mapping[str, str] = os.environ) -> Proxy | None:
    """The proxy to use for a URL; None for none, and for a URL that is none."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    if not host or is_here(host):
        return None
    known = getproxies()
    found = next((each for each in (parts.scheme, "all") if known.get(each)), None)
    if found is None or proxy_bypass(host) or _in_networks(host, known.get("no", "")):
        return None
    named = known[found]
    names = (ABOUT.get(found, "ALL_PROXY"), f"{found}_proxy")
    variable = next((name for name in names if environment.get(name) == named), names[0])
    return Proxy(named if "://" in named else f"http://{named}", variable, host)


def is_here(host: str) -> bool:
    """Whether a host's name or address is this machine's, wherever it is looked up."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name.partition("%")[0])
    if address is None:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(text))  # 127.1 is one, too
    except OSError:
        return None


def _in_networks(host: str, bypassed: str) -> bool:
    """Whether NO_PROXY names a network (10.0.0.0/8) that the address is in."""
    address = _address(host)
    for text in bypassed.split(","):
        try:
            network = ipaddress.ip_network(text.strip(), strict=False)
        except ValueError:
            continue
        if address is not None and address in network:
            return True
    return False
