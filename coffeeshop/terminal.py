"""The terminal: whether to colour what is printed, and hints for the person who sits at it.

NO_COLOR (not empty) wins over FORCE_COLOR; without either, terminals get colours and files do not.
Only a terminal is redrawn. rich is imported inside: ``--help`` must not wait for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console


_JOINERS = "\u200c\u200d"
"""They steer nothing, and some scripts and signs are not right without them."""


def shown(text: object) -> str:
    """Text of others for a terminal: control characters as escapes, so that none is obeyed.

    Those are all that Unicode does not call printable: ESC, the C1 controls, line ends, and marks
    that turn the direction of a line.
    """
    return "".join(
        c if c.isprintable() or c in _JOINERS else c.encode("unicode_escape").decode()
        for c in str(text)
    )


def colour_preference(environment: Mapping[str, str] = os.environ) -> bool | None:
    """What the environment says of colours; None: as the stream is a terminal or not."""
    if environment.get("NO_COLOR"):
        return False
    return True if environment.get("FORCE_COLOR", "0") not in ("", "0") else None


def has_colours(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether text for this stream may hold escape codes for colours."""
    preferred = colour_preference(environment)
    return stream.isatty() if preferred is None else preferred


def is_redrawn(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the cursor can go back on this stream."""
    return stream.isatty() and environment.get("TERM", "") not in ("dumb", "unknown")


def console(*, stderr: bool = False) -> Console:
    """A console on one of the standard streams as they are now. Colours as the module says."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    coloured = has_colours(stream)
    return Console(
        file=stream,
        force_terminal=coloured or stream.isatty(),
        force_interactive=is_redrawn(stream),
        # None also leaves out bold and dim, which rich's own no_color does not.
        color_system="auto" if coloured else None,
    )


def hint(command: str) -> None:
    """Tell a person at a terminal what to type next, on standard error; scripts see none of it."""
    if sys.stderr.isatty():
        from rich.text import Text

        console(stderr=True).print(Text(f"next: {command}", "dim"), soft_wrap=True)
