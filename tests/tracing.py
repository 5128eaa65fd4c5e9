"""A trace as a tree, and a process that is traced into memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from coffeeshop.observability import tracing


@dataclass(frozen=True)
class Seen:
    """One span."""

    name: str
    trace: int
    id: int
    parent: int | None
    attributes: dict[str, object]
    error: str = ""


def check_tree(spans: Sequence[Seen]) -> Seen:
    """The root of spans that are one tree: one trace, one root, no parent that nobody saw."""
    assert len({span.trace for span in spans}) == 1
    (root,) = [span for span in spans if span.parent is None]
    ids = Counter(span.id for span in spans)
    assert max(ids.values()) == 1
    assert {span.parent for span in spans if span is not root} <= ids.keys()
    return root


def below(spans: Sequence[Seen], parent: Seen) -> Counter[str]:
    """The names of the spans whose parent it is."""
    return Counter(span.name for span in spans if span.parent == parent.id)


class Memory:
    """What was traced so far."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()

    def spans(self) -> list[Seen]:
        """The spans that have ended."""
        return [
            Seen(
                span.name,
                span.context.trace_id,
                span.context.span_id,
                None if span.parent is None else span.parent.span_id,
                dict(span.attributes or {}),
                span.status.description or "",
            )
            for span in self.exporter.get_finished_spans()
        ]

    def named(self, name: str) -> list[Seen]:
        """The spans of that name."""
        return [span for span in self.spans() if span.name == name]


@contextmanager
def traced() -> Iterator[Memory]:
    """This process is traced meanwhile."""
    memory = Memory()
    stop = tracing.start("test", SimpleSpanProcessor(memory.exporter))
    try:
        yield memory
    finally:
        stop()
