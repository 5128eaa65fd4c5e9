"""However tables are cut, shuffled, repeated and crashed over, the answer is the whole table's."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from coffeeshop.actors import NodeConfig
from coffeeshop.actors.node import GetStatus, NodeStatus
from coffeeshop.clock import Backoff
from coffeeshop.codec import encode
from coffeeshop.formats import to_csv
from coffeeshop.local import LocalSystem
from coffeeshop.pipeline.messages import Record, SessionSpec, TaskId, out_journal
from coffeeshop.pipeline.plan import PLANS, destinations, plan_named
from coffeeshop.pipeline.task import TaskCore
from coffeeshop.reading.blocks import blocks_of
from coffeeshop.reading.folder import open_folder
from coffeeshop.reading.parse import parse
from coffeeshop.schema import TABLES
from coffeeshop.sessions.ingest import Ingest
from coffeeshop.sessions.outcome import SessionOutcome
from coffeeshop.sessions.results import Completed, Update
from coffeeshop.sessions.steps import open_session, release_session
from coffeeshop.testing.crash import crash_tasks
from tests.folding import TableFold
from tests.oracle import answers
from tests.properties.data_sets import DATA_SETS, Data, Row, write, write_flat
from tests.unit.helpers import ANSWER, DATA, input_records, tuples

PATIENCE = 30.0
SOON = NodeConfig(backoff=Backoff(0.001, 0.002))


@pytest.fixture(scope="module")
def system() -> Iterator[LocalSystem]:
    """One system for every session of this module: they must not disturb each other."""
    with LocalSystem(config=SOON) as made:
        yield made
        assert made.failure is None
        assert made.node.is_alive()


def least_by_id(rows: list[Row]) -> list[Row]:
    """One row an id with its least value, as promised for dimension rows that share an id."""
    values: dict[float, set[str]] = defaultdict(set)
    for key, value, _ in rows:
        assert key is not None
        assert value is not None
        values[float(key)].add("" if value == "NULL" else value)
    return [(str(int(k)), min(filter(None, vs), default=""), "") for k, vs in values.items()]


def expected(directory: Path, data: Data) -> dict[str, str]:
    """What the independent engine says, which knows nothing of ids that come twice."""
    dimensions = {name: least_by_id(data[name]) for name in ("menu_items", "stores", "users")}
    return answers(write_flat(directory / "expected", {**data, **dimensions}))


def texts(completed: Completed) -> dict[str, str]:
    return {f"{name}.csv": to_csv(table).decode() for name, table in completed.tables.items()}


def batches_of(folder: Path, chance: random.Random) -> dict[str, list[pa.RecordBatch]]:
    """Each table read from its file, its rows shuffled and cut anywhere."""
    found = {}
    for name, table in TABLES.items():
        blocks = blocks_of(table, folder / f"{name}.csv")
        whole = pa.Table.from_batches([parse(block).batch for block in blocks], table.schema)
        order = chance.sample(range(whole.num_rows), whole.num_rows)
        (batch,) = whole.take(pa.array(order, pa.int64())).combine_chunks().to_batches() or [
            pa.RecordBatch.from_pylist([], table.schema)
        ]
        cuts = sorted(chance.choices(range(len(order) + 1), k=chance.randrange(5)))
        ends = zip([0, *cuts], [*cuts, len(order)], strict=True)
        found[name] = [batch.slice(start, end - start) for start, end in ends]
    return found


def sent(
    spec: SessionSpec, batches: dict[str, list[pa.RecordBatch]], chance: random.Random
) -> list[Record]:
    """The batches dealt out to the producers at random, and everybody's ends."""
    records = []
    for table, pieces in batches.items():
        counts = dict.fromkeys(spec.producer_names, 0)
        for piece in pieces:
            producer = chance.choice(spec.producer_names)
            records.append(Record("batch", table, producer, counts[producer], encode(piece)))
            counts[producer] += 1
        records += [Record("eof", table, name, count) for name, count in counts.items()]
    return records


class Network:
    """A session's tasks by hand: records arrive in any order and again, tasks start over."""

    def __init__(self, spec: SessionSpec, chance: random.Random) -> None:
        self._spec = spec
        self._chance = chance
        self._tasks = {task.journal: task for task in plan_named(spec.plan).tasks(spec)}
        self._cores = {task.journal: TaskCore(spec, task) for task in self._tasks.values()}
        self._stored: dict[str, list[Record]] = defaultdict(list)
        self._coming: list[tuple[str, Record]] = []
        self._crashes_left = 6

    def send(self, record: Record) -> None:
        """Append an input record to the journals that read it."""
        number = record.number if record.kind == "batch" else None
        for journal in destinations(plan_named(self._spec.plan), self._spec, record.stream, number):
            self._append(journal, record)

    def run(self) -> list[Record]:
        """Deliver until nothing is left; what the out journal holds."""
        while self._coming:
            place = self._chance.randrange(len(self._coming))
            self._coming[place], self._coming[-1] = self._coming[-1], self._coming[place]
            journal, record = self._coming.pop()
            if self._crashes_left and self._chance.random() < 0.05:
                self._start_over(journal)
            else:
                self._deliver(journal, record)
        assert all(core.finished for core in self._cores.values())
        return self._stored[out_journal(self._spec.id)]

    def _append(self, journal: str, record: Record) -> None:
        self._stored[journal].append(record)
        if journal in self._tasks:
            copies = 2 if self._chance.random() < 0.2 else 1
            self._coming += copies * [(journal, record)]

    def _deliver(self, journal: str, record: Record) -> None:
        for output in self._cores[journal].feed(record):
            self._append(output.journal, output.record)

    def _start_over(self, journal: str) -> None:
        self._crashes_left -= 1
        self._cores[journal] = TaskCore(self._spec, self._tasks[journal])
        self._coming = [each for each in self._coming if each[0] != journal]
        self._coming += [(journal, record) for record in self._stored[journal]]


