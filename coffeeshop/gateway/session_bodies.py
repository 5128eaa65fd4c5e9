"""What clients say of a session's end and of its results' time, within bounds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from coffeeshop.gateway.listing import printable
from coffeeshop.gateway.problems import LONGEST_VALUE, MOST_BAD_ROWS
from coffeeshop.sessions.lifetimes import DAY

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


class Keep(BaseModel):
    """For how long results are to be kept."""

    model_config = ConfigDict(extra="forbid")
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False, description="From now on.")] = (
        7 * DAY
    )
