"""One attempt of a task as a pure state machine: records in, records for other journals out.

`TaskCore` is what every task does, whatever moves its records: the actor in `actors.task` is a
shell around it, the simulation drives it directly. Fed the same set of records in any order, with
any repeats, two attempts say the same records under the same ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coffeeshop.codec import encode, opened, split
from coffeeshop.errors import ProtocolError
from coffeeshop.operators import Fold, Rows, take_rows
from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId, out_journal
from coffeeshop.pipeline.plan import FoldOperator, MapOperator, Plan, Stage, destinations, plan_of
from coffeeshop.pipeline.progress import Gap, Ledger, Waiting
from coffeeshop.pipeline.repair import MOST_NAMED, in_words, named
from coffeeshop.schema import CATALOG


@dataclass(frozen=True)
class Output:
    """A record to append to a journal."""

    journal: str
    record: Record


@dataclass(frozen=True, eq=False)
class _Folding:
    """A fold at work, and the task's inputs that its streams are made of."""

    operator: FoldOperator
    fold: Fold
    inputs: frozenset[str]

    @classmethod
    def of(cls, stage: Stage, operator: FoldOperator) -> _Folding:
        inputs = frozenset[str]().union(*map(stage.inputs_of, operator.sources))
        return cls(operator, operator.make(), inputs)


class TaskCore:
    """The state of one attempt. Not thread-safe: one actor owns it."""

    def __init__(self, spec: SessionSpec, task: TaskId) -> None:
        self.task = task
        self._spec = spec
        self._plan: Plan = plan_of(spec)
        self._stage = self._plan.stage(task.stage)
        self._ledger = Ledger(
            {stream: self._plan.producers(stream, spec) for stream in self._stage.inputs},
            partition=task.partition,
            partitions=self._stage.partitions(spec),
        )
        self._folds = [
            _Folding.of(self._stage, operator)
            for operator in self._stage.operators
            if isinstance(operator, FoldOperator)
        ]
        self._digests: dict[tuple[str, str, int], str] = {}
        self.finished = False
        self.rows = 0
        self.admitted = 0
        """Records that were new: batches and ends of streams."""

    def feed(self, record: Record) -> list[Output]:
        """Take one record of the task's journal and say what follows from it.

        The result of a fold follows the record that completes its streams. After the record that
        completes the last of them ``finished`` is true; anything fed later is a repeat and says
        nothing. Raises `ProtocolError` or `CodecError` for
        a record that no correct producer sends.
        """
        if record.kind == "batch":
            new = self._ledger.admit(record.stream, record.producer, record.number)
            self._check_digest(record)
            if not new:
                return []
            self.admitted += 1
            batch = opened(record.body)
            self.rows += batch.num_rows
            outputs = list(self._run(record, record.stream, Rows(batch)))
        elif record.kind == "eof":
            if not self._ledger.end(record.stream, record.producer, record.number):
                return []
            self.admitted += 1
            outputs = list(self._forward_end(record, record.stream))
        elif record.kind in ("client_gone", "marker"):
            return []
        else:
            raise ProtocolError(f"a task cannot process a record of kind {record.kind!r}")
        outputs.extend(self._results())
        self.finished = self._ledger.complete
        return outputs

    def _check_digest(self, record: Record) -> None:
        """Clients are not to be trusted: of two contents under one id neither is the right one."""
        if self.finished or not record.digest:
            return
        key = record.stream, record.producer, record.number
        if self._digests.setdefault(key, record.digest) != record.digest:
            raise ProtocolError(f"{record.id} was sent twice with different content")

    def waiting(self) -> list[Waiting]:
        """For whom the task still waits."""
        return self._ledger.waiting()

    def gaps(self, most_ranges: int) -> list[Gap]:
        """What it misses of each producer that it waits for; see `Ledger.gaps`."""
        return self._ledger.gaps(most_ranges)

    def abort_if_incomplete(self, why: str = "") -> list[Output]:
        """The session's end, when clients announced batches that they can send no more.

        ``why`` that is so, unless they left."""
        missing = [each for each in self.waiting() if each.stream in CATALOG]
        if not missing:
            return []
        first = missing[0]
        gap = next(
            gap
            for gap in self.gaps(most_ranges=MOST_NAMED)
            if (gap.stream, gap.producer) == (first.stream, first.producer)
        )
        why = why or "the client left before it sent every batch that it announced"
        what = in_words(gap)
        if first.missing is not None:
            what = f"{first.missing} of {first.stream} from producer {first.producer} missing"
            what += f" ({named(gap)})"
        reason = f"{why}: {what}"
        record = Record("failed", "aborted", self.task.producer, 0, reason.encode())
        return [Output(out_journal(self._spec.id), record)]

    def _run(self, record: Record, stream: str, rows: Rows) -> Iterator[Output]:
        for each in self._folds:
            if stream in each.operator.sources:
                take_rows(each.fold, stream, rows, each.operator.reads)
        for mapped in self._maps(stream):
            result = mapped.function(rows)
            journals = self._destinations(mapped.emits, record.number)
            body = encode(result.batch()) if journals else b""
            for journal in journals:
                # One output per input id, also when it is empty: completion downstream counts ids.
                yield Output(
                    journal, Record("batch", mapped.emits, record.producer, record.number, body)
                )
            yield from self._run(record, mapped.emits, result)

    def _forward_end(self, record: Record, stream: str) -> Iterator[Output]:
        for mapped in self._maps(stream):
            for journal in self._destinations(mapped.emits):
                yield Output(journal, Record("eof", mapped.emits, record.producer, record.number))
            yield from self._forward_end(record, mapped.emits)

    def _results(self) -> Iterator[Output]:
        """What the folds give whose streams are complete; they are not needed any more then."""
        for each in [each for each in self._folds if all(map(self._ledger.has_all, each.inputs))]:
            self._folds.remove(each)
            operator = each.operator
            pieces = split(each.fold.on_end())
            for number, piece in enumerate(pieces):
                body = encode(piece)
                for journal in self._destinations(operator.emits, number):
                    yield Output(
                        journal,
                        Record("batch", operator.emits, self.task.producer, number, body),
                    )
            for journal in self._destinations(operator.emits):
                yield Output(
                    journal, Record("eof", operator.emits, self.task.producer, len(pieces))
                )

    def _maps(self, stream: str) -> Iterator[MapOperator]:
        for operator in self._stage.operators:
            if isinstance(operator, MapOperator) and operator.source == stream:
                yield operator

    def _destinations(self, stream: str, number: int | None = None) -> list[str]:
        if stream in self._plan.results:
            return [out_journal(self._spec.id)]
        return destinations(self._plan, self._spec, stream, number)
