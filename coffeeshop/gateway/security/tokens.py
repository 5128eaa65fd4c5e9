"""The tokens file of a gateway: who may use it, one token a line, as `coffeeshop token` prints it.

::

    # name   role     hash of the token
    alice    client   sha256:0f4a...
    ops      admin    sha256:77be...

A token is 256 random bits, so a plain SHA-256 hides it: there is nothing to guess. The slow, salted
hashes that passwords need would only make every request slower.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from coffeeshop.errors import UsageError
from coffeeshop.observability.logs import get_logger

log = get_logger()
PREFIX = "coffeeshop_"
"""What every token begins with, for those who search texts for secrets."""
LARGEST_FILE = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_ROLES = {"client": False, "admin": True}


@dataclass(frozen=True)
class Client:
    """Whom a token stands for. Several tokens may have one name: that is how they are changed."""

    name: str
    admin: bool = False
    """Sees everybody's sessions, the nodes and the figures."""


Entry = tuple[str, Client]
"""A token's hash, and whose it is."""


class Tokens:
    """A tokens file, read again when it changes. One thread asks; any may call `reread`."""

    def __init__(self, file: Path) -> None:
        """Raises `UsageError` when the file cannot be read or has a wrong line."""
        self._file = file
        self._stamp = self._look()
        self._entries = read_tokens(file)
        self._due = False
        self._version = 0

    def version(self) -> int:
        """How often the file was read again: what `client_of` says changes with it only."""
        self._refresh()
        return self._version

    def client_of(self, token: str) -> Client | None:
        """Whom the token stands for; None when it is not in the file (any more).

        A file that is gone or wrong meanwhile changes nothing: the last good one counts.
        """
        self._refresh()
        wanted = hash_of(token).encode()
        found: Client | None = None
        for known, client in self._entries:  # to the end: the time taken tells nothing
            if hmac.compare_digest(known.encode(), wanted):
                found = client
        return found

    def reread(self) -> None:
        """Read the file at the next question, changed or not. May be called by a signal handler."""
        self._due = True

    def _refresh(self) -> None:
        stamp = self._look()
        if stamp == self._stamp and not self._due:
            return
        self._stamp, self._due = stamp, False
        try:
            self._entries = read_tokens(self._file)
        except UsageError as error:
            log.error("gateway.tokens_not_read", reason=str(error))
        else:
            self._version += 1
            log.info("gateway.tokens_read", tokens=len(self._entries))

    def _look(self) -> tuple[int, ...]:
        try:
            found = self._file.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino


def new_token() -> str:
    """A new random token."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """What the tokens file keeps of a token."""
    return "sha256:" + hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


def line_of(name: str, token: str, *, admin: bool = False) -> str:
    """A token's line in the file. Raises `UsageError` for a name that it cannot have."""
    if _NAME.fullmatch(name) is None:
        raise UsageError("a name has 1 to 64 letters, digits, dots, hyphens and underscores")
    return f"{name} {'admin' if admin else 'client'} {hash_of(token)}"


def read_tokens(file: Path) -> list[Entry]:
    """The entries of a tokens file. Raises `UsageError`, which shows nothing that is in it."""
    try:
        with file.open(encoding="utf-8") as stream:
            text = stream.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UsageError(f"the tokens file {file} cannot be read: {reason}") from None
    if len(text) > LARGEST_FILE:
        raise UsageError(f"the tokens file {file} is larger than {LARGEST_FILE} characters")
    entries = _entries(file, text)
    if not entries:
        raise UsageError(
            f"the tokens file {file} contains no token; make one with `coffeeshop token NAME`"
        )
    return entries


def _entries(file: Path, text: str) -> list[Entry]:
    entries: dict[str, Client] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 3 or not _is_entry(*words):
            raise UsageError(f"{file}, line {number}: not `name client|admin sha256:<64 digits>`")
        name, role, hidden = words
        if entries.setdefault(hidden, Client(name, _ROLES[role])) != Client(name, _ROLES[role]):
            raise UsageError(f"{file}, line {number}: the same token as on another line")
    return list(entries.items())


def _is_entry(name: str, role: str, hidden: str) -> bool:
    right_name = _NAME.fullmatch(name) is not None
    return right_name and role in _ROLES and _HASH.fullmatch(hidden) is not None
