"""A seeded campaign: random sessions under random faults, every answer checked by an oracle.

``run`` starts a private broker, or a cluster of three, two gateways and two workers, keeps some
clients busy, and kills, freezes, cuts off, replaces and restarts whatever there is for as long as
told. In the end it lets the system rest and compares what is left with what was there before. The
plan of faults and sessions is a function of the seed; what coincides with what is not, since the
processes are real.
"""

from __future__ import annotations

import random
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse, open_with_new_id
from coffeeshop.errors import CoffeeshopError, Unreachable
from coffeeshop.formats import to_csv
from coffeeshop.generate import generate
from coffeeshop.names import ENDS
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.pipeline.plan import plan_of
from coffeeshop.reading.folder import open_folder
from coffeeshop.testing import ghost_streams
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.cluster import PrivateCluster
from coffeeshop.testing.fault_injector import FaultInjector
from coffeeshop.testing.footprint import figures, leak_tolerance
from coffeeshop.testing.ledger import Balance, balance, read_ledgers
from coffeeshop.testing.node_fault_injector import NodeFaultInjector
from coffeeshop.testing.openings import Openings
from coffeeshop.testing.processes import Cluster
from coffeeshop.testing.recorder import Recorder
from coffeeshop.testing.trace import refusals
from coffeeshop.transport import connect

HEARTBEAT = "?heartbeat=3"
SIZES = (0, 500, 3_000, 20_000, 100_000)
RESULT_TTL = 120.0
"""Seconds a client has for its results: several of the longest outages in a row."""
CLIENT_TIMEOUT = 60.0
"""Seconds that a client may be silent."""
REST = RESULT_TTL + 120.0
"""Seconds the system gets to come to rest."""
TRACES_PATIENCE = 30.0
"""Seconds until the last sessions' input must be deleted."""
CLIENT_PATIENCE = 180.0
"""Seconds a client asks again where no gateway answers."""
LONGEST_SESSION = 300.0
"""Seconds in which a session must end once it is open, whatever is broken meanwhile."""
WHOLE_PATIENCE = 150.0
"""Seconds until a cluster must be whole again."""
NODE_PAUSE = 4.0
"""Seconds between a cluster that is whole and the next fault of one of its nodes, on average."""
_LEFT = """
[io:format("~s\t~s\t~p~n", [Name, Type, Messages])
 || [{name, {resource, _, queue, Name}}, {type, Type}, {messages, Messages}]
    <- rabbit_amqqueue:info_all(<<"/">>, [name, type, messages])]
"""
Oracle = Callable[[Path], dict[str, str]]


@dataclass(frozen=True)
class Asked:
    """What a session asks besides the four questions as they have always been, and who judges its
    answers: ``wrong`` says what differs, of the results by name."""

    parameters: str
    questions: tuple[str, ...]
    wrong: Callable[[Mapping[str, Any]], list[str]]


Ask = Callable[[random.Random, Path], Asked | None]
"""Something for a session of a folder to ask, as chance has it; None: the four, for the oracle."""


def the_four(chance: random.Random, folder: Path) -> None:
    """Nothing else."""


@dataclass(frozen=True)
class Campaign:
    """What to do. ``seconds`` counts from the first fault to the last."""

    seed: int
    seconds: float
    clients: int = 4
    workers: int = 2
    pause: float = 4.0
    """Seconds between two faults, on average."""
    growth: bool = True
    """Whether to look for leaks in the end; without, results are deleted and not expired."""
    brokers: int = 1
    """Nodes of the broker. With three, one at a time is broken while other processes are."""
    node_faults: tuple[str, ...] = ()
    """What to do to the broker's nodes, one after the other; as chance has it without."""
    outage: float = 1.0
    """A factor for how long a broker's node is away, frozen or cut off."""
    patience: float = 1.0
    """By what all deadlines are multiplied, for a machine that does other things as well."""


