"""Write the drawing of a session's life: `.venv/bin/python scripts/lifecycle_drawing.py`.

It goes into docs/architecture.md and is made from `coffeeshop.sessions.lifecycle.TRANSITIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from coffeeshop.sessions.lifecycle import FROM_OUTSIDE, TRANSITIONS, Phase, Transition, View

PAGE = Path(__file__).parent.parent / "docs" / "architecture.md"
BEGIN, END = "<!-- lifecycle -->\n", "<!-- end of lifecycle -->\n"


def main() -> None:
    """Write the page."""
    head, _, rest = PAGE.read_text().partition(BEGIN)
    tail = rest.partition(END)[2]
    PAGE.write_text(head + BEGIN + drawing() + END + tail)


def drawing() -> str:
    """The phases in their order; under each what its keeper does, the first row first."""
    return "\n".join(["```text", *_rows(), "```", ""])


def _rows() -> Iterator[str]:
    for phase in Phase:
        yield phase.value
        for row in (each for each in TRANSITIONS if each.phase is phase):
            yield f"   {_why(row.when)}: {row.action.value}{_arrow(row)}"
        for source, kind, then in FROM_OUTSIDE:
            if source is phase:
                yield f"   (a client) {kind} ──▶ {then.value}"


def _why(when: Callable[[View], bool]) -> str:
    return when.__name__.replace("_", " ")


def _arrow(row: Transition) -> str:
    written = "" if row.event is None else f" ── {row.event}"
    return f"{written} ──▶ {row.then.value}" if row.then is not row.phase else written


if __name__ == "__main__":
    main()
