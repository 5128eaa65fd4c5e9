"""Supervised actors: node > session > task. The only package that knows pykka."""

from coffeeshop.actors.node import Hosted, NodeSupervisor, Supervision, WhatIsHosted
from coffeeshop.clock import Clock, SystemClock

__all__ = ["Clock", "Hosted", "NodeSupervisor", "Supervision", "SystemClock", "WhatIsHosted"]
