"""Sessions whose facts the journal is about to drop are stated anew; pure.

``ctl.sessions`` keeps so many bytes. Signs of life of busy sessions could push the beginning of a
long one out of it, and a gateway that starts then would not know that it exists.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from coffeeshop.sessions.facts import Fact
from coffeeshop.sessions.registry import Session

OVERHEAD = 128
"""Bytes that a broker keeps of a fact besides its body, at least about."""


class Restating:
    """Counts the bytes that were written since each session was last stated. Not thread-safe."""

    def __init__(self, gateway: str, kept: int) -> None:
        """``gateway`` is this replica, ``kept`` what the journal keeps in bytes."""
        self._gateway = gateway
        self._kept = kept
        self._written = 0
        self._stated: OrderedDict[str, int] = OrderedDict()
        self._asked: dict[str, int] = {}

    def heard(self, fact: Fact, size: int) -> None:
        """The journal's next fact, and the bytes of its body."""
        self._written += size + OVERHEAD
        if fact.kind in ("opened", "restated"):
            self._stated[fact.session] = self._written
            self._stated.move_to_end(fact.session)
        elif fact.kind == "expired":
            self._stated.pop(fact.session, None)
        if fact.kind in ("restated", "expired"):
            self._asked.pop(fact.session, None)

    def due(self, sessions: Mapping[str, Session]) -> list[Session]:
        """Those to state now, each once until it is heard of again.

        A replica states the sessions that it opened in time, and later those of replicas that did
        not.
        """
        found = []
        for name, stated in self._stated.items():
            age = self._written - max(stated, self._asked.get(name, 0))
            if self._written - stated <= self._kept // 4:
                break
            known = sessions.get(name)
            mine = known is not None and known.gateway == self._gateway
            if known is not None and age > (self._kept // 4 if mine else self._kept // 2):
                self._asked[name] = self._written
                found.append(known)
        return found
