"""A private RabbitMQ cluster on loopback, for tests that lose one of its nodes."""

from __future__ import annotations

import atexit
import json
import subprocess
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from coffeeshop.errors import Unreachable
from coffeeshop.testing.broker import Domain, PrivateBroker, node_name
from coffeeshop.testing.partition import Network

START_ATTEMPTS = 8
DECLARING = 5.0
"""Seconds that declaring a stream may take."""
REMOVE = 'rabbit_amqqueue:internal_delete(rabbit_misc:r(<<"/">>, queue, <<"{name}">>), <<"admin">>)'
"""What an operator evaluates to remove a name without a stream."""
_LEADERLESS = """
[io:format("~s~n", [element(4, amqqueue:get_name(Q))])
 || Q <- rabbit_amqqueue:list(), amqqueue:get_pid(Q) =:= none]
"""
_CONFIG = """
cluster_partition_handling = pause_minority
queue_leader_locator = balanced
net_ticktime = 10

cluster_formation.peer_discovery_backend = classic_config
cluster_formation.randomized_startup_delay_range.min = 0
cluster_formation.randomized_startup_delay_range.max = 1
"""
_STATE = """
Columns = [name, type, leader, members, online],
Plain = fun({name, {resource, _, queue, Name}}) -> {name, Name};
           ({members, Nodes}) -> {members, [atom_to_binary(N) || N <- Nodes]};
           ({online, Nodes}) -> {online, [atom_to_binary(N) || N <- Nodes]};
           ({Key, Value}) -> {Key, Value} end,
Queues = [[Plain(Item) || Item <- Queue]
          || Queue <- rabbit_amqqueue:info_all(<<"/">>, Columns),
             lists:member(proplists:get_value(type, Queue), [stream, quorum])],
Running = [atom_to_binary(N) || N <- rabbit_nodes:all_running()],
io:format("~s", [rabbit_json:encode(#{nodes => Running, queues => Queues})])
"""
"""The nodes that run, and what is replicated, as one of them has it at the moment."""
_COORDINATED = """
{ok, Members, _} = ra:members({rabbit_stream_coordinator, node()}),
[io:format("~s~n", [N]) || {_, N} <- Members]
"""
_REPLICATE = """
Ours = [{nodes}],
Streams = [{{element(4, amqqueue:get_name(Q)), amqqueue:get_type_state(Q)}}
           || Q <- rabbit_amqqueue:list(), amqqueue:get_type(Q) =:= rabbit_stream_queue],
[rabbit_stream_coordinator:delete_replica(Stream, Node)
 || {{_, #{{name := Stream, nodes := Nodes}}}} <- Streams, Node <- Nodes -- Ours],
[rabbit_stream_queue:add_replica(<<"/">>, Name, Node)
 || {{Name, #{{nodes := Nodes}}}} <- Streams, Node <- Ours -- Nodes],
[rabbit_quorum_queue:grow(Node, <<"/">>, <<".*">>, all) || Node <- Ours]
"""
"""Have each stream forget its copies on lost nodes, and add those that it lacks, in one call.

The first is what `rabbitmq-streams delete_replica` does, which on 3.10 refuses it for a node that
is away; the second is `rabbitmq-streams add_replica`, the third `rabbitmq-queues grow`.
"""


@dataclass(frozen=True)
class Replicated:
    """A stream or quorum queue: which nodes have a copy, and which copies are up."""

    name: str
    kind: str
    leader: str
    members: frozenset[str]
    online: frozenset[str]


