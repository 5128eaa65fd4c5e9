"""The answer to the last call of an upload is lost, and the session ends before the next try."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx2 as httpx
import pytest

from coffeeshop.client.connection import connection
from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse
from coffeeshop.errors import Cancelled
from coffeeshop.formats import to_csv
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.reading.folder import open_folder
from tests.oracle import answers
from tests.running import PATIENCE, Running, eventually, new_id

LAST = "/tables/transaction_items/eof"


class Losing(GatewayClient):
    """Loses the answer to the end of its last table, ``before`` the call is repeated."""

    def __init__(self, url: str, before: Callable[[], None]) -> None:
        http = connection(url, None, None)
        http.event_hooks = {"response": [self.lose]}
        super().__init__(url, http=http)
        self.before = before
        self.codes: list[int] = []
        """Of the answers to that call."""

    def lose(self, response: httpx.Response) -> None:
        if response.request.url.path.endswith(LAST):
            self.codes.append(response.status_code)
            if len(self.codes) == 1:
                self.before()
                raise httpx.ReadError("the answer is lost")


def ended(client: GatewayClient, spec: SessionSpec, state: str) -> None:
    eventually(lambda: client.session(spec.id)["state"] == state, f"the session is {state}")


def test_who_does_not_wait_gets_no_results_of_a_session_that_completed_meanwhile(
    system: Running, data: Path
) -> None:
    spec = SessionSpec(new_id())
    with (
        closing(GatewayClient(system.url)) as other,
        closing(Losing(system.url, lambda: ended(other, spec, "completed"))) as client,
    ):
        sent, tables, _ = analyse(client, open_folder(data), spec, wait=False)
        assert client.codes == [204, 410]
        assert all(sent.batches.values())
        assert tables == {}


@pytest.mark.parametrize("plan", ["fused", "staged"])
def test_a_session_that_completed_meanwhile_gives_its_results(
    plan: str, system: Running, data: Path
) -> None:
    spec = SessionSpec(new_id(), plan)
    with (
        closing(GatewayClient(system.url)) as other,
        closing(Losing(system.url, lambda: ended(other, spec, "completed"))) as client,
    ):
        sent, tables, _ = analyse(client, open_folder(data), spec, timeout=PATIENCE)
        assert client.codes == [204, 410]
    results = {f"{query}.csv": to_csv(table).decode() for query, table in tables.items()}
    assert results == answers(data)
    assert all(sent.batches.values())


def test_a_session_that_was_cancelled_meanwhile_is_cancelled(idle: Running, data: Path) -> None:
    spec = SessionSpec(new_id())

    def cancel() -> None:
        other.cancel(spec.id)
        ended(other, spec, "cancelled")

    with (
        closing(GatewayClient(idle.url)) as other,
        closing(Losing(idle.url, cancel)) as client,
    ):
        with pytest.raises(Cancelled):
            analyse(client, open_folder(data), spec, timeout=PATIENCE)
        # The events may tell of the end before the call is repeated.
        assert client.codes in ([204], [204, 410])
