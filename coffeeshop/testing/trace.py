"""Whether the journals of one session are a behaviour of the protocol: trace validation, pure.

A journal is totally ordered, so the journals of a session are its history. The rules here are the
actions of spec/Coffeeshop.tla: each record must be one that a process could append when it was
appended. Repeats, any order of batches and whatever comes after the end are behaviours; an answer
without its input is none. Shares no code with the ledger or the result fold, whose mistakes it is
to find; of the plan it takes the topology.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId, out_journal
from coffeeshop.pipeline.plan import FoldOperator, Plan, Stage, plan_of
from coffeeshop.pipeline.poison import PLAIN_ATTEMPTS, Claim
from coffeeshop.pipeline.repair import Missing, numbers_of
from coffeeshop.schema import CATALOG
from coffeeshop.sessions.events import SessionEvent

DISAGREE = "disagree"


@dataclass(frozen=True)
class Trace:
    """What was read of a session. Every record of a batch has its digest; bodies are not needed.

    ``cut``: input journals that were deleted before they were read to their end, for all that is
    known. What they would have to prove is taken for granted.
    """

    spec: SessionSpec
    journals: Mapping[str, Sequence[Record]]
    events: Sequence[SessionEvent] = ()
    """The session's records of ``ctl.sessions``, in their order."""
    cut: frozenset[str] = frozenset()

    @property
    def plan(self) -> Plan:
        """The session's plan."""
        return plan_of(self.spec)

    @property
    def out(self) -> Sequence[Record]:
        """The out journal."""
        return self.journals.get(out_journal(self.spec.id), ())

    def tasks(self) -> Iterator[tuple[TaskId, Sequence[Record]]]:
        """Each task and its journal."""
        for task in self.plan.tasks(self.spec):
            yield task, self.journals.get(task.journal, ())


def refusals(trace: Trace) -> list[str]:
    """Why the journals are no behaviour of the protocol; nothing when they are one."""
    strangers = list(_addressed(trace))
    if strangers:
        return strangers  # the other rules look up what these name
    rules = (_counted, _repeated_alike, _enabled, _claimed, _asked, _kept_by_gateways)
    return [complaint for rule in rules for complaint in rule(trace)]


def whole(trace: Trace, task: TaskId) -> bool:
    """Whether a task's journal has every end of stream and every batch below each of them."""
    return _has_streams(trace, task, trace.plan.stage(task.stage).inputs)


def _has_streams(trace: Trace, task: TaskId, streams: Iterable[str]) -> bool:
    records = trace.journals.get(task.journal, ())
    partitions = trace.plan.stage(task.stage).partitions(trace.spec)
    return all(
        _has_all(records, stream, producer, task.partition, partitions)
        for stream in streams
        for producer in trace.plan.producers(stream, trace.spec)
    )


def terminal(trace: Trace) -> str:
    """How the session ends by its out journal: a state, ``disagree``, or empty: not yet."""
    return _Ending(trace).state


def _has_all(
    records: Iterable[Record], stream: str, producer: str, partition: int, partitions: int
) -> bool:
    mine = [r for r in records if (r.stream, r.producer) == (stream, producer)]
    ends = {r.number for r in mine if r.kind == "eof"}
    seen = {r.number for r in mine if r.kind == "batch"}
    return len(ends) == 1 and seen >= set(range(partition, ends.pop(), partitions))


# Send: the records are where they belong, under announced names.


def _addressed(trace: Trace) -> Iterator[str]:
    for task, records in trace.tasks():
        stage = trace.plan.stage(task.stage)
        partitions = stage.partitions(trace.spec)
        for record in records:
            if record.kind in ("client_gone", "marker"):
                continue
            if record.kind not in ("batch", "eof") or record.stream not in stage.inputs:
                yield f"{task.journal}: no process sends {record.id} there"
            elif record.producer not in trace.plan.producers(record.stream, trace.spec):
                yield f"{task.journal}: {record.id} is of no announced producer"
            elif record.kind == "batch" and record.number % partitions != task.partition:
                yield f"{task.journal}: {record.id} belongs to another partition"
    for record in trace.out:
        if record.kind not in ("batch", "eof"):
            continue
        if record.stream not in trace.plan.results:
            yield f"out: {record.id} is no result"
        elif record.producer not in trace.plan.producers(record.stream, trace.spec):
            yield f"out: {record.id} is of no announced producer"


def _everything(trace: Trace) -> Iterator[Record]:
    for records in trace.journals.values():
        yield from (r for r in records if r.kind in ("batch", "eof"))


# An end of stream is a number: one for each producer, above all its batches.


