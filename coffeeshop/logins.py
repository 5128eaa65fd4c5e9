"""The gateway that `coffeeshop login` keeps: its address, a token, who vouches for it.

One file in the user's configuration folder that only the user can read.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from coffeeshop.errors import UsageError

FILE = "login.json"
NO_PLACE = "there is no home folder to keep a login in: set XDG_CONFIG_HOME, or HOME"


@dataclass(frozen=True)
class Login:
    """What is kept of a gateway."""

    gateway: str
    token: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    def is_for(self, url: str) -> bool:
        """Whether this is the login of that gateway: no other one is shown its token."""
        return url.rstrip("/") == self.gateway.rstrip("/")


def place(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The file; None where the environment names no home."""
    folder = environment.get("XDG_CONFIG_HOME")
    if not folder and sys.platform == "win32":
        folder = environment.get("APPDATA")
    if folder:
        return Path(folder) / "coffeeshop" / FILE
    home = environment.get("HOME")
    return Path(home) / ".config" / "coffeeshop" / FILE if home else None


def read(environment: Mapping[str, str] = os.environ) -> Login | None:
    """What is kept; None when nothing is, or nothing can be read.

    Raises `UsageError`, which shows nothing of it, for a file of another kind.
    """
    file = place(environment)
    if file is None:
        return None
    try:
        found = json.loads(file.read_bytes())
        ca_file = found.get("ca_file")
        return Login(
            str(found["gateway"]), found.get("token"), None if ca_file is None else Path(ca_file)
        )
    except OSError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(
            f"{file} is not a login file: remove it with `coffeeshop logout`"
        ) from None


def keep(login: Login, environment: Mapping[str, str] = os.environ) -> Path:
    """Write it, readable by this user only; the file. Raises `UsageError`."""
    file = place(environment)
    if file is None:
        raise UsageError(NO_PLACE)
    ca_file = None if login.ca_file is None else str(login.ca_file.absolute())
    text = json.dumps({"gateway": login.gateway, "token": login.token, "ca_file": ca_file})
    work = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Never there with other rights, not for a moment.
        with open(os.open(work, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(text)
        os.replace(work, file)
    except OSError as error:
        with suppress(OSError):
            work.unlink()
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    return file


def forget(environment: Mapping[str, str] = os.environ) -> bool:
    """Remove it; whether there was one. Raises `UsageError` when it cannot be removed."""
    file = place(environment)
    try:
        if file is not None:
            file.unlink()
            return True
    except FileNotFoundError:
        pass  # there was no login
    except OSError as error:
        raise UsageError(f"cannot remove {file}: {error.strerror}") from error
    return False
