"""What each node of a broker answers when it is asked on its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from coffeeshop.errors import CoffeeshopError, JournalBroken
from coffeeshop.transport.base import BrokerNode
from coffeeshop.transport.rabbitmq.commands import attach, server_properties
from coffeeshop.transport.rabbitmq.connection import ChannelClosedByBroker, is_missing
from coffeeshop.transport.rabbitmq.control import Control
from coffeeshop.transport.rabbitmq.loop import Loop
from coffeeshop.transport.rabbitmq.reconnecting import ReconnectingConnection
from coffeeshop.transport.rabbitmq.url import Address


def inspect(
    loop: Loop, address: Address, name: str, journals: Sequence[str], timeout: float
) -> list[BrokerNode]:
    """Ask every host of an address, all at once. Blocks, so it is not for the loop's thread.

    ``name``: what the broker's operators see. ``timeout``: seconds for each question.
    """
    hosts = address.each()
    with ThreadPoolExecutor(len(hosts)) as asking:
        return list(asking.map(lambda host: _inspect(loop, host, name, journals, timeout), hosts))


def _inspect(
    loop: Loop, address: Address, name: str, journals: Sequence[str], timeout: float
) -> BrokerNode:
    link = ReconnectingConnection(loop, address, name)
    control = Control(loop, link)
    link.listeners.add(control)
    loop.post(link.open)
    found = BrokerNode(f"{address.host}:{address.port}")
    try:
        told = control.call(server_properties(), timeout)
        found = replace(found, version=str(told.get("version", "?")))
        without = (each for each in journals if not _has(control, each, timeout))
        return replace(found, without=tuple(without))
    except CoffeeshopError as error:
        return replace(found, away=str(error))
    finally:
        loop.post(control.close)
        loop.post(lambda: link.close(lambda: None))


def _has(control: Control, journal: str, timeout: float) -> bool:
    """Whether a node has a copy; a journal that was never declared is no fault of it."""
    try:
        control.call(replace(attach(journal), waits_for_absent=False), timeout)
    except ChannelClosedByBroker as error:
        return is_missing(error)
    except JournalBroken:
        return False
    return True
