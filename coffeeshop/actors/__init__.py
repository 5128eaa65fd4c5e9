"""Supervised actors: node > session > task. The only package that knows pykka."""

from coffeeshop.actors.node import GetStatus, NodeConfig, NodeStatus, NodeSupervisor
from coffeeshop.clock import Clock, SystemClock

__all__ = ["Clock", "GetStatus", "NodeConfig", "NodeStatus", "NodeSupervisor", "SystemClock"]
