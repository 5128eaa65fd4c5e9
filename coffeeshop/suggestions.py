"""Did you mean: the known name that is closest to a mistyped one."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the known name nearest to ``word``; empty when none is near."""
    from difflib import get_close_matches  # only a mistake needs it

    # Names differ by case alone more often than by anything else.
    names = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), names, n=1)
    return f"; did you mean {names[near[0]]!r}?" if near else ""
