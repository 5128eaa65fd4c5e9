"""Poison records: the claims of a task's attempts tell which record kills processes. Pure values.

A batch that raises is noticed by the supervisor. One that kills the process cannot say so,
and every node that takes the task next dies too. So every attempt says on ``out.<sid>`` that it
begins, before it takes its first record. An attempt that follows two others is *isolated*: it says
which record it is about to take, and that it survived it. Three in a row that died over one record
fail the session; so do thirty that died over anything.

Claims are on the out journal and not on the task's own: they would lie behind the very record that
kills, and could be counted only by reading all of the input twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from coffeeshop.errors import CodecError
from coffeeshop.pipeline.messages import Record

PLAIN_ATTEMPTS = 2
"""Attempts that name no record: they cost one small record each."""
SAME_CULPRIT = 3
MOST_ATTEMPTS = 30


@dataclass(frozen=True)
class Claim:
    """What one attempt of a task says. ``in_progress``: the id of its record, or nothing."""

    task: str
    attempt: str
    in_progress: str = ""

    def record(self) -> Record:
        """The claim as a record of an out journal."""
        fields = {"attempt": self.attempt, "in_progress": self.in_progress}
        body = json.dumps(fields, sort_keys=True)
        return Record("claim", "claims", self.task, 0, body.encode())

    @classmethod
    def of(cls, record: Record) -> Claim:
        """The inverse of `record`; raises `CodecError` for anything else."""
        try:
            fields = json.loads(record.body)
            return cls(record.producer, str(fields["attempt"]), str(fields["in_progress"]))
        except (ValueError, TypeError, KeyError) as error:
            raise CodecError(f"not a claim: {record.body[:200]!r}") from error


@dataclass(frozen=True)
class RetryDecision:
    """How an attempt is to go on."""

    isolate: bool = False
    """Name each record before taking it."""
    give_up: str | None = None
    """Why there is no point in going on."""


def decide(claims: list[Claim], own: Claim) -> RetryDecision:
    """What the claims of a task say to the attempt that made ``own``, in the journal's order."""
    last: dict[str, str] = {}
    for claim in claims:
        if (claim.task, claim.attempt) != (own.task, own.attempt) and claim.task == own.task:
            last[claim.attempt] = claim.in_progress
    culprits = set(list(last.values())[-SAME_CULPRIT:])
    give_up = None
    if len(last) >= SAME_CULPRIT and len(culprits) == 1 and (culprit := culprits.pop()):
        give_up = f"{SAME_CULPRIT} attempts of {own.task} died while working on {culprit}"
    elif len(last) >= MOST_ATTEMPTS:
        give_up = f"{len(last)} attempts of {own.task} died{_over(last)}"
    return RetryDecision(len(last) >= PLAIN_ATTEMPTS, give_up)


def _over(last: dict[str, str]) -> str:
    culprit = list(last.values())[-1]
    return f", the last one while working on {culprit}" if culprit else ""
