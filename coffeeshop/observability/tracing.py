"""Traces through OpenTelemetry, where they are switched on; otherwise nothing, at no cost.

One trace per session. Its root is the client's ``submit`` (or, of a client that does not trace, the
opening of the session); everything else is below it. Who is above travels as a W3C ``traceparent``:
in the header of that name of HTTP requests, and of the messages that assign tasks. Never in a
record: records stay what they are, byte for byte, traced or not.

Nothing here is called per row. Until `start` the library is not imported and every span is
`NO_SPAN`.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from coffeeshop.errors import UsageError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Tracer

About = Mapping[str, str | int]
"""What is told of a span: its attributes, without the prefix ``coffeeshop.``."""
HEADER = "traceparent"
FLUSH_TIMEOUT = 3.0
"""Seconds that the end of a process waits for a collector."""
_current: ContextVar[str] = ContextVar("traceparent", default="")
_tracer: Tracer | None = None


class Span(Protocol):
    """Something that takes time. May be ended in another thread than it began."""

    @property
    def traceparent(self) -> str:
        """What names this span as the parent of others; empty when nothing is traced."""
        ...

    def end(self, error: str = "") -> None:
        """It is over; with an ``error`` it failed. A span that is not ended is never seen."""
        ...


class _NoSpan:
    traceparent = ""

    def end(self, error: str = "") -> None:
        """Nothing ends."""


NO_SPAN: Span = _NoSpan()


def start(process: str, processor: SpanProcessor | None = None) -> Callable[[], None]:
    """Trace this process from now on; gives what stops it again and sends what is left.

    The end of the process does that too. Spans go, from a thread of their own, where the standard
    variables (``OTEL_EXPORTER_OTLP_ENDPOINT``, ...) say, or to ``processor``. Raises `UsageError`
    when the libraries are not installed.
    """
    global _tracer
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        processor = processor or _exporting()
    except ImportError as error:
        raise UsageError(f"tracing needs the extra coffeeshop[tracing]: {error}") from error
    names = {"service.name": "coffeeshop", "service.instance.id": process}
    provider = TracerProvider(resource=Resource.create(names), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    _tracer = provider.get_tracer("coffeeshop")

    def stop() -> None:
        global _tracer
        _tracer = None
        atexit.unregister(stop)
        # The library would try a collector that does not answer for much longer.
        last = threading.Thread(target=provider.shutdown, name="tracing", daemon=True)
        last.start()
        last.join(FLUSH_TIMEOUT)

    atexit.register(stop)
    return stop


def _exporting() -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return BatchSpanProcessor(OTLPSpanExporter())


def is_on() -> bool:
    """Whether `start` was called."""
    return _tracer is not None


def current() -> str:
    """The ``traceparent`` of the span that this thread, or this request, works under."""
    return _current.get()


def headers() -> dict[str, str]:
    """What to say to a process that is asked to go on with the current span's work."""
    return {HEADER: current()} if current() else {}


@contextmanager
def under(traceparent: str) -> Iterator[None]:
    """Work under the span of another process."""
    token = _current.set(traceparent if is_on() else "")
    try:
        yield
    finally:
        _current.reset(token)


def begin(name: str, about: About, *, parent: str | None = None, root: bool = False) -> Span:
    """Begin a span under ``parent`` (the current one if None). Without a parent there is none,
    unless it is to be the ``root`` of a trace."""
    above = current() if parent is None else parent
    if _tracer is None or not (above or root):
        return NO_SPAN
    return _Begun(_tracer, name, above, about)


def now() -> int:
    """When a span began that `record` tells of afterwards."""
    return time.time_ns()


def record(name: str, about: About, parent: str, began: int) -> None:
    """Tell of a span that is over by now."""
    if _tracer is not None and parent:
        _Begun(_tracer, name, parent, about, began).end()


@contextmanager
def span(name: str, about: About, *, root: bool = False) -> Iterator[Span]:
    """A span around what is done inside, in this thread, and the current one meanwhile.

    What is raised inside makes it a failed one. Only the exception's type is told: its text may
    quote the data.
    """
    begun = begin(name, about, root=root)
    token = _current.set(begun.traceparent)
    error = ""
    try:
        yield begun
    except BaseException as raised:
        error = type(raised).__name__
        raise
    finally:
        _current.reset(token)
        begun.end(error)


class _Begun:
    """A span of the library."""

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        above: str,
        about: About,
        began: int | None = None,
    ) -> None:
        from opentelemetry.trace import set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        propagator = TraceContextTextMapPropagator()
        parent = propagator.extract({HEADER: above})
        told = {f"coffeeshop.{key}": value for key, value in about.items()}
        self._span = tracer.start_span(name, parent, attributes=told, start_time=began)
        carrier: dict[str, str] = {}
        propagator.inject(carrier, set_span_in_context(self._span, parent))
        self.traceparent = carrier.get(HEADER, "")

    def end(self, error: str = "") -> None:
        """See `Span`."""
        from opentelemetry.trace import StatusCode

        if error:
            self._span.set_status(StatusCode.ERROR, error)
        self._span.end()
