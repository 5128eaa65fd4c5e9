"""coffeeshop: a coffee-shop chain's sales analysed by supervised actors over durable journals.

::

    import coffeeshop

    with coffeeshop.Client() as client:                 # in this process
        results = client.submit("my/folder")
    print(results["query3"].to_pylist())

``coffeeshop.Client("http://127.0.0.1:9000")`` does the same by a gateway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coffeeshop.api import Client, Results

__all__ = ["Client", "Results", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Not at the top: `coffeeshop --help` must not wait for the columnar library.
    if name in ("Client", "Results"):
        from coffeeshop import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
