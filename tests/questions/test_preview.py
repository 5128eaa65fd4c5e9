"""What is known so far of a session: right for the rows that were read, and never its answer."""

from __future__ import annotations

import csv
import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

import coffeeshop
from coffeeshop.client.upload import upload
from coffeeshop.clock import SystemClock
from coffeeshop.errors import SessionFailed, UsageError
from coffeeshop.gateway.previews import MOST, Previews, TooManyPreviews
from coffeeshop.generate import generate
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.pipeline.preview import Preview
from coffeeshop.questions.asking import questions_of
from coffeeshop.reading.folder import open_folder
from coffeeshop.sessions.ingest import Ingest
from coffeeshop.sessions.steps import open_session
from coffeeshop.transport.memory import MemoryTransport
from coffeeshop.transport.outbox import Outbox
from tests.questions.data import tables, write
from tests.questions.running import answers
from tests.questions.sink import Kept
from tests.running import Running, running
from tests.running import http as plain

OWN = questions_of(
    [
        ("by_store", "select store_id, count(*) as n, count(distinct user_id) from transactions"
         " group by store_id"),
        ("large", "select transaction_id, final_amount from transactions where final_amount > 50"),
    ]
)  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("questions", [(), OWN], ids=["the four", "own"])
def test_of_all_rows_it_is_the_answer_and_of_some_it_is_that_of_these(
    seed: int, questions: tuple[str, ...], tmp_path: Path
) -> None:
    chance = random.Random(f"preview {seed}")
    write(tmp_path, tables(chance), "plain", chance)
    plan = "fused" if questions else chance.choice(["fused", "staged"])
    spec = SessionSpec(str(uuid.uuid4()), plan, questions=questions, quality=seed % 2 == 0)
    sink = Kept()
    upload(open_folder(tmp_path, plan_of(spec).table_names), sink, plan=plan_of(spec))
    records = sink.records
    some = [record for record in records if chance.random() < 0.6]
    first, second = Preview(spec), Preview(spec)
    for record in some:
        first.feed(record)
    for record in chance.sample(some * 2, 2 * len(some)):
        second.feed(record)
        if chance.random() < 0.4:
            second.tables()
    assert first.tables() == second.tables()
    assert first.rows == second.rows
    for record in records:
        second.feed(record)
    assert second.tables() == answers(tmp_path, spec, chance).tables
    assert second.share == 1.0
    assert Preview(spec).share is None


def test_a_gateway_makes_two_at_a_time_and_drops_those_that_nobody_asks_for(tmp_path: Path) -> None:
    generate(tmp_path, transactions=200, seed=1)
    transport, now = MemoryTransport(), [0.0]
    clock = SystemClock()
    outbox = Outbox(transport, clock)
    specs = [SessionSpec(str(uuid.uuid4())) for _ in range(MOST + 1)]
    for spec in specs:
        open_session(outbox, spec)
        upload(open_folder(tmp_path), Ingest(outbox, spec))
    previews = Previews(transport, lambda: now[0])
    for spec in specs[:MOST]:
        assert previews.look(spec).rows["transactions"] == 200
    with pytest.raises(TooManyPreviews):
        previews.look(specs[MOST])
    now[0] = 61.0
    assert previews.look(specs[MOST]).share == 1.0
    previews.close()
    outbox.close()
    clock.close()
    transport.close()


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with running() as made:
        yield made


def test_a_session_that_runs_shows_what_is_known_and_has_no_result_by_it(
    system: Running, tmp_path: Path
) -> None:
    generate(tmp_path, transactions=400, seed=2)
    client = system.client()
    spec = SessionSpec(str(uuid.uuid4()))
    client.open(spec)
    kept = Kept()
    upload(open_folder(tmp_path), kept)
    batches = [record for record in kept.records if record.kind == "batch"]
    for record in batches:
        client.put_batch(spec.id, record.stream, record.producer, record.number, record.body)
    found = client.partial(spec.id)
    assert found["partial"] is True
    assert found["rows"]["transactions"] == 400
    assert found["share"] is None
    assert found["questions"]["query3"]["rows"] > 0
    assert client.session(spec.id)["results"] == []
    with coffeeshop.Client(system.url) as library:
        assert library.get(spec.id).partial()["questions"] == found["questions"]
    with plain(system) as api:
        assert api.get(f"/v1/sessions/{spec.id}/results/query3").status_code == 409
    for record in kept.records:
        if record.kind == "eof":
            client.end_table(spec.id, record.stream, record.producer, record.number)
    assert list(client.events(spec.id))[-1].name == "completed"
    result = httpx.get(f"{system.url}/v1/sessions/{spec.id}/results/query3").text
    told = found["questions"]["query3"]
    assert [told["columns"], *told["first"]] == list(csv.reader(result.splitlines()))
    with pytest.raises(SessionFailed, match="completed"):
        client.partial(spec.id)


def test_a_session_of_this_process_shows_nothing_before_its_end(tmp_path: Path) -> None:
    generate(tmp_path, transactions=400, seed=2)
    with coffeeshop.Client("memory:") as here:
        session = here.submit(tmp_path, wait=False)
        with pytest.raises(UsageError, match="only a session of a gateway"):
            session.partial()
        session.result(timeout=60)
