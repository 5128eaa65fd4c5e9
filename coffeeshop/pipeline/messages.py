"""The values that travel: records on journals, session specifications, task names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from coffeeshop.errors import CodecError, ProtocolError
from coffeeshop.questions.asking import builtin_in
from coffeeshop.transport.base import Message

VERSION = 2
"""Of a session with parameters, questions of its own or checks."""
MIXED = 3
"""Of a session that names built-in questions, alone or beside its own."""
RecordKind = Literal[
    "batch", "eof", "failed", "probe", "claim", "client_gone", "marker", "missing", "done"
]
RELEASE_0_2 = {"left": "client_gone", "note": "probe"}
"""The names that release 0.2 wrote, and today's."""


@dataclass(frozen=True)
class Record:
    """One entry of a journal.

    ``batch``: ``number`` is the batch's sequence number, ``body`` an Arrow IPC stream.
    ``eof``: ``number`` is the count of batches the producer sent. ``failed``: ``body`` is the
    reason in UTF-8 and ends the session. ``probe``: means nothing; its offset tells a reader that
    records before it were dropped. ``claim``: an attempt of a task has begun, see
    `coffeeshop.pipeline.poison`. ``client_gone``: the clients have ended every table and are gone,
    see `coffeeshop.pipeline.abandoned`.
    ``marker``, ``missing``, ``done``: how far a task has read its journal, what it misses of a
    producer, and that all of its output is confirmed; see `coffeeshop.pipeline.repair`.
    ``(stream, producer, kind, number)`` is the id. ``digest`` tells two bodies with one id apart,
    where the producer is not to be trusted. ``at`` is when it was written, in seconds since 1970,
    where a reader needs it; it is no part of the record's id.
    """

    kind: RecordKind
    stream: str
    producer: str
    number: int
    body: bytes = b""
    digest: str = ""
    at: float | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        """The record's id in words, for logs and errors."""
        return f"{self.kind} {self.stream}/{self.producer}/{self.number}"

    def message(self) -> Message:
        """The record as a transport carries it."""
        return Message(self.headers(), self.body)

    @classmethod
    def of(cls, message: Message) -> Record:
        """The inverse of `message`; raises `CodecError` for anything else."""
        headers = message.headers
        try:
            kind, stream = str(headers["kind"]), str(headers["stream"])
            kind = RELEASE_0_2.get(kind, kind)
            producer, number = str(headers["producer"]), int(headers["number"])
        except (KeyError, TypeError, ValueError) as error:
            raise CodecError(f"not a record: {dict(headers)}") from error
        if kind not in get_args(RecordKind):
            raise CodecError(f"not a known kind of record: {kind}")
        digest, at = str(headers.get("digest", "")), headers.get("at_ms")
        written = at / 1000 if isinstance(at, int) else None
        return cls(kind, stream, producer, number, message.body, digest, written)  # type: ignore[arg-type]

    def headers(self) -> dict[str, str | int]:
        """The flat headers this record has on a broker."""
        headers: dict[str, str | int] = {
            "kind": self.kind,
            "stream": self.stream,
            "producer": self.producer,
            "number": self.number,
        }
        if self.digest:
            headers["digest"] = self.digest
        if self.at is not None:
            headers["at_ms"] = round(self.at * 1000)
        return headers


@dataclass(frozen=True)
class SessionSpec:
    """One analysis: its id, the plan, how many clients feed it, partitions of the parallel stages.

    Producers are named ``"0"`` … ``str(producers - 1)``; each of them ends every table.
    ``parameters`` of the built-in questions and ``questions`` are JSON that
    `coffeeshop.pipeline.plan` reads; without ``questions`` a session asks the built-in ones.
    ``quality``: it also checks its data.
    """

    id: str
    plan: str = "fused"
    producers: int = 1
    partitions: int = 2
    parameters: str = ""
    questions: tuple[str, ...] = ()
    quality: bool = False

    def fields(self) -> dict[str, Any]:
        """The specification as JSON has it. Without parameters, questions of its own and checks it
        is what releases before them write and read; with them it has a ``version``."""
        fields = {**asdict(self), "questions": list(self.questions)}
        if not self.quality:
            del fields["quality"]
        if not self.parameters and not self.questions:
            del fields["parameters"], fields["questions"]
        if self.parameters or self.questions or self.quality:
            fields["version"] = VERSION
        if self.questions and builtin_in(self.questions):
            fields["version"] = MIXED
        return fields

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> SessionSpec:
        """The inverse of `fields`; raises TypeError, ValueError or `ProtocolError` for others."""
        known = dict(fields)
        version = known.pop("version", 1)
        if version not in (1, VERSION, MIXED):
            raise ValueError(f"a session of version {version}, which this release does not know")
        questions = known.pop("questions", ())
        if not isinstance(known.get("parameters", ""), str) or not all(
            isinstance(each, str) for each in questions
        ):
            raise TypeError("parameters and questions are texts")
        if not isinstance(known.get("quality", False), bool):
            raise TypeError("whether a session checks its data is true or false")
        return cls(**known, questions=tuple(questions))

    def __post_init__(self) -> None:
        if self.producers < 1 or self.partitions < 1:
            raise ProtocolError("a session needs at least one producer and one partition")

    @property
    def producer_names(self) -> tuple[str, ...]:
        """The announced producers of every table."""
        return tuple(str(number) for number in range(self.producers))


@dataclass(frozen=True)
class TaskId:
    """The unit of ownership, replay and restart."""

    session: str
    stage: str
    partition: int

    @property
    def producer(self) -> str:
        """The task's name as a producer of the next stage."""
        return f"{self.stage}.{self.partition}"

    @property
    def journal(self) -> str:
        """The journal that holds the task's input."""
        return f"in.{self.session}.{self.stage}.{self.partition}"


@dataclass(frozen=True)
class Assignment:
    """What waits in an assignment queue: a task for any node of its stage."""

    spec: SessionSpec
    task: TaskId

    def to_bytes(self) -> bytes:
        """The assignment as JSON."""
        return json.dumps(
            {**self.spec.fields(), "stage": self.task.stage, "partition": self.task.partition},
            sort_keys=True,
        ).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> Assignment:
        """The inverse of `to_bytes`; raises `CodecError` for anything else."""
        try:
            fields = json.loads(body)
            stage, partition = fields.pop("stage"), fields.pop("partition")
            spec = SessionSpec.of(fields)
        except (
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
            ProtocolError,
        ) as error:
            raise CodecError(f"not an assignment: {error}") from error
        values = (spec.id, spec.plan, stage, spec.producers, spec.partitions, partition)
        if [type(value) for value in values] != [str, str, str, int, int, int]:
            raise CodecError(f"not an assignment: {body[:200]!r}")
        return cls(spec, TaskId(spec.id, stage, partition))


def out_journal(session: str) -> str:
    """The journal that holds a session's results and its failure."""
    return f"out.{session}"


def assign_queue(stage: str) -> str:
    """The queue of tasks that wait for a node of this stage."""
    return f"ctl.assign.{stage}"
