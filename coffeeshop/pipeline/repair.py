"""Repair by asking: what was confirmed and is nowhere is noticed, asked for and sent again. Pure.

A broker may confirm a record and lose it. Counting makes that visible, and this module decides what
follows from it:

* A task that heard nothing new for some seconds appends a ``marker`` to its own journal. When it
  has read everything before that marker, whatever it still waits for is not in the journal: it
  appends ``missing(stream, producer, ranges)`` to ``out.<sid>`` (`GapWatch`).
* Clients send batches that are missing again; a gateway repeats ends of tables, whose counts it
  knows, and publishes the assignment of a task again whose output is missing (`Repairs`).

A task says ``done`` when its output is confirmed; so in the order of ``out.<sid>`` it is known when
a task can give nothing more by itself. Ids do not change, so whatever is repeated in vain is
harmless. Nothing here is sure to arrive either: what is still missing is asked for again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from coffeeshop.errors import CodecError
from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId
from coffeeshop.pipeline.plan import FoldOperator, Plan, plan_of
from coffeeshop.pipeline.progress import Gap, IntervalSet
from coffeeshop.schema import CATALOG
from coffeeshop.transport import Delivery

REPAIR_AFTER = 5.0
"""Seconds without anything new after which a task looks whether something is missing."""
LONGEST_PAUSE = 12
"""Times that at most, between two such looks; twice as long for a task that misses nothing but
ends of streams, which may be due much later."""
MOST_ASKED = 16
"""Producers that a task asks for at once; more are for its next turns."""
MOST_RANGES = 64
"""Runs of numbers in one request; more are for the next ones."""
MOST_NAMED = 5
"""Batch numbers in a message for people."""
IN_VAIN = 5
"""Requests of one task for the same, unanswered, after which a gateway waits for no answer."""
STALLED_AFTER = 180.0
"""Seconds of silence on an out journal after which tasks that owe results are assigned again: a
task that waits asks more often."""
REPAIR = "repair"
"""The header of an assignment that is published again: which request led to it, a number."""
Tables = Mapping[tuple[str, str], int]
"""The number of batches of each (table, producer) that ended."""


@dataclass(frozen=True)
class Missing:
    """A task's request. ``asked``: how often it asked before without any answer."""

    task: str
    gap: Gap
    asked: int = 0

    def record(self) -> Record:
        """The request as a record of an out journal."""
        gap = self.gap
        body = {"task": self.task, "count": gap.count, "ranges": gap.ranges, "step": gap.step}
        text = json.dumps(body, sort_keys=True).encode()
        return Record("missing", gap.stream, gap.producer, self.asked, text)

    @classmethod
    def of(cls, record: Record) -> Missing:
        """The inverse of `record`; raises `CodecError` for anything else."""
        try:
            match json.loads(record.body):
                case {
                    "task": str(task),
                    "count": int() | None as count,
                    "ranges": list(ranges),
                    "step": int(step),
                } if step > 0:
                    runs = tuple((int(first), int(last)) for first, last in ranges)
                    gap = Gap(record.stream, record.producer, count, runs, step)
                    return cls(task, gap, record.number)
        except (ValueError, TypeError) as error:
            raise CodecError(f"not a request for what is missing: {error}") from error
        raise CodecError(f"not a request for what is missing: {record.body[:200]!r}")

    @property
    def is_of_a_client(self) -> bool:
        """Whether a client is to answer: batches of a table, whose end the task knows."""
        return self.gap.stream in CATALOG and self.gap.count is not None

    def event(self) -> dict[str, Any]:
        """The request as clients are told of it."""
        gap = self.gap
        return {
            "table": gap.stream,
            "producer": gap.producer,
            "ranges": [list(run) for run in gap.ranges],
            "step": gap.step,
            "asked": self.asked,
        }


def numbers_of(ranges: Sequence[Sequence[int]], step: int) -> Iterator[int]:
    """The batch numbers that a request names."""
    for first, last in ranges:
        yield from range(first, last + 1, step)


def in_words(gap: Gap) -> str:
    """What is missing, for people: ``batches 3, 5 of stores from producer 0``."""
    if not gap.ranges:
        return f"the end of {gap.stream} from producer {gap.producer}"
    return f"{named(gap)} of {gap.stream} from producer {gap.producer}"


def requested(data: Mapping[str, Any]) -> str:
    """What an event asks for, for people; see `Missing.event`."""
    ranges = tuple((int(first), int(last)) for first, last in data["ranges"])
    return in_words(Gap(data["table"], data["producer"], None, ranges, data["step"]))


