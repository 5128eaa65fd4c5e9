"""The page sends again what the broker confirmed and lost."""

from __future__ import annotations

from pathlib import Path
from random import Random

from playwright.sync_api import expect

from coffeeshop.actors import NodeConfig
from coffeeshop.testing.faults import Losing
from coffeeshop.transport import Message, Transport
from tests.browser.conftest import Open
from tests.browser.test_session import downloaded
from tests.oracle import answers
from tests.running import running


def is_of_a_file(name: str, message: Message) -> bool:
    """Two batches of the transactions, and the only one of the stores."""
    headers = message.headers
    wanted = {("transactions", 0), ("transactions", 1), ("stores", 0)}
    return headers.get("kind") == "batch" and (headers["stream"], headers["number"]) in wanted


def test_batches_that_vanished_are_sent_again_by_the_page(open_page: Open, flat: Path) -> None:
    lossy: list[Losing] = []

    def wrapped(transport: Transport) -> Transport:
        lossy.append(Losing(transport, Random(0), is_of_a_file))
        return lossy[0]

    with running(wrapped=wrapped, config=NodeConfig(repair_after=0.3)) as system:
        watched = open_page(system.url)
        watched.upload(flat)
        expect(watched.page.get_by_role("heading", name="Uploaded")).to_be_visible()
        watched.expect_state("Completed")
        assert downloaded(watched, "query1").decode() == answers(flat)["query1.csv"]
        assert lossy[0].injected == 5, "the stores have three readers"
        assert system.gateways[0].sessions.repairs.counts["sent_again"] >= 3
