"""A simulated node: the product's `NodeSupervisor` in a process that dies and comes back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pykka

from coffeeshop.actors import NodeConfig, NodeStatus, NodeSupervisor
from coffeeshop.actors.node import GetStatus
from coffeeshop.actors.restarts import Intensity
from coffeeshop.clock import Backoff
from coffeeshop.pipeline.plan import plan_named
from tests.properties.sim_process import Process
from tests.properties.sim_repair import AFTER

if TYPE_CHECKING:
    from tests.properties.simulation import World

FOR_EVER = Intensity(1_000_000, 1.0)
DOWN = 3.0
"""Seconds within which a process that died is there again."""


class Node:
    """Takes assignments, whatever becomes of its process."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.start()

    def start(self) -> None:
        """A new life begins."""
        world, plot = self.world, self.world.plot
        self.up = True
        self.process = Process(world, self)
        if plot.slow_clocks:
            self.process.rate = world.chance.choice((0.5, 1.0, 2.0))
        config = NodeConfig(
            node=FOR_EVER,
            session=FOR_EVER if plot.intensity is None else Intensity(plot.intensity, math.inf),
            backoff=Backoff(0.2, 2.0),
            claims=plot.claims,
            repair_after=AFTER if plot.repairs else math.inf,
        )
        stages = [stage.name for stage in plan_named(world.spec.plan).stages]
        self.root = NodeSupervisor.start(
            self.process,
            stages,
            self.process,
            config,
            lambda reason: self.crash(),
            self.process,
            own_thread=False,
        )

    def crash(self) -> None:
        """The process dies with all it knew, and comes back."""
        if self.up:
            self.up = False
            self.process.die()
            self.world.broker.soon(self.start, DOWN)

    def status(self) -> pykka.Future[NodeStatus]:
        """What it works on; known once the world has gone on."""
        asked: pykka.Future[NodeStatus] = self.root.ask(GetStatus(), block=False)
        return asked
