"""Names of streams without a stream, as a RabbitMQ leaves them that was killed at a bad moment.

Declaring writes the name first and makes the stream then; deleting takes the stream first and the
name then. A kill in between leaves the name (rabbitmq-server issue 14852). Here they are made on
purpose, told from streams, and removed as docs/operations.md says.
"""

from __future__ import annotations

from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.cluster import REMOVE, PrivateCluster

_LOSE = """
{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"{name}">>)),
#{{name := Stream}} = amqqueue:get_type_state(Q),
{{ok, ok, _}} = ra:process_command(
    {{rabbit_stream_coordinator, node()}}, {{delete_stream, Stream, #{{}}}}
),
Wait = fun Again(Times) when Times > 0 ->
    {{ok, {{_, State}}, _}} = ra:leader_query(
        {{rabbit_stream_coordinator, node()}}, fun(S) -> S end
    ),
    case [M || M <- tuple_to_list(State), is_map_key(Stream, M)] of
        [] -> ok;
        _ -> timer:sleep(20), Again(Times - 1)
    end
end,
Wait(1000)
"""
_SETTLED = """
{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"{name}">>)),
#{{name := Stream}} = amqqueue:get_type_state(Q),
Wait = fun Again(Times) when Times > 0 ->
    {{ok, {{_, State}}, _}} = ra:local_query(
        {{rabbit_stream_coordinator, node()}}, fun(S) -> S end
    ),
    [Record] = [maps:get(Stream, M) || M <- tuple_to_list(State), is_map_key(Stream, M)],
    case [Epoch || {{updated, Epoch}} <- tuple_to_list(Record), Epoch > 0] of
        [] -> timer:sleep(20), Again(Times - 1);
        _ -> ok
    end
end,
Wait(1000),
"""
_FORGET = """
mnesia:dirty_delete(rabbit_queue, rabbit_misc:r(<<"/">>, queue, <<"{name}">>))
"""
_BEGIN = """
{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"{like}">>)),
Resource = rabbit_misc:r(<<"/">>, queue, <<"{name}">>),
State = maps:without([leader_pid], amqqueue:get_type_state(Q)),
New = amqqueue:new(
    Resource, none, true, false, none,
    amqqueue:get_arguments(Q), <<"/">>, #{{}}, rabbit_stream_queue
),
rabbit_amqqueue:internal_declare(amqqueue:set_type_state(New, State#{{
    name => "__{name}", reference => Resource
}}), false)
"""


def lose_stream(broker: PrivateBroker | PrivateCluster, name: str) -> None:
    """As if the broker had been killed while it deleted a stream, though it runs on.

    Until the stream is gone its name could still be deleted with it: so that is waited for.
    """
    broker.evaluate(_LOSE.format(name=name))


def forget_stream(broker: PrivateBroker, name: str) -> None:
    """As if the broker had been killed while it started: it knows the name, and says that the node
    of the stream is down.

    A broker notes who leads a new stream a moment after it said that the stream is there, and makes
    what it has forgotten anew with that: so this comes after it.
    """
    broker.evaluate((_SETTLED + _FORGET).format(name=name))


def begin_stream(broker: PrivateBroker, name: str, like: str) -> None:
    """As if the broker had been killed while it declared a stream, though it runs on.

    ``like`` is a stream that exists, with the arguments that the new one was to have.
    """
    broker.evaluate(_BEGIN.format(name=name, like=like))


def remove(broker: PrivateBroker | PrivateCluster, name: str) -> None:
    """What an operator does."""
    broker.evaluate(REMOVE.format(name=name))
