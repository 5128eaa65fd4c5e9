"""Sessions whose clients ended every table and fell silent: their tasks are told."""

from __future__ import annotations

from coffeeshop.errors import JournalGone
from coffeeshop.observability.logs import get_logger
from coffeeshop.pipeline.messages import Record
from coffeeshop.pipeline.plan import destinations, plan_of
from coffeeshop.sessions.chronicle import Chronicle
from coffeeshop.sessions.registry import Session
from coffeeshop.transport.outbox import Outbox

log = get_logger()


class LastCalls:
    """Writes ``left`` to a session's journals, once; see `coffeeshop.pipeline.abandoned`."""

    def __init__(self, outbox: Outbox, chronicle: Chronicle) -> None:
        self._outbox = outbox
        self._chronicle = chronicle
        self._made: set[str] = set()

    def due(self, session: Session) -> bool:
        """Whether the tasks of an open session whose client is silent are to be told."""
        return session.uploaded and session.declared and session.spec.id not in self._made

    def make(self, session: Session) -> None:
        """Tell them; blocks. Raises `Unreachable`. What is all there comes to no harm by it."""
        self._tell(session, "")
        self._made.add(session.spec.id)

    def give_up(self, session: Session, reason: str) -> None:
        """Tell them though a client is there: it does not answer. Blocks, and raises as `make`."""
        self._tell(session, reason)

    def _tell(self, session: Session, reason: str) -> None:
        spec, plan = session.spec, plan_of(session.spec)
        # The broker may have lost the ends, which are known here: then they alone are no reason.
        ends = [Record("eof", *key, count) for key, count in session.tables.items()]
        left = Record("left", "clients", self._chronicle.name, 0, reason.encode())
        journals = {
            each for table in plan.table_names for each in destinations(plan, spec, table, None)
        }
        log.info("session.client_left", session=spec.id, journals=len(journals))
        try:
            for record in (*ends, left):
                to = journals if record is left else destinations(plan, spec, record.stream, None)
                sent = self._outbox.append_to_all(sorted(to), record.message())
                self._chronicle.stored(sent)
        except JournalGone:
            log.info("session.over_meanwhile", session=spec.id)

    def forget(self, session: str) -> None:
        """The session has ended."""
        self._made.discard(session)