def _counted(trace: Trace) -> Iterator[str]:
    ends: dict[tuple[str, str], set[int]] = defaultdict(set)
    highest: dict[tuple[str, str], int] = defaultdict(lambda: -1)
    for record in _everything(trace):
        key = record.stream, record.producer
        if record.kind == "eof":
            ends[key].add(record.number)
        else:
            highest[key] = max(highest[key], record.number)
    for (stream, producer), counts in ends.items():
        if len(counts) > 1:
            yield f"{producer} ended {stream} with {sorted(counts)} batches"
        elif highest[stream, producer] >= min(counts):
            yield f"{producer} ended {stream} at {min(counts)} and sent {highest[stream, producer]}"


# A repeat has the content of the first one: answers are canonical.


def _repeated_alike(trace: Trace) -> Iterator[str]:
    contents: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    for record in _everything(trace):
        if record.kind == "batch":
            contents[record.stream, record.producer, record.number].add(record.digest)
    for (stream, producer, number), digests in contents.items():
        forgiven = terminal(trace) == ("failed" if stream in CATALOG else DISAGREE)
        if len(digests) > 1 and not forgiven:
            yield f"{len(digests)} contents of batch {stream}/{producer}/{number}"


# Tell: a task forwards what it was given, and a fold answers when it has all of its streams.


def _origin(plan: Plan, stream: str) -> tuple[Stage, str | None]:
    """The stage that makes a stream, and the input of which it is a map; None: it is a fold."""
    for stage in plan.stages:
        made = {operator.emits: operator for operator in stage.operators}
        if stream not in made:
            continue
        source = stream
        while source in made:
            operator = made[source]
            if isinstance(operator, FoldOperator):
                return stage, None
            source = operator.source
        return stage, source
    raise ValueError(f"no stage makes {stream}")


def _enabled(trace: Trace) -> Iterator[str]:
    complete: dict[tuple[str, str], bool] = {}
    given = {
        task.journal: {(r.kind, r.stream, r.producer, r.number) for r in records}
        for task, records in trace.tasks()
    }
    for record in _everything(trace):
        if record.stream in CATALOG:
            continue
        stage, source = _origin(trace.plan, record.stream)
        count = stage.partitions(trace.spec)
        if source is None:
            name, _, partition = record.producer.rpartition(".")
            task, key = (
                TaskId(trace.spec.id, name, int(partition)),
                (record.producer, record.stream),
            )
            if key not in complete:
                complete[key] = _has_streams(trace, task, stage.inputs_of(record.stream))
            if not complete[key] and task.journal not in trace.cut:
                yield f"{record.producer} told {record.id} without all of its input"
            continue
        partitions = range(count) if record.kind == "eof" else (record.number % count,)
        journals = [TaskId(trace.spec.id, stage.name, p).journal for p in partitions]
        cause = record.kind, source, record.producer, record.number
        if not any(cause in given[j] or j in trace.cut for j in journals):
            yield f"{stage.name} told {record.id} without having been given {source}"


# Take: an attempt claims its task before it tells anything; isolated ones follow two others.


def _claimed(trace: Trace) -> Iterator[str]:
    attempts: dict[str, list[str]] = defaultdict(list)
    for record in trace.out:
        if record.kind == "claim":
            claim = Claim.of(record)
            known = attempts[claim.task]
            if claim.attempt not in known:
                known.append(claim.attempt)
                if claim.in_progress:
                    yield f"{claim.task} names {claim.in_progress} before it claimed the task"
            elif claim.in_progress and known.index(claim.attempt) < PLAIN_ATTEMPTS:
                yield f"{claim.task} is isolated in attempt {known.index(claim.attempt) + 1}"
        elif record.kind in ("batch", "eof") and not attempts[record.producer]:
            yield f"{record.producer} told {record.id} before it claimed the task"


# Ask: a task asks for what its journal does not have, behind a marker of its own; it says that it
# is done when it had everything.


def _asked(trace: Trace) -> Iterator[str]:
    tasks = {task.producer: (task, records) for task, records in trace.tasks()}
    claimed: set[str] = set()
    for record in trace.out:
        if record.kind == "claim":
            claimed.add(record.producer)
        elif record.kind == "done":
            yield from _done(trace, record, tasks, claimed)
        elif record.kind == "missing":
            missing = Missing.of(record)
            if missing.task not in tasks:
                yield f"{missing.task}, which does not exist, asks for {record.id}"
            else:
                yield from _misses(trace, missing, *tasks[missing.task])


_Tasks = Mapping[str, tuple[TaskId, Sequence[Record]]]