@dataclass
class Report:
    """What happened."""

    campaign: Campaign
    faults: Counter[str] = field(default_factory=Counter)
    sessions: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    """Sessions by what they asked besides: parameters, questions in SQL."""
    slowest: float = 0.0
    """Seconds that the slowest session took, whatever was broken meanwhile."""
    rows: int = 0
    wrong: list[str] = field(default_factory=list)
    """Sessions without exactly one right answer: there must be none."""
    traces: int = 0
    """Sessions whose journals were recorded while they ran, and judged by the protocol's rules."""
    traces_cut: int = 0
    """Those of them whose input was in part deleted before it was recorded."""
    refused: list[str] = field(default_factory=list)
    """Those whose journals are no behaviour of the protocol: there must be none."""
    ledger: Balance = field(default_factory=Balance)
    """What publishers saw confirmed. The broker may lose some of it; no answer may change."""
    remained: list[str] = field(default_factory=list)
    """What a broker's cluster did not mend by itself until its nodes were restarted."""
    given_up: str = ""
    """Why the campaign ended early, or what it left could not be seen: a cluster that could not be
    made whole, or a broker that did not answer."""
    opened_anew: int = 0
    """Sessions that the broker, killed while it made their journals, could only have under another
    id; the client is told and takes one."""
    ghost_streams: list[str] = field(default_factory=list)
    """Names without a stream that a killed broker kept, that `coffeeshop doctor` names, and that
    were removed as an operator does."""
    left: list[str] = field(default_factory=list)
    """Objects on the broker in the end that were not there in the beginning."""
    evidence: list[dict[str, Any]] = field(default_factory=list)
    """What all processes said of the wrong sessions, and lately, when something was wrong."""
    growth: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Figures of the processes when they had warmed up, and in the end."""

    @property
    def grown(self) -> list[str]:
        """What the last sessions left behind in the processes: there must be none."""
        return [
            f"{what}: {before} -> {after}"
            for what, (before, after) in self.growth.items()
            if after > before + leak_tolerance(what, before)
        ]

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        broken = self.wrong or self.refused or self.left or self.grown or self.given_up
        return self.sessions > 0 and not broken


@dataclass(frozen=True)
class DataSet:
    """A folder, its number of transactions and its right answers."""

    folder: Path
    transactions: int
    answers: dict[str, str]


def data_sets(root: Path, seed: int, oracle: Oracle) -> list[DataSet]:
    """Generate one of each size and ask the oracle."""
    found = []
    for size in SIZES:
        folder = root / str(size)
        generate(folder, transactions=size, seed=seed)
        found.append(DataSet(folder, size, oracle(folder)))
    return found


Broker = PrivateBroker | PrivateCluster


def left_on(broker: Broker) -> list[str]:
    """The objects of sessions that the broker holds, and the assignments that wait.

    Raises `subprocess.SubprocessError` while the broker does not tell.
    """
    rows = [line.split("\t") for line in broker.evaluate(_LEFT).splitlines()]
    return sorted(
        name
        for name, kind, messages in rows
        if not name.startswith("ctl.") or (kind == "quorum" and messages != "0")
    )


class Clients:
    """Clients that run one random session after the other, and note what comes out."""

    def __init__(
        self,
        report: Report,
        urls: list[str],
        sets: list[DataSet],
        opened: Callable[[SessionSpec], None] = lambda spec: None,
        openings: Openings | None = None,
        ask: Ask = the_four,
    ) -> None:
        """``opened`` is told of each session as soon as its journals exist; ``openings`` may hold
        sessions up; ``ask`` says what they ask."""
        self.stop = threading.Event()
        self._opened = opened
        self._openings = openings or Openings()
        self._ask = ask
        self._report = report
        self._urls = urls
        self._sets = sets
        self._lock = threading.Lock()

    def run(self, number: int) -> None:
        """One client, until told to stop."""
        chance = random.Random(f"{self._report.campaign.seed}/client/{number}")
        patience = CLIENT_PATIENCE * self._report.campaign.patience
        url = self._urls[number % len(self._urls)]
        with closing(GatewayClient(url, patience=patience)) as client:
            while not self.stop.is_set():
                self._one(client, chance)

    def _one(self, client: GatewayClient, chance: random.Random) -> None:
        """One session."""
        data = chance.choices(self._sets, weights=(1, 4, 4, 2, 1))[0]
        producers = chance.choice((1, 1, 2, 3))
        plan = chance.choice(("fused", "staged"))
        # Seeded as well: a replay shows the same ids in its logs.
        name = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        spec = SessionSpec(name, plan, producers, chance.randint(1, 3))
        asked = self._ask(chance, data.folder)
        if asked is not None:
            plan = "fused" if asked.questions else plan
            told = {"parameters": asked.parameters, "questions": asked.questions}
            spec = replace(spec, plan=plan, **told)  # type: ignore[arg-type]
        began = time.monotonic()
        complaint = self._session(client, spec, data, asked)
        took = time.monotonic() - began
        with self._lock:
            self._report.sessions += 1
            self._report.slowest = max(self._report.slowest, took)
            self._report.rows += 3 * data.transactions
            self._report.asked["parameters"] += bool(spec.parameters)
            self._report.asked["questions in SQL"] += bool(spec.questions)
            if complaint:
                self._report.wrong.append(f"{spec}: {complaint}")

    def _session(
        self, client: GatewayClient, spec: SessionSpec, data: DataSet, asked: Asked | None
    ) -> str:
        """What is wrong with it, if anything is. No failure is due: no session is at fault."""
        folder = open_folder(data.folder, plan_of(spec).table_names)
        try:
            wanted = spec
            with self._openings.one():
                spec = open_with_new_id(client, folder, spec)
            self._opened(spec)
            with self._lock:
                self._report.opened_anew += spec != wanted
            timeout = LONGEST_SESSION * self._report.campaign.patience
            for producer in range(1, spec.producers):
                analyse(client, folder, spec, producer=producer, wait=False, timeout=timeout)
            _, tables, _ = analyse(client, folder, spec, timeout=timeout)
            ends = [event.name for event in client.events(spec.id) if event.name in ENDS]
            state = _written_end(client, spec.id, self._report.campaign.patience)
        except CoffeeshopError as error:
            return f"{type(error).__name__}: {error}"
        if ends != ["completed"] or state != "completed":
            return f"its ends are {ends}, in the list of sessions it is {state}"
        if asked is not None:
            return "; ".join(asked.wrong(tables))
        found = {f"{query}.csv": to_csv(table).decode() for query, table in tables.items()}
        differing = sorted(n for n in data.answers if found.get(n) != data.answers[n])
        return f"wrong answers: {', '.join(differing)}" if differing else ""


def _written_end(client: GatewayClient, session: str, patience: float) -> str:
    """What the list of sessions says, which every gateway reads; events come from elsewhere."""
    deadline = time.monotonic() + patience * RESULT_TTL / 2
    while (state := str(client.session(session)["state"])) == "open":
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return state


def run(
    campaign: Campaign,
    root: Path,
    oracle: Oracle,
    say: Callable[[str], None] = lambda text: None,
    shared: Broker | None = None,
    ask: Ask = the_four,
) -> Report:
    """Carry out a campaign; ``root`` is for data. ``oracle``: a folder's right answers; ``ask``:
    what sessions ask besides the four questions.

    ``shared``: a broker that runs, instead of one of the campaign's own.
    """
    report = Report(campaign)
    sets = data_sets(root, campaign.seed, oracle)
    with ExitStack() as stack:
        broker = stack.enter_context(_broker(campaign) if shared is None else nullcontext(shared))
        cluster = stack.enter_context(Cluster(broker.url + HEARTBEAT))
        chance = random.Random(f"{campaign.seed}/faults")
        alone = broker if isinstance(broker, PrivateBroker) else None
        seconds = {"--result-ttl": RESULT_TTL, "--client-timeout": CLIENT_TIMEOUT}
        options = tuple(f"{name}={each * campaign.patience:g}" for name, each in seconds.items())
        ledgers = root / "ledgers"
        faults = FaultInjector(chance, alone, cluster, say, options, root / "logs", ledgers)
        faults.start(campaign.workers, campaign.patience)
        urls = [f"http://127.0.0.1:{port}" for port in faults.ports]
        with recording(broker.url + HEARTBEAT, report, ledgers) as opened:
            openings = Openings()
            clients = Clients(report, urls, sets, opened, openings, ask)
            with ThreadPoolExecutor(campaign.clients + 1) as pool:
                busy = [pool.submit(clients.run, number) for number in range(campaign.clients)]
                try:
                    if isinstance(broker, PrivateCluster):
                        breaking = pool.submit(_break_nodes, broker, report, say, openings)
                        _break_things(campaign, chance, faults, report, breaking.done)
                        breaking.result()
                    else:
                        _break_things(campaign, chance, faults, report)
                finally:
                    clients.stop.set()
                for client in busy:
                    client.result()
        try:
            if campaign.growth:
                _come_to_rest(broker, urls, report, say)
                _watch_growth(broker, faults, urls, sets, report, say, ask)
            else:
                _delete_all(urls[0])
                _come_to_rest(broker, urls, report, say)
        except (CoffeeshopError, subprocess.SubprocessError) as error:
            say(f"no rest: {error}")
            report.given_up = report.given_up or str(error)
        if not report.kept:
            report.evidence = faults.heard(report.wrong + report.refused)
    return report


def _broker(campaign: Campaign) -> AbstractContextManager[Broker]:
    if campaign.brokers == 1:
        return PrivateBroker()
    patience = WHOLE_PATIENCE * campaign.patience
    return PrivateCluster(campaign.brokers, patience=patience, cuts=True)


@contextmanager
def recording(url: str, report: Report, ledgers: Path) -> Iterator[Callable[[SessionSpec], None]]:
    """Record the journals of the sessions that one is told of, and judge them in the end.

    ``ledgers``: the folder of what was confirmed.
    """
    transport = connect(url, name="recorder")
    recorder = Recorder(transport)
    patience = TRACES_PATIENCE * report.campaign.patience
    try:
        yield recorder.follow
        for trace in recorder.traces(patience):
            report.traces += 1
            report.traces_cut += bool(trace.cut)
            if complaints := refusals(trace):
                report.refused.append(f"{trace.spec}: {'; '.join(complaints)}")
        report.ledger = _looked_for(recorder, ledgers, patience)
    finally:
        recorder.close()
        transport.close()


def _looked_for(recorder: Recorder, ledgers: Path, timeout: float) -> Balance:
    """What became of all that was confirmed; journals that are still there may be read late."""
    deadline = time.monotonic() + timeout
    confirmed = read_ledgers(ledgers)
    while True:
        found = balance(confirmed, recorder.appends(), recorder.deleted())
        if not found.lost or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


def _break_things(
    campaign: Campaign,
    chance: random.Random,
    faults: FaultInjector,
    report: Report,
    is_over: Callable[[], bool] = lambda: False,
) -> None:
    deadline = time.monotonic() + campaign.seconds
    while time.monotonic() < deadline and not is_over():
        time.sleep(chance.expovariate(1 / campaign.pause))
        report.faults[faults.one()] += 1


def _break_nodes(
    cluster: PrivateCluster, report: Report, say: Callable[[str], None], openings: Openings
) -> None:
    campaign = report.campaign
    deadline = time.monotonic() + campaign.seconds
    chance = random.Random(f"{campaign.seed}/nodes")
    patience = WHOLE_PATIENCE * campaign.patience
    faults = NodeFaultInjector(chance, cluster, say, patience, campaign.outage, openings)
    report.remained = faults.remained
    report.ghost_streams = faults.removed
    try:
        for wanted in campaign.node_faults:
            report.faults[faults.one(wanted)] += 1
        while not campaign.node_faults and time.monotonic() < deadline:
            time.sleep(chance.expovariate(1 / NODE_PAUSE))
            report.faults[faults.one()] += 1
    except Unreachable as error:
        say(f"given up: {error}")
        report.given_up = str(error)


def _pids(broker: Broker) -> dict[str, int]:
    if isinstance(broker, PrivateBroker):
        return {"broker": broker.pid}
    return {f"broker {number}": node.pid for number, node in enumerate(broker.nodes)}


def _watch_growth(
    broker: Broker,
    faults: FaultInjector,
    urls: list[str],
    sets: list[DataSet],
    report: Report,
    say: Callable[[str], None],
    ask: Ask,
) -> None:
    """The processes that survived: warmed up by some sessions, then some more; growth is a leak."""
    processes = {f"worker {n}": each for n, each in enumerate(faults.workers)}
    processes |= {f"gateway {n}": each for n, each in enumerate(faults.gateways)}
    pids = {name: each.pid for name, each in processes.items()} | _pids(broker)
    taken: list[dict[str, dict[str, int]]] = []
    for numbers in ((100, 101), (102, 103)):
        clients = Clients(report, urls, sets, ask=ask)
        with ThreadPoolExecutor(len(numbers)) as pool:
            busy = [pool.submit(clients.run, number) for number in numbers]
            time.sleep(min(20.0, report.campaign.seconds / 4))
            clients.stop.set()
            for each in busy:
                each.result()
        _come_to_rest(broker, urls, report, say)
        taken.append({name: figures(pid) for name, pid in pids.items()})
    for name, before in taken[0].items():
        for what, figure in before.items():
            report.growth[f"{name}: {what}"] = figure, taken[1][name][what]


def _delete_all(url: str) -> None:
    with closing(GatewayClient(url, patience=REST)) as client:
        for session in client.sessions(limit=100_000):
            client.delete(session["id"])


def _come_to_rest(
    broker: Broker, urls: list[str], report: Report, say: Callable[[str], None]
) -> None:
    """Wait until nothing is left. Raises `subprocess.SubprocessError` when the broker is silent."""
    deadline = time.monotonic() + REST * report.campaign.patience
    while True:
        try:
            report.left = left_on(broker)
        except subprocess.SubprocessError:
            if time.monotonic() > deadline:
                raise
            continue  # it is changing, or busy: a command of its own took a while to find that out
        if not report.left or time.monotonic() > deadline:
            break
        for name in sorted(set(report.left) & set(_known_as_broken(urls[0]))):
            say(f"a name without a stream: {name}")
            ghost_streams.remove(broker, name)
            report.ghost_streams.append(name)
        time.sleep(2.0)
    say(f"at rest, {len(report.left)} objects left")


def _known_as_broken(url: str) -> list[str]:
    with closing(GatewayClient(url, patience=REST)) as client:
        names: list[str] = client.leftovers()["broken"]
    return names
