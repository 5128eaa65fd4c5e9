"""One attempt's look for gaps in its journal: markers appended and read back, requests made."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable

from coffeeshop.clock import Clock
from coffeeshop.observability.logs import get_logger
from coffeeshop.pipeline.messages import Record, TaskId, out_journal
from coffeeshop.pipeline.repair import MOST_RANGES, GapWatch, Missing, in_words
from coffeeshop.pipeline.task import Output, TaskCore
from coffeeshop.transport import Delivery, Outcome, Transport

log = get_logger()


class LookForGaps:
    """To the task: it may be time to look whether something is missing."""


class GapFinder:
    """Used by its task's thread; ``tell`` may be called from any, and must not block.

    Decides nothing: `coffeeshop.pipeline.repair` does. Off when ``after`` is infinite.
    """

    def __init__(
        self,
        core: TaskCore,
        transport: Transport,
        clock: Clock,
        after: float,
        tell: Callable[[LookForGaps], None],
    ) -> None:
        self._core = core
        self._transport = transport
        self._clock = clock
        self._tell = tell
        self._watch = GapWatch(uuid.uuid4().hex, clock.now(), after)
        self._is_on = after < math.inf
        self._open_markers = 0

    @property
    def _task(self) -> TaskId:
        return self._core.task

    def begin(self) -> None:
        """Look later: `LookForGaps` is told when it is time."""
        if self._is_on:
            seconds = max(0.0, self._watch.due_at - self._clock.now())
            self._clock.call_later(seconds, lambda: self._tell(LookForGaps()))

    def look(self) -> None:
        """Append a marker if it is time; and look again later."""
        marker = self._watch.marker(self._clock.now())
        if marker is not None and not self._open_markers:
            self._open_markers += 1  # no more of them while the broker is away
            self._transport.append(self._task.journal, marker.message(), self._marked)
        self.begin()

    def took(self, delivery: Delivery, record: Record) -> list[Output]:
        """Note an entry that the task has taken; the requests that follow from it."""
        if not self._is_on:
            return []
        now, core = self._clock.now(), self._core
        if not self._watch.took(delivery, record, core.admitted, now) or core.finished:
            return []
        gaps = core.gaps(MOST_RANGES)
        requests = self._watch.requests(self._task.producer, gaps, now)
        for gap in (Missing.of(request).gap for request in requests):
            say = log.debug if gap.count is None else log.warning
            say(
                "task.misses",
                session=self._task.session,
                stage=self._task.stage,
                partition=self._task.partition,
                missing=in_words(gap),
            )
        return [Output(out_journal(self._task.session), request) for request in requests]

    def _marked(self, outcome: Outcome) -> None:
        # Whatever the outcome: what is not read back is followed by another one.
        self._open_markers -= 1