def folded(spec: SessionSpec, records: list[Record]) -> Completed:
    """The one terminal event of an out journal."""
    fold = TableFold(spec)
    ends = [end for record in records if (end := fold.feed(record)) is not None]
    assert len(ends) == 1
    return fold.completed()


@pytest.mark.parametrize("plan", PLANS)
@settings(max_examples=30, deadline=None)
@given(
    DATA_SETS,
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(0, 2**32),
)
def test_any_cutting_order_repetition_and_restart_gives_the_answer_of_the_whole_tables(
    directory: Path, plan: str, data: Data, producers: int, partitions: int, seed: int
) -> None:
    spec = SessionSpec("s", plan, producers, partitions)
    chance = random.Random(seed)
    note(f"{spec}, seed {seed}")
    network = Network(spec, chance)
    for record in sent(spec, batches_of(write_flat(directory / "data", data), chance), chance):
        network.send(record)
    assert texts(folded(spec, network.run())) == expected(directory, data)


@pytest.mark.parametrize("plan", PLANS)
@settings(max_examples=10, deadline=None)
@given(DATA_SETS, st.integers(1, 4), st.integers(0, 2**32))
def test_the_whole_system_gives_the_answer_however_the_tables_are_cut_into_files(
    directory: Path, system: LocalSystem, plan: str, data: Data, partitions: int, seed: int
) -> None:
    chance = random.Random(seed)
    folder = directory / "files"
    for table, rows in data.items():
        (folder / table).mkdir(parents=True, exist_ok=True)
        for old in (folder / table).iterdir():
            old.unlink()
        files = chance.randrange(1, 5)
        for number in range(files):
            write(folder / table / f"{number}.csv", table, rows[number::files])
    uploaded, completed = system.analyse(
        open_folder(folder), plan=plan, partitions=partitions, timeout=PATIENCE
    )
    assert texts(completed) == expected(directory, data)
    assert uploaded.rows == {table: len(rows) for table, rows in data.items()}


def run_session(
    system: LocalSystem, spec: SessionSpec, records: Sequence[Record]
) -> tuple[Completed, list[str]]:
    """Send the records in the given order; the results, and each query as it was told."""
    told: list[str] = []
    open_session(system.outbox, spec)
    try:
        ingest = Ingest(system.outbox, spec)
        outcome = SessionOutcome(system.transport, spec, system.clock)
        outcome.subscribe(lambda update: told.extend(results_in(update)))
        for record in records:
            if record.kind == "batch":
                ingest.batch(record.stream, record.producer, record.number, record.body)
            else:
                ingest.end(record.stream, record.producer, record.number)
        completed = outcome.completed(PATIENCE)
        again = SessionOutcome(system.transport, spec, system.clock)
        assert again.completed(PATIENCE) == completed
        return completed, told
    finally:
        release_session(system.outbox, spec)


def results_in(update: Update) -> list[str]:
    return [data["query"] for name, data in update.events if name == "result"]


def rows(completed: Completed) -> dict[str, list[tuple[object, ...]]]:
    return {name: tuples(table) for name, table in completed.tables.items()}


STAGES = [(plan.name, stage.name) for plan in PLANS.values() for stage in plan.stages]


@pytest.mark.parametrize(("plan", "stage"), STAGES)
def test_a_crash_at_any_record_of_a_shuffled_and_repeated_session_changes_nothing(
    system: LocalSystem, plan: str, stage: str
) -> None:
    crashed: list[TaskId] = []
    for point in range(1, 100):
        spec = SessionSpec(f"{plan}-{stage}-{point}", plan, 2, 2)
        records = input_records(spec) * 2
        random.Random(point).shuffle(records)
        with crash_tasks(crashed.append, stage, point):
            completed, told = run_session(system, spec, records)
        assert rows(completed) == ANSWER
        assert sorted(told) == sorted(ANSWER)
        assert isinstance(system.node.ask(GetStatus(), timeout=PATIENCE), NodeStatus)
        if len(crashed) < point:
            break
    # The last round went past the end of the journal: every record there was crashed at once.
    assert len(crashed) == point - 1 > len(DATA["transactions"])
    assert system.failure is None
    assert system.node.is_alive()
