"""Queues of assignments that somebody deletes under a node."""

from __future__ import annotations

from coffeeshop.pipeline.messages import assign_queue
from coffeeshop.pipeline.plan import PLANS
from tests.running import eventually
from tests.unit.helpers import ANSWER
from tests.unit.world import World, feed, reaches, results, spec_of


def test_a_node_makes_a_deleted_queue_again_and_takes_what_comes_then(world: World) -> None:
    world.work()
    sessions = world.replica("g1")
    before = spec_of()
    sessions.open(before)
    eventually(lambda: world.node is not None and world.node.what_runs(), "it is hosted")
    for stage in PLANS["fused"].stages:
        world.transport.delete_queue(assign_queue(stage.name))
    names = {assign_queue(stage.name) for stage in PLANS["fused"].stages}
    eventually(lambda: names <= set(world.transport.names()), "the queues are there again")
    after = spec_of()
    sessions.open(after)
    for spec in (after, before):
        feed(sessions, spec)
        reaches(sessions, spec, "completed")
        assert results(world, spec) == ANSWER