class PrivateCluster:
    """Broker nodes that found each other; takes 20 to 60 s to start on two cores.

    `nodes` are `PrivateBroker`s: kill, freeze and start them one by one. A node that is killed and
    not started again is one whose machine is lost for good; `replace` puts an empty one in its
    place. Not for use by two threads at once.
    """

    def __init__(
        self, size: int = 3, *, config: str = "", patience: float = 110.0, cuts: bool = False
    ) -> None:
        """``config``: more lines for each rabbitmq.conf. ``patience``: seconds a start may take.

        ``cuts``: whether nodes can be cut off from the others.
        """
        self._patience = patience
        self._config = config
        self._network = Network()
        self._domain = Domain(patience, self._network if cuts else None)
        names = [node_name() for _ in range(size)]
        self.nodes = [self._node(name, names) for name in names]
        self.ports = [node.port for node in self.nodes]
        """Where clients find the nodes; a node that replaces another takes its port."""
        self._joining: set[PrivateBroker] = set()
        """Nodes that take another's place and do not have all that they need for it yet."""
        atexit.register(self.close)

    @property
    def url(self) -> str:
        """All of its AMQP listeners in one URL, with the default user."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"amqp://guest:guest@{hosts}/"

    def start(self) -> None:
        """Start the nodes that do not run, and wait until all that run know each other.

        Raises `Unreachable` when that takes too long.
        """
        self._domain.start()
        with ThreadPoolExecutor(len(self.nodes)) as starting:
            list(starting.map(PrivateBroker.start, self.nodes))
        self._wait(lambda: self.members() == len(self.nodes), "the nodes did not find each other")

    def mend(self, restarted: Collection[PrivateBroker] = (), grace: float = 30.0) -> list[str]:
        """End what keeps nodes away, and start those that do not run: `start_node`, all at once,
        since one may wait for another. Returns the names removed.

        Nodes that take no connections for ``grace`` seconds are killed first: one that paused
        itself and could not come back stays without RabbitMQ for good. So are ``restarted``,
        though in good order.
        """
        for node in self.nodes:
            self._network.heal(node.name)
            if node.frozen:
                node.thaw()
        deadline = time.monotonic() + grace
        for node in self.nodes:
            while node.running and node not in restarted and not node.answers():
                if time.monotonic() > deadline:
                    node.kill()
                time.sleep(0.5)
        with ThreadPoolExecutor(len(self.nodes)) as each:
            list(each.map(PrivateBroker.stop, restarted))
            removed = [name for names in each.map(self.start_node, self.nodes) for name in names]
        for node in tuple(self._joining):
            self._admit(node)
        return removed

    def start_node(self, node: PrivateBroker) -> list[str]:
        """Start one node, as docs/operations.md says where it ends at once; the names removed.

        A node of RabbitMQ 3.10.8 does not start while there is a stream without a leader: one that
        is being declared, or whose declaration ended with the node that it was asked of. Raises
        `Unreachable` when it does not come up.
        """
        removed: list[str] = []
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                node.start()
            except Unreachable:
                if attempt == START_ATTEMPTS or node.running:
                    raise
                with suppress(subprocess.SubprocessError):  # all nodes are away: they start, too
                    removed += self._remove_names_without_leader()
            else:
                break
        return removed

    def _remove_names_without_leader(self) -> list[str]:
        """Those that have none for some seconds: others are being declared."""
        before = set(self.evaluate(_LEADERLESS).split())
        time.sleep(DECLARING)
        lasting = sorted(before & set(self.evaluate(_LEADERLESS).split()))
        for name in lasting:
            self.evaluate(REMOVE.format(name=name))
        return lasting

    def rabbitmqctl(self, *args: str, tool: str = "rabbitmqctl") -> str:
        """Run a command of RabbitMQ's against a node that runs: the first that carries it out.

        Raises `subprocess.CalledProcessError`, or `subprocess.TimeoutExpired`, as the last of them
        does; `Unreachable` when none runs.
        """
        return self._asked(
            lambda node, timeout: node.rabbitmqctl(*args, tool=tool, timeout=timeout)
        )

    def evaluate(self, code: str) -> str:
        """`PrivateBroker.evaluate`, as `rabbitmqctl` chooses a node and raises."""
        return self._asked(lambda node, most: node.evaluate(code, most))

    def members(self) -> int:
        """How many nodes run in the cluster, as one that runs sees it."""
        return int(self.evaluate('io:format("~p", [length(rabbit_nodes:all_running())])'))

    def node_of(self, name: str) -> PrivateBroker:
        """The node of that Erlang name."""
        return next(node for node in self.nodes if node.name == name)

    def leaders(self) -> dict[str, PrivateBroker]:
        """Which node leads each queue and stream, by its name; takes a second or two."""
        table = self.rabbitmqctl("list_queues", "--no-table-headers", "name", "leader", "pid")
        rows = [line.split("\t") for line in table.splitlines()]
        # Of a classic queue there is no leader but a process, whose name begins with its node's.
        return {name: self.node_of(leader or pid[1:].split(".")[0]) for name, leader, pid in rows}

    def state(self) -> tuple[set[str], list[Replicated]]:
        """The nodes that run in the cluster, as one of them sees it, and the streams and quorum
        queues.

        Raises `subprocess.CalledProcessError` while the broker is changing what it is asked.
        """
        told = json.loads(self.evaluate(_STATE))
        return set(told["nodes"]), [
            Replicated(
                row["name"],
                row["type"],
                row["leader"],
                frozenset(row["members"]),
                frozenset(row["online"]),
            )
            for row in told["queues"]
        ]

    def wait_whole(self, timeout: float = 120.0) -> None:
        """Wait until all nodes run, and each copy on them is up: one more may be lost then.

        Raises `Unreachable` with what is missing, at once where a node has ended.
        """
        missing: list[str] = ["the nodes"]

        def whole() -> bool:
            if ended := [node.name for node in self.nodes if not node.running]:
                raise Unreachable(f"not running: {', '.join(ended)}")
            ours = {node.name for node in self.nodes}
            running, replicated = self.state()
            # A name none of whose copies is up has no stream, or waits for most of its nodes.
            missing[:] = sorted(ours - running) + [
                each.name
                for each in replicated
                if each.online and not each.members & ours <= each.online
            ]
            return not missing

        self._wait(whole, "the cluster is not whole", timeout, missing)

    def cut(self, node: PrivateBroker, *, silent: bool = False) -> None:
        """Cut a node off from the others (clients reach it as before); see `Network.cut`."""
        self._network.cut(node.name, silent=silent)

    def heal(self, node: PrivateBroker) -> None:
        """End a cut."""
        self._network.heal(node.name)

    def replace(self, lost: PrivateBroker) -> list[str]:
        """An empty node in place of one that was killed, as docs/operations.md says; its clients'
        port is the old one's, and they reach it when it has its copies. Takes up to a minute.
        Returns what `start_node` does.

        Raises `Unreachable` when it does not join in time.
        """
        place = self.nodes.index(lost)
        others = [node for node in self.nodes if node is not lost]
        self.rabbitmqctl("forget_cluster_node", lost.name)
        new = self._node(node_name(), [node.name for node in others])
        self.nodes[place] = new
        self._joining.add(new)
        lost.close()
        removed = self.start_node(new)
        self._admit(new)
        return removed

    def _admit(self, new: PrivateBroker) -> None:
        """Give an empty node that runs its copies, and let clients reach it."""
        self._wait(lambda: self.members() == len(self.nodes), "the new node did not join")
        self._wait(
            lambda: self._coordinators() == {node.name for node in self.nodes},
            "the coordinator of streams did not take the new node in",
        )
        self._wait(self._copy, "not everything has a copy on the new node")
        new.listen_at(self.ports[self.nodes.index(new)])
        self._joining.discard(new)

    def close(self) -> None:
        """End all nodes and remove their files; harmless twice."""
        atexit.unregister(self.close)
        for node in self.nodes:
            node.close()
        self._domain.close()

    def __enter__(self) -> PrivateCluster:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _node(self, name: str, peers: Iterable[str]) -> PrivateBroker:
        listed = "".join(
            f"cluster_formation.classic_config.nodes.{number} = {peer}\n"
            for number, peer in enumerate(peers, 1)
        )
        config = _CONFIG + listed + self._config
        return PrivateBroker(config=config, patience=self._patience, domain=self._domain, name=name)

    def _asked(self, ask: Callable[[PrivateBroker, float], str]) -> str:
        *others, last = self._awake()
        for node in others:
            with suppress(subprocess.SubprocessError):
                return ask(node, self._patience / len(self.nodes))
        return ask(last, self._patience)

    def _awake(self) -> list[PrivateBroker]:
        """The nodes that run, those first that take connections. Raises `Unreachable`: none."""
        awake = [node for node in self.nodes if node.running and not node.frozen]
        if not awake:
            raise Unreachable("no node of the broker runs")
        return sorted(awake, key=lambda node: not node.answers())

    def _coordinators(self) -> set[str]:
        return set(self.evaluate(_COORDINATED).split())

    def _copy(self) -> bool:
        """Give all their copies on our nodes and no others; whether they have them.

        Streams come and go meanwhile, and may not be changed while a copy is behind. A name none of
        whose copies is up has no stream.
        """
        ours = {node.name for node in self.nodes}
        nodes = ", ".join(f"'{name}'" for name in sorted(ours))
        self.evaluate(_REPLICATE.format(nodes=nodes))
        return all(each.members == ours for each in self.state()[1] if each.online)

    def _wait(
        self,
        done: Callable[[], bool],
        complaint: str,
        timeout: float | None = None,
        about: object = "",
    ) -> None:
        deadline = time.monotonic() + (self._patience if timeout is None else timeout)
        while True:
            try:
                if done():
                    return
            except (subprocess.SubprocessError, ValueError) as error:
                about = error  # it is changing
            if time.monotonic() > deadline:
                raise Unreachable(f"{complaint}: {about}")
            time.sleep(0.5)