def _done(trace: Trace, record: Record, tasks: _Tasks, claimed: set[str]) -> Iterator[str]:
    if record.producer not in tasks:
        yield f"{record.producer}, which does not exist, says that it is done"
        return
    task, _ = tasks[record.producer]
    if record.producer not in claimed:
        yield f"{record.producer} is done before it claimed the task"
    if task.journal not in trace.cut and not whole(trace, task):
        yield f"{record.producer} is done without all of its input"


def _misses(
    trace: Trace, missing: Missing, task: TaskId, records: Sequence[Record]
) -> Iterator[str]:
    gap, stage = missing.gap, trace.plan.stage(task.stage)
    what = f"{missing.task} asks for {gap.stream} of {gap.producer}"
    if gap.stream not in stage.inputs or gap.producer not in trace.plan.producers(
        gap.stream, trace.spec
    ):
        yield f"{what}, which no process sends it"
        return
    partitions = stage.partitions(trace.spec)
    numbers = set(numbers_of(gap.ranges, gap.step))
    if any(number % partitions != task.partition for number in numbers):
        yield f"{what}: batches of another partition"
    if numbers and max(numbers) >= (gap.count or 0):
        yield f"{what}: batches above its end"
    if task.journal in trace.cut:
        return
    if not any(record.kind == "marker" for record in records):
        yield f"{what} without having read its journal to a marker"
    own = [r for r in records if (r.stream, r.producer) == (gap.stream, gap.producer)]
    if gap.count is not None and gap.count not in {r.number for r in own if r.kind == "eof"}:
        yield f"{what}, whose end it was not given"


# End, Release: what gateways write of a session, against what its journals say.


@dataclass
class _Ending:
    """The out journal, read as anybody reads it: of several ends the first one counts."""

    trace: Trace
    state: str = ""
    _ends: dict[str, int] = field(default_factory=dict)
    _pieces: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))

    def __post_init__(self) -> None:
        for record in self.trace.out:
            if not self.state:
                self.state = self._after(record)

    def _after(self, record: Record) -> str:
        if record.kind == "failed":
            return record.stream if record.stream in ("cancelled", "aborted") else "failed"
        if record.kind == "eof":
            self._ends.setdefault(record.stream, record.number)
        elif record.kind == "batch":
            first = self._pieces[record.stream].setdefault(record.number, record.digest)
            if first != record.digest:
                return DISAGREE
        done = all(
            self._pieces[stream].keys() >= set(range(self._ends.get(stream, 1)))
            and stream in self._ends
            for stream in self.trace.plan.results
        )
        return "completed" if done else ""


def _kept_by_gateways(trace: Trace) -> Iterator[str]:
    told = terminal(trace)
    declared, ended, tables = False, "", dict[tuple[str, str], int]()
    for number, event in enumerate(trace.events):
        if number == 0 and event.kind not in ("opened", "snapshot"):
            yield f"the first event is {event.kind}"
        if event.kind == "declared":
            declared = True
        elif event.kind == "ended" and not (ended or (declared and event.fields.get("undeclared"))):
            ended = str(event.fields["state"])
            if ended == "completed" and told != "completed":
                yield f"a gateway wrote that it completed; its out journal says {told or 'nothing'}"
            elif told and ended != told and {ended, told} != {"failed", DISAGREE}:
                yield f"a gateway wrote that it {ended}; its out journal says {told}"
        elif event.kind == "released" and not ended:
            yield "its input was deleted before it ended"
        elif event.kind == "table_ended":
            key = event.fields["table"], str(event.fields["producer"])
            tables.setdefault(key, event.fields["batches"])
    yield from _tables_ended(trace, tables)


def _tables_ended(trace: Trace, tables: Mapping[tuple[str, str], int]) -> Iterator[str]:
    told = terminal(trace)
    announced = {(table, p) for table in trace.plan.table_names for p in trace.spec.producer_names}
    for task, records in trace.tasks():
        stage = trace.plan.stage(task.stage)
        ends = {(r.stream, r.producer): r.number for r in records if r.kind == "eof"}
        for (table, producer), batches in tables.items():
            if table not in stage.inputs or (task.journal in trace.cut):
                continue
            found = ends.get((table, producer))
            # A broker may lose it; but without it no session completes.
            if found != batches and (found is not None or told == "completed"):
                yield f"{task.journal}: {producer} ended {table} at {batches}, not there"
        if (
            trace.events
            and any(r.kind == "client_gone" for r in records)
            and tables.keys() != announced
        ):
            yield f"{task.journal}: its clients are given up before they ended every table"
