"""Supervised actors: node > session > task. The only package that knows pykka."""

from coffeeshop.actors.clock import Clock, SystemClock
from coffeeshop.actors.node import Hosted, NodeSupervisor, Supervision, WhatIsHosted

__all__ = ["Clock", "Hosted", "NodeSupervisor", "Supervision", "SystemClock", "WhatIsHosted"]
