"""The standard streams as a process may get them: closed, full, without a reader, not UTF-8.

`prepare` makes them usable by whatever writes to them: signs that the encoding does not have are
replaced, and a stream that is closed leads nowhere. What happens when a write fails depends on the
stream. Standard output holds what a command was asked for, so a failure ends the command
(`ReaderGone`, `OutputFailed`). Standard error holds messages, logs and progress, and work must not
end because their readers went away: what cannot be written there is dropped.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any, TextIO

from coffeeshop.errors import OutputFailed

BROKEN_PIPE = 141
"""What SIGPIPE ends a process with: how shells know that the reader went away first."""
_REPLACE = "coffeeshop-replace"


class ReaderGone(BaseException):
    """The reader of standard output went away: nothing is wrong, and the rest is wanted no more.

    Not an `Exception`: no code between the write and `coffeeshop.cli.main` takes it for a failure
    of its own.
    """


class _Output(io.FileIO):
    """Standard output; fails once, at the first write that fails, and drops what comes later."""

    _failed = False

    def write(self, data: Any) -> int:
        if self._failed:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except BrokenPipeError:
            self._failed = True
            raise ReaderGone from None
        except OSError as error:
            self._failed = True
            raise OutputFailed(f"cannot write to standard output: {error.strerror}") from error


class _Messages(io.FileIO):
    """Standard error; drops what cannot be written."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def prepare() -> None:
    """Replace ``sys.stdin``, ``sys.stdout`` and ``sys.stderr`` where they are the process's own.

    Doing it twice is harmless. What a test or a notebook put there stays.
    """
    codecs.register_error(_REPLACE, _replaced)
    _open_what_is_closed()
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115 - for as long as the process lives
    sys.stdout = _with(sys.stdout, 1, _Output)
    sys.stderr = _with(sys.stderr, 2, _Messages)


def flush() -> None:
    """Write what standard output still holds back. Raises `ReaderGone`, `OutputFailed`."""
    sys.stdout.flush()


def _open_what_is_closed() -> None:
    """So that no file or socket gets a standard stream's number and is written to by mistake."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one


def _with(stream: TextIO | None, number: int, kind: type[io.FileIO]) -> TextIO:
    if stream is None:
        encoding, errors, interactive = "utf-8", "strict", False
    elif not _is_own(stream, number):
        return stream
    else:
        assert isinstance(stream, io.TextIOWrapper)
        encoding, errors = stream.encoding, stream.errors or "strict"
        interactive = stream.line_buffering or stream.write_through  # PYTHONUNBUFFERED
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(kind(number, "w", closefd=False)),
        encoding=encoding,
        errors=_REPLACE if errors in ("strict", "surrogateescape") else errors,
        newline=None,
        line_buffering=interactive,
    )


def _is_own(stream: TextIO, number: int) -> bool:
    """Whether it is what Python itself opened, and not yet ours."""
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # the same with PYTHONUNBUFFERED
    return type(stream) is io.TextIOWrapper and type(raw) is io.FileIO and raw.fileno() == number


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    """Names of files as the bytes they are made of; a question mark for any other sign."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    raw = (ord(sign) - 0xDC00 if 0xDC80 <= ord(sign) <= 0xDCFF else ord("?") for sign in signs)
    return bytes(raw), error.end