def named(gap: Gap) -> str:
    """The missing batches' numbers, the first few of them: ``batches 3, 5``."""
    first = list(islice(numbers_of(gap.ranges, gap.step), MOST_NAMED + 1))
    more = " and more" if len(first) > MOST_NAMED else ""
    what = "batch" if len(first) == 1 else "batches"
    return f"{what} {', '.join(str(number) for number in first[:MOST_NAMED])}{more}"


class GapWatch:
    """When one attempt of a task looks for gaps, and when it may ask. Not thread-safe.

    Times are of any one clock, in seconds. Deliveries may come in any order and repeatedly.
    """

    def __init__(self, attempt: str, now: float, after: float = REPAIR_AFTER) -> None:
        """``attempt`` tells this attempt's markers from those of others; ``after``: see
        `REPAIR_AFTER`."""
        self._attempt = attempt
        self._after = after
        self._taken = IntervalSet()
        self._admitted = 0
        self._asked = 0
        self._longest = LONGEST_PAUSE
        self._unread = 0
        """Markers that were made since one was read."""
        self._markers = 0
        self._marker_at: int | None = None
        self._quiet = False
        """Whether nothing new came since the marker was made."""
        self.due_at = now + after
        """When to look next."""

    def marker(self, now: float) -> Record | None:
        """The record to append to the task's own journal, if it is time to look."""
        if now < self.due_at:
            return None
        self._markers += 1
        self._marker_at, self._quiet = None, True
        self._wait(now, self._unread)  # for this one: it may be lost, too, or be far behind
        self._unread += 1
        return Record("marker", "marker", self._attempt, self._markers)

    def took(self, delivery: Delivery, record: Record, admitted: int, now: float) -> bool:
        """Note an entry; true when the task has read its journal to its marker and is to ask.

        ``admitted``: how many records were new to the task so far.
        """
        since = delivery.offset if delivery.since is None else delivery.since
        for offset in range(since, delivery.offset + 1):
            self._taken.add(offset)
        if admitted > self._admitted:
            self._admitted, self._asked, self._quiet, self._unread = admitted, 0, False, 0
            self.due_at = now + self._after
        own = record.kind == "marker" and record.producer == self._attempt
        if own and record.number == self._markers and self._marker_at is None and self._quiet:
            self._marker_at, self._unread = delivery.offset, 0
        if self._marker_at is None or not self._quiet or not self._read_beyond(self._marker_at):
            return False
        self._quiet = False  # once for each marker
        return True

    def requests(self, task: str, gaps: Sequence[Gap], now: float) -> list[Record]:
        """What to append to the out journal: ``gaps`` is what the task misses, ends last."""
        turns = max(1, -(-len(gaps) // MOST_ASKED))
        begin = self._asked % turns * MOST_ASKED
        found = [
            Missing(task, gap, self._asked).record() for gap in gaps[begin : begin + MOST_ASKED]
        ]
        self._asked += 1
        is_lost = any(gap.count is not None for gap in gaps)
        self._longest = LONGEST_PAUSE if is_lost else 2 * LONGEST_PAUSE
        self._wait(now)
        return found

    def _wait(self, now: float, unread: int = 0) -> None:
        exponent = min(max(self._asked, unread), 16)
        self.due_at = now + self._after * min(self._longest, 2.0**exponent)

    def _read_beyond(self, offset: int) -> bool:
        start, end = self._taken.runs()[0]
        return start == 0 and offset < end


def done(task: TaskId) -> Record:
    """A task's word that all of its output is confirmed."""
    return Record("done", "tasks", task.producer, 0)


@dataclass(frozen=True)
class RepeatEnd:
    """Append the end of a table again."""

    table: str
    producer: str
    count: int


@dataclass(frozen=True)
class Recompute:
    """Publish the task's assignment again; nodes take one ``repair`` of a task once only."""

    task: TaskId
    repair: int


@dataclass(frozen=True)
class CountAsGone:
    """Tell the tasks that the clients are gone: one of them does not answer."""

    reason: str


Action = RepeatEnd | Recompute | CountAsGone


@dataclass
class _Unanswered:
    since: float
    asked: int = 0


@dataclass
class Repairs:
    """What a gateway does about what is missing: one session's out journal in its order, actions
    out. Not thread-safe.

    Several replicas may do it at once: what they do is harmless twice. ``patience``: seconds that
    a client has to answer.
    """

    spec: SessionSpec
    patience: float
    stalled_after: float = STALLED_AFTER
    _done: set[TaskId] = field(default_factory=set)
    _unanswered: dict[tuple[str, str, str], _Unanswered] = field(default_factory=dict)
    _heard_at: float | None = None
    _stalls: int = 0
    _repair: int = 0
    _offset: int = -1

    def feed(
        self,
        record: Record,
        offset: int,
        now: float,
        tables: Tables,
        complete: Collection[str],
    ) -> list[Action]:
        """Take the next record and say what follows from it.

        ``tables`` that ended, ``complete`` results as of this record.
        """
        self._offset = max(self._offset, offset)
        if record.kind == "done":
            return self._task_done(record, complete)
        if record.kind != "missing":
            return []
        missing = Missing.of(record)
        if missing.gap.stream not in CATALOG:
            return self._recomputed(missing)
        if missing.gap.count is None:
            key = missing.gap.stream, missing.gap.producer
            return [RepeatEnd(*key, tables[key])] if key in tables else []
        return self._of_a_client(missing, now, self._uploaded(tables))

    def heard(self, at: float) -> None:
        """There was a sign of life then, perhaps before this process began.

        So a session whose keepers are restarted again and again is stalled as soon as any other.
        """
        if self._heard_at is None or at > self._heard_at:
            self._heard_at, self._stalls = at, 0

    def stalled(self, now: float, tables: Tables, complete: Collection[str]) -> list[Action]:
        """What is due when nothing comes any more; ask now and then while the session is open."""
        if self._heard_at is None or not self._uploaded(tables):
            self._heard_at = now if self._heard_at is None else self._heard_at
            return []
        silence = (now - self._heard_at) / self.stalled_after
        if silence < 2**self._stalls:  # twice as long after each answer that was in vain
            return []
        self._stalls += 1
        plan = plan_of(self.spec)
        owing = {
            stage
            for result in plan.results
            for stage in _stages_of(plan, result)
            if result not in complete
        }
        repair = self._number(int(silence))
        return [Recompute(task, repair) for task in plan.tasks(self.spec) if task.stage in owing]

    def _number(self, silence: int = 0) -> int:
        """Of the next repair. Nodes take each number of a task once; its first assignment has 0.

        Replicas that read the same give the same. ``silence`` tells a stall from the one before it,
        after which nothing came, though another keeper may have seen that one.
        """
        self._repair = max(self._repair + 1, self._offset + 1 + silence)
        return self._repair

    def _uploaded(self, tables: Tables) -> bool:
        return len(tables) == len(plan_of(self.spec).tables) * self.spec.producers

    def _task_done(self, record: Record, complete: Collection[str]) -> list[Action]:
        plan = plan_of(self.spec)
        task = next((t for t in plan.tasks(self.spec) if t.producer == record.producer), None)
        if task is None:
            return []
        own = [o.emits for o in plan.stage(task.stage).operators if o.emits in plan.results]
        if any(result not in complete for result in own):
            # Its output was confirmed before it said so, and is not there.
            return [Recompute(task, self._number())]
        self._done.add(task)
        return []

    def _recomputed(self, missing: Missing) -> list[Action]:
        """Tasks that made what is missing and have nothing more to do; or perhaps have, when it was
        asked for again and again: their word may be what was lost."""
        makers = makers_of(self.spec, missing.gap)
        certain = [task for task in makers if task in self._done]
        doubtful = missing.asked > 0 and missing.asked % IN_VAIN == 0
        due = certain or (makers if doubtful else [])
        self._done.difference_update(due)  # until they say so again
        repair = self._number() if due else 0
        return [Recompute(task, repair) for task in due]

    def _of_a_client(self, missing: Missing, now: float, uploaded: bool) -> list[Action]:
        key = missing.task, missing.gap.stream, missing.gap.producer
        known = self._unanswered.get(key)
        if known is None or missing.asked < known.asked:  # something came, or an attempt began
            known = self._unanswered[key] = _Unanswered(now)
        known.asked = missing.asked
        if not uploaded or missing.asked < IN_VAIN or now - known.since < self.patience:
            return []
        del self._unanswered[key]
        return [CountAsGone("the client did not send again what is missing")]


def makers_of(spec: SessionSpec, gap: Gap) -> list[TaskId]:
    """The tasks that made what is missing. Of the end of a map's stream: all that pass it on."""
    plan = plan_of(spec)
    found = []
    for stage in plan.stages:
        for operator in stage.operators:
            if operator.emits != gap.stream:
                continue
            tasks = [TaskId(spec.id, stage.name, p) for p in range(stage.partitions(spec))]
            if isinstance(operator, FoldOperator):
                found += [task for task in tasks if task.producer == gap.producer]
            elif gap.count is None:
                found += tasks
            else:
                found += [t for t in tasks if _has_any(gap, t.partition, len(tasks))]
    return found


def _has_any(gap: Gap, partition: int, partitions: int) -> bool:
    return any(number % partitions == partition for number in numbers_of(gap.ranges, gap.step))


def _stages_of(plan: Plan, result: str) -> list[str]:
    return [s.name for s in plan.stages if any(o.emits == result for o in s.operators)]
