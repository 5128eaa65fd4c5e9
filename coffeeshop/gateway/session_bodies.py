"""A session as the API shows it; what clients say of its end and of its results' time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from coffeeshop.gateway.listing import printable
from coffeeshop.gateway.problems import LONGEST_VALUE, MOST_BAD_ROWS
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.questions.asking import shown_parameters, texts_of
from coffeeshop.sessions.lifecycle import DAY, Session

Clean = Annotated[str, AfterValidator(printable)]


class BadRow(BaseModel):
    """A row that the schema refuses."""

    model_config = ConfigDict(extra="forbid")
    file: Annotated[Clean, Field(max_length=300)] = ""
    line: Annotated[int, Field(ge=1, lt=1 << 40)] | None = None
    column: Annotated[Clean, Field(max_length=100)] | None = None
    value: Annotated[Clean, Field(max_length=LONGEST_VALUE)] | None = None
    reason: Annotated[Clean, Field(max_length=500)]


class EndOfSession(BaseModel):
    """Why a client ends a session. Without it: cancelled by the client."""

    model_config = ConfigDict(extra="forbid")
    kind: Annotated[
        Literal["cancelled", "bad_data", "client_failed"],
        Field(description="`cancelled` on purpose; the others end the session as `failed`."),
    ] = "cancelled"
    reason: Annotated[Clean, Field(max_length=1000)] = ""
    bad_rows: Annotated[
        list[BadRow], Field(max_length=MOST_BAD_ROWS, description="The first rows refused.")
    ] = []

    def sentence(self) -> str:
        """What the session says of its end."""
        match self.kind:
            case "bad_data":
                return f"bad data: {self.reason or 'a row that the schema refuses'}"
            case "client_failed":
                return self.reason or "the client could not go on"
        return self.reason or "cancelled by the client"


class LeftOutRows(BaseModel):
    """What a client left out of a table."""

    model_config = ConfigDict(extra="forbid")
    rows: int = Field(ge=1, lt=1 << 40, description="How many rows.")
    of: int = Field(ge=1, lt=1 << 40, description="Of so many: those, and the ones it sent.")
    first: list[BadRow] = Field([], max_length=MOST_BAD_ROWS, description="The first of them.")


class Keep(BaseModel):
    """For how long results are to be kept."""

    model_config = ConfigDict(extra="forbid")
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False, description="From now on.")] = (
        7 * DAY
    )


def public(session: Session) -> dict[str, Any]:
    """The session in a list."""
    return {
        "id": session.spec.id,
        "name": session.name,
        "owner": session.owner,
        "state": session.state,
        "reason": session.reason,
        "plan": session.spec.plan,
        "parameters": shown_parameters(session.spec.parameters, session.spec.questions),
        "questions": texts_of(session.spec.questions),
        "quality": session.spec.quality,
        "queries": list(plan_of(session.spec).results),
        "producers": session.spec.producers,
        "partitions": session.spec.partitions,
        "created_at": session.created,
        "ended_at": session.ended,
        "uploaded": session.uploaded,
        "released": session.released,
        "declared_at": session.declared_at,
        "uploaded_at": uploaded_at(session),
        "released_at": session.released_at,
        "kept_until": session.kept_until or None,
        "input_bytes": sum(session.taken.values()),
        "result_bytes": session.result_bytes,
        "tables": _by_table(session, session.tables),
    }


def details(session: Session) -> dict[str, Any]:
    """What is shown of one session beyond that."""
    return {
        "tables_ended_at": _by_table(session, session.table_times),
        "bad_rows": list(session.bad_rows) if session.state == "failed" else [],
        "left_out": left_out(session),
        "left_out_rows": list(session.left_out_rows),
    }


def left_out(session: Session) -> dict[str, dict[str, int]]:
    """By table how many rows its clients left out, of how many; where they left out any."""
    found: dict[str, dict[str, int]] = {}
    for (table, _), (rows, of) in sorted(session.left_out.items()):
        before = found.get(table, {"rows": 0, "of": 0})
        found[table] = {"rows": before["rows"] + rows, "of": before["of"] + of}
    return found


def uploaded_at(session: Session) -> float | None:
    """When the last table ended; None before, or when it is not known."""
    return max(session.table_times.values(), default=None) if session.uploaded else None


def _by_table(session: Session, values: Mapping[tuple[str, str], Any]) -> dict[str, dict[str, Any]]:
    return {
        table: {p: value for (t, p), value in sorted(values.items()) if t == table}
        for table in plan_of(session.spec).table_names
    }
