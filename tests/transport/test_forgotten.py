"""Readers and consumers that a broker forgets: what is stored reaches them all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from coffeeshop.errors import JournalBroken
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.cluster import REMOVE, PrivateCluster
from coffeeshop.testing.ghost_streams import lose_stream
from coffeeshop.transport.rabbitmq import absence, control
from coffeeshop.transport.rabbitmq.transport import RabbitTransport
from tests.transport.heard import CONFIRMED, Bench

QUIET = 1.0
HANG = """
Hang = fun(Channel) -> erlang:suspend_process(Channel), timer:sleep(infinity) end,
[spawn(fun() -> Hang(Channel) end)
    || Channel <- rabbit_channel:list(),
       [{consumer_count, Count}] <- [rabbit_channel:info(Channel, [consumer_count])],
       Count > 0],
ok
"""
"""Have every channel with a reader hang for ever; connections go on."""
FORGET = """
{{ok, Queue}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"{name}">>)),
[{{ok, _, _}} = ra:process_command(
    amqqueue:get_pid(Queue),
    rabbit_fifo:make_checkout({{element(2, Each), element(1, Each)}}, cancel, #{{}})
) || Each <- rabbit_amqqueue:consumers(Queue)],
ok
"""
"""Have a quorum queue forget its consumers without a word to them."""
Open = Callable[..., Bench]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """A transport to a broker's URL, whose first host is taken first."""
    monkeypatch.setattr("random.shuffle", lambda hosts: None)
    made: list[Bench] = []

    def to(url: str, **options: float) -> Bench:
        made.append(Bench(RabbitTransport(url, quiet=QUIET, **options)))
        return made[-1]

    yield to
    for each in made:
        each.clear()
        each.transport.close()


@pytest.fixture
def own_broker() -> Iterator[PrivateBroker]:
    """A broker of one test, whose channels may hang."""
    with PrivateBroker() as private:
        yield private


def test_a_reader_whose_channel_hangs_goes_on_where_it_was(
    broker: PrivateBroker, own_broker: PrivateBroker, opened: Open
) -> None:
    bench = opened(own_broker.url)
    journal = bench.journal()
    reading = bench.read(journal, credit=100)
    bench.append(journal, b"before")
    reading.bodies(1)
    own_broker.evaluate(HANG)
    bench.append(journal, b"after")
    assert reading.bodies(2) == [b"before", b"after"]
    assert not reading.gone.all


def test_a_consumer_that_its_queue_forgot_takes_what_comes(
    broker: PrivateBroker, opened: Open
) -> None:
    bench = opened(broker.url)
    queue = bench.queue()
    consuming = bench.consume(queue)
    bench.publish(queue, b"before")
    consuming.bodies(1)
    consuming.ack_all()
    broker.evaluate(FORGET.format(name=queue))
    bench.publish(queue, b"after")
    assert consuming.bodies(2) == [b"before", b"after"]
    assert not consuming.gone.all


@pytest.fixture(scope="module")
def cluster(broker: PrivateBroker) -> Iterator[PrivateCluster]:
    """Three nodes; ``broker`` is asked for because it skips where there is no RabbitMQ."""
    with PrivateCluster() as private:
        yield private


def without_copy(cluster: PrivateCluster, journal: str) -> tuple[PrivateBroker, str]:
    """A node that does not lead a journal; the cluster's URL with that node as the first host."""
    leader = cluster.leaders()[journal]
    node = next(each for each in cluster.nodes if each is not leader)
    ports = [node.port, *(each.port for each in cluster.nodes if each is not node)]
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return node, f"amqp://guest:guest@{hosts}/"


def drop_copy(node: PrivateBroker, journal: str) -> None:
    """The node's readers hear nothing of that."""
    node.rabbitmqctl("delete_replica", journal, node.name, tool="rabbitmq-streams")


@pytest.mark.timeout(300)
def test_a_reader_whose_node_loses_its_copy_goes_on_at_another(
    cluster: PrivateCluster, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absence, "ELSEWHERE", 1.0)
    writer = opened(cluster.nodes[0].url)
    journal, other = writer.journal(), writer.journal()
    node, url = without_copy(cluster, journal)
    reader = opened(url)
    reading, unmoved = reader.read(journal, credit=100), reader.read(other, credit=100)
    for each in (journal, other):
        writer.append(each, b"before")
    assert [each.bodies(1) for each in (reading, unmoved)] == [[b"before"]] * 2
    drop_copy(node, journal)
    writer.append(other, b"after")
    # Its leader changes by that: what is unknown then is appended again, as by the outbox.
    while writer.outcomes(journal, b"after") != [CONFIRMED]:
        pass
    for each in (reading, unmoved, reader.read(journal, credit=100)):
        assert each.bodies(2)[:2] == [b"before", b"after"]


@pytest.mark.timeout(300)
def test_what_is_asked_of_a_node_without_a_copy_is_asked_of_another(
    cluster: PrivateCluster, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ABSENT_PATIENCE", 1.0)
    writer = opened(cluster.nodes[0].url)
    journal = writer.journal()
    node, url = without_copy(cluster, journal)
    drop_copy(node, journal)
    opened(url).transport.declare_journal(journal)


@pytest.mark.timeout(300)
def test_a_name_without_a_stream_is_told_from_one_that_is_away(
    cluster: PrivateCluster, opened: Open
) -> None:
    bench, hasty = opened(cluster.url), opened(cluster.url, call_timeout=3.0)
    name = bench.journal()
    lose_stream(cluster, name)
    with pytest.raises(JournalBroken, match=f"does not delete {name}"):
        hasty.transport.delete_journal(name)
    cluster.evaluate(REMOVE.format(name=name))
    hasty.transport.delete_journal(name)
