"""An out journal folded with the bodies of its results, for tests that look at these."""

from __future__ import annotations

import pyarrow as pa

from coffeeshop.codec import decode
from coffeeshop.formats import warnings_of
from coffeeshop.pipeline.messages import Record, SessionSpec
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.sessions.events import End
from coffeeshop.sessions.results import Completed, ResultFold


class TableFold(ResultFold):
    """Keeps the first body of each batch."""

    def __init__(self, spec: SessionSpec) -> None:
        super().__init__(spec)
        self._bodies: dict[str, dict[int, bytes]] = {name: {} for name in plan_of(spec).results}

    def feed(self, record: Record) -> End | None:
        if record.kind == "batch" and self.terminal is None:
            self._bodies[record.stream].setdefault(record.number, record.body)
        return super().feed(record)

    def completed(self) -> Completed:
        """The results of a session that completed."""
        assert self.terminal == End("completed"), self.terminal
        tables = {
            name: pa.Table.from_batches([decode(bodies[n]) for n in sorted(bodies)])
            for name, bodies in self._bodies.items()
        }
        return Completed(tables, warnings_of(tables))
