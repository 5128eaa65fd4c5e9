"""What publishing looks like from here, as collectors for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Histogram
from prometheus_client.registry import Collector

from coffeeshop.transport.base import OnOutcome, Outcome

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Meters:
    """Of one publisher. Read by any thread, written by the loop's."""

    def __init__(self) -> None:
        self._confirm = Histogram(
            "coffeeshop_publish_confirm_seconds",
            "Seconds from sending a message to the broker's confirmation.",
            registry=None,
            buckets=BUCKETS,
        )
        self._bytes = Counter(
            "coffeeshop_published_bytes",
            "Bytes of message bodies sent to the broker.",
            registry=None,
        )
        published = Counter(
            "coffeeshop_published",
            "Messages sent to the broker, by outcome.",
            ["outcome"],
            registry=None,
        )
        self._published = published
        self._ended = {outcome: published.labels(outcome.value) for outcome in Outcome}

    def counting(self, on_outcome: OnOutcome) -> OnOutcome:
        """The same callback, and the outcome is counted."""

        def ended(outcome: Outcome) -> None:
            self._ended[outcome].inc()
            on_outcome(outcome)

        return ended

    def sent(self, size: int) -> None:
        """A message with a body of ``size`` bytes is on its way."""
        self._bytes.inc(size)

    def confirmed(self, seconds: float) -> None:
        """The broker answered a message after that time."""
        self._confirm.observe(seconds)

    def collectors(self) -> dict[str, Collector]:
        """By the names of what they collect, without prefix and unit of counting."""
        return {
            "publish_confirm_seconds": self._confirm,
            "published_bytes": self._bytes,
            "published": self._published,
        }
