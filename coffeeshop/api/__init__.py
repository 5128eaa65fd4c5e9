"""coffeeshop as a library: what `import coffeeshop` offers.

`client` and `asynchronous` make sessions, `sessions` and `results` are what comes of them, `frames`
takes tables in memory, `comparing` puts results side by side. It stands above the client package
and the composition roots.
"""

from coffeeshop.api.asynchronous import AsyncClient
from coffeeshop.api.client import Client
from coffeeshop.api.comparing import compare
from coffeeshop.api.results import Results
from coffeeshop.api.sessions import Session

__all__ = ["AsyncClient", "Client", "Results", "Session", "compare"]
