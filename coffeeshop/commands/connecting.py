"""A command's client of a gateway: it tells of silence, and finds sessions by a few letters."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.errors import UsageError
from coffeeshop.settings import Credentials

SHORT = 8
"""Letters of an id that people are shown, unless more are needed to tell it from others."""
SEARCHED = 10_000
"""Sessions among which a beginning or a name is looked for, the newest of them."""
NAMED = 5
AGAIN = 10.0
"""Seconds in which a silence is said once, however many calls meet it."""
_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
_BEGINNING = re.compile(r"[0-9a-f][0-9a-f-]*", re.IGNORECASE)


def connected(
    url: str, patience: float, shown: Credentials, *, quiet: bool = False
) -> GatewayClient:
    """A client that tells a person when it waits for an answer. Raises `UsageError`."""
    return GatewayClient(
        url,
        patience=patience,
        token=shown.token,
        ca_file=shown.ca_file,
        proxy_sees_token=shown.proxy_sees_token,
        on_silence=None if quiet else _teller(url.rstrip("/")),
    )


def _teller(url: str) -> Callable[[float], None]:
    lock = threading.Lock()
    told = -AGAIN

    def tell(left: float) -> None:
        nonlocal told
        with lock:
            if time.monotonic() - told < AGAIN:
                return
            told = time.monotonic()
        more = f"{left:.0f} s more" if left < 3600 else "as long as it takes"
        print(f"{url} does not answer yet; trying for {more} (Ctrl-C ends it)", file=sys.stderr)

    return tell


def session_id(client: GatewayClient, wanted: str) -> str:
    """The id of the session that is meant: an id, the beginning of one, or a name.

    Raises `UsageError` when there is none, or more than one.
    """
    if _UUID.fullmatch(wanted) or not wanted.strip("."):
        return wanted
    known = client.sessions(limit=SEARCHED)
    named = [each for each in known if each["name"] == wanted]
    begun = [each for each in known if _begins(each["id"], wanted)]
    found: dict[str, dict[str, Any]] = {each["id"]: each for each in [*named, *begun]}
    if len(found) == 1:
        return next(iter(found))
    if found:
        raise _ambiguous(wanted, list(found.values()), [each["id"] for each in known])
    missing = UsageError(f"no session has an id that begins with {wanted!r}, or that name")
    missing.hint = "coffeeshop sessions lists those that there are"
    raise missing


def _begins(name: str, wanted: str) -> bool:
    plain = wanted.lower().replace("-", "")
    return bool(_BEGINNING.fullmatch(wanted)) and name.replace("-", "").startswith(plain)


def _ambiguous(wanted: str, found: list[dict[str, Any]], known: list[str]) -> UsageError:
    length = short_length(known)
    shown = ", ".join(
        f"{each['id'][:length]} ({each['name'] or 'no name'}, {each['state']})"
        for each in found[:NAMED]
    )
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    error = UsageError(f"{wanted!r} may be any of {len(found)} sessions: {shown}{more}")
    error.hint = "give more letters of its id"
    return error


def short_length(ids: list[str]) -> int:
    """How many letters tell each of these ids from the others; at least `SHORT`."""
    ordered = sorted(set(ids))
    for one, other in pairwise(ordered):
        if one[:SHORT] == other[:SHORT]:
            return max(map(len, ordered))  # one in millions: then all of them in full
    return SHORT
