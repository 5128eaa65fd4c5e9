"""Tasks that crash once, to see that nothing comes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from coffeeshop.pipeline.messages import Record, TaskId
from coffeeshop.pipeline.task import Output, TaskCore


class Crash(RuntimeError):
    """Raised on purpose."""


@contextmanager
def crash_tasks(
    on_crash: Callable[[TaskId], None] = lambda task: None, stage: str = "filters", after: int = 3
) -> Iterator[None]:
    """While inside, partition 0 of ``stage`` in every session fails once, at its n-th record."""
    feed = TaskCore.feed
    lock = threading.Lock()
    seen: dict[TaskId, int] = {}

    def failing(core: TaskCore, record: Record) -> list[Output]:
        task = core.task
        if task.stage == stage and task.partition == 0:
            with lock:
                seen[task] = seen.get(task, 0) + 1
                due = seen[task] == after
            if due:
                on_crash(task)
                raise Crash("on purpose")
        return feed(core, record)

    TaskCore.feed = failing  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        TaskCore.feed = feed  # type: ignore[method-assign]
