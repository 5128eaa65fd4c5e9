"""After what time something ends by itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lifetimes:
    """Seconds after which something ends by itself."""

    client_timeout: float = 60.0
    """Without a batch or a heartbeat, while the upload is not complete: aborted."""
    result_ttl: float = 3600.0
    """After its end: the results are deleted."""
    session_ttl: float = 86_400.0
    """After its beginning: aborted, whatever it waits for."""
