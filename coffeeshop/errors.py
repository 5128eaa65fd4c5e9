"""Everything coffeeshop raises on purpose.

::

    CoffeeshopError             exit 1
    ├── UsageError              exit 2   a wrong option, a folder that is not there
    │   ├── OutputFailed        exit 2   standard output cannot be written
    │   └── QuestionRefused     exit 2   a question in SQL that is not understood
    ├── Unreachable             exit 3   no gateway or broker answers
    │   ├── BrokerFull          exit 3   the broker makes no streams: it lacks descriptors
    │   └── Misdirected         exit 3   a proxy or a certificate is in the way
    ├── BadData                 exit 4   the input is not what the schema says
    ├── SessionFailed           exit 1   the session ended in one explicit failure
    ├── Forbidden               exit 5   the gateway refuses these credentials
    │   └── BrokerRefuses       exit 5   the broker refuses: no permission, too large
    ├── Cancelled               exit 6   the session was cancelled
    ├── SessionTimeout          exit 7   the session did not end in time
    ├── ProtocolError           exit 70  a producer broke the stream protocol
    ├── CodecError              exit 70  bytes that are no batch
    ├── JournalGone             exit 70  the journal does not exist (any more)
    └── JournalBroken           exit 1   the broker holds a name it can neither serve nor delete
"""

from __future__ import annotations


class CoffeeshopError(Exception):
    """The root: one clear sentence for a person, and an exit code for a shell."""

    exit_code = 1
    hint = ""
    """What to do about this one, where it is known; a command prints it beneath."""


class UsageError(CoffeeshopError):
    """The command as given cannot be carried out."""

    exit_code = 2


class OutputFailed(UsageError):
    """Standard output cannot be written: a full disk, say."""


class QuestionRefused(UsageError):
    """A question that is not understood: what of it, where in its text, and what would work."""

    def __init__(
        self,
        question: str,
        what: str,
        instead: str = "",
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        self.question = question
        self.line = line
        self.column = column
        where = "" if line is None else f", line {line}, column {column}"
        super().__init__(f"{question}{where}: not understood: {what}")
        self.hint = instead and f"what works: {instead}"


class Unreachable(CoffeeshopError):
    """No gateway or broker answers."""

    exit_code = 3


class BrokerFull(Unreachable):
    """The broker makes no stream at all: it is out of file descriptors."""


class Misdirected(Unreachable):
    """A proxy answered instead of the gateway, or its certificate is not trusted: asking again is
    of no use. The message says what to change."""


class BadData(CoffeeshopError):
    """Input that the schema refuses; says file, line or row, column and value where it is one."""

    exit_code = 4

    def __init__(
        self,
        reason: str,
        *,
        file: str | None = None,
        line: int | None = None,
        row: int | None = None,
        column: str | None = None,
        value: str | None = None,
    ) -> None:
        self.reason = reason
        self.file = file
        self.line = line
        self.row = row
        self.column = column
        self.value = value
        self.rows: tuple[BadData, ...] = ()
        """The first bad rows there, this one among them, where more than one was looked for."""
        where = file or ""
        if line is not None:
            where += f", line {line}"
        if row is not None:
            where += f", row {row}"
        if column is not None:
            where += f", column {column}"
        if value is not None:
            where += f", value {value[:80]!r}"
        where = where.removeprefix(", ")
        super().__init__(f"{where}: {reason}" if where else reason)


class SessionFailed(CoffeeshopError):
    """The session ended in one explicit failure; the reason is the message."""


class Forbidden(CoffeeshopError):
    """The gateway refuses these credentials."""

    exit_code = 5


class BrokerRefuses(Forbidden):
    """The broker refuses a request, now and later: its operator has to change something."""


class Cancelled(CoffeeshopError):
    """The session was cancelled."""

    exit_code = 6


class SessionTimeout(CoffeeshopError):
    """The session did not end in the time the caller gave it."""

    exit_code = 7


class ProtocolError(CoffeeshopError):
    """A producer contradicted itself: a changed count, an unknown name, a sequence beyond it."""

    exit_code = 70


class CodecError(CoffeeshopError):
    """Bytes that are not a batch of the announced stream."""

    exit_code = 70


class JournalGone(CoffeeshopError):
    """The journal does not exist: its session is over (or never began)."""

    exit_code = 70


class JournalBroken(CoffeeshopError):
    """The broker holds a journal's name without a journal, and can neither serve nor delete it.

    RabbitMQ ends up so when it is killed while it makes or deletes a stream. No data is behind the
    name; only an operator can remove it (docs/operations.md).
    """
