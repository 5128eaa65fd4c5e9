"""coffeeshop: exact answers to four questions about a coffee-shop chain's sales.

::

    import coffeeshop

    with coffeeshop.Client() as client:                 # in this process
        results = client.submit("my/folder")
    print(results.query3.to_pylist())

``coffeeshop.Client("http://127.0.0.1:9000")`` does the same by a gateway, ``AsyncClient`` for
programs with an event loop. Everything that is raised on purpose is a `CoffeeshopError`; see
`coffeeshop.errors` for the tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coffeeshop.errors import (
    BadData,
    Cancelled,
    CoffeeshopError,
    Forbidden,
    ProtocolError,
    QuestionRefused,
    SessionFailed,
    SessionTimeout,
    Unreachable,
    UsageError,
)

if TYPE_CHECKING:
    from coffeeshop.api import AsyncClient, Client, Results, Session, compare

__all__ = [
    "AsyncClient",
    "BadData",
    "Cancelled",
    "Client",
    "CoffeeshopError",
    "Forbidden",
    "ProtocolError",
    "QuestionRefused",
    "Results",
    "Session",
    "SessionFailed",
    "SessionTimeout",
    "Unreachable",
    "UsageError",
    "__version__",
    "compare",
]
__version__ = "0.3.0"
_API = ("AsyncClient", "Client", "Results", "Session", "compare")


def __getattr__(name: str) -> Any:
    # Not at the top: `coffeeshop --help` must not wait for the columnar library.
    if name in _API:
        from coffeeshop import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
