"""What idle open sessions cost, and what another client has of it.

Starts a private RabbitMQ, one gateway and one worker on loopback and opens sessions with ``POST
/v1/sessions`` in steps. After each step it counts threads, memory and file descriptors of every
process, and one client analyses a small data set: its time stands beside its time alone. With
``--feed`` each session gets one batch, so that its filter tasks have begun; 1,000 of those take
22,000 descriptors of the broker, or 18,000 with ``--partitions 1``. Linux.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from uuid import uuid4

import document
import pyarrow as pa
from processes import data_set

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.client.remote import analyse
from coffeeshop.codec import encode
from coffeeshop.errors import CoffeeshopError
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.reading.folder import DataFolder, open_folder
from coffeeshop.schema import TABLES
from coffeeshop.settings import Settings, set_up_logging
from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.footprint import figures
from coffeeshop.testing.processes import Cluster

AT_ONCE = 8
"""Sessions that are being opened."""
STILL = 3.0
"""Seconds without a change after which all has been begun."""
KINDS = ("threads", "MiB", "files")
"""Of the gateway (gw), the worker (wk) and the broker (bk)."""
OPTIONS = ("--client-timeout", "3600", "--session-ttl", "7200")
"""These sessions stay idle for as long as the measuring takes."""


def main() -> int:
    """Measure and print; 1 if the other client was not answered."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sessions", type=int, nargs="+", default=[0, 50, 100, 200, 500, 1000])
    options.add_argument("--transactions", type=int, default=20_000, help="of the other client")
    options.add_argument("--repeat", type=int, default=5, help="analyses of the other client")
    options.add_argument("--timeout", type=float, default=60.0, help="seconds for one of them")
    options.add_argument("--feed", action="store_true", help="send one batch to each session")
    options.add_argument("--partitions", type=int, default=2, help="of each idle session")
    document.add_option(options)
    chosen = options.parse_args()
    set_up_logging(Settings.read(), "quiet", ())
    folder = open_folder(data_set(Path(".data"), chosen.transactions))
    lines = [heads()]
    with PrivateBroker() as broker, Cluster(broker.url) as cluster:
        gateway, url = cluster.gateway(*OPTIONS)
        worker = cluster.start("worker")
        processes = {"gateway": gateway.pid, "worker": worker.pid, "broker": broker.pid}
        client = GatewayClient(url, patience=chosen.timeout)
        seconds(client, folder, chosen.timeout)  # programs into memory, connections made
        for number in sorted(chosen.sessions):
            began = time.monotonic()
            refused = open_up_to(client, number, chosen.partitions, feed=chosen.feed)
            opening = time.monotonic() - began
            settle(list(processes.values()))
            found = [figures(pid) for pid in processes.values()]
            try:
                times = [seconds(client, folder, chosen.timeout) for _ in range(chosen.repeat)]
                answered = f"{median(times):.2f} ({max(times):.2f})"
            except CoffeeshopError as error:
                answered = f"none: {error}"
            cells = [str(each[kind]) for each in found for kind in KINDS]
            line = f"{number:>8}" + "".join(f"{cell:>11}" for cell in cells)
            lines.append(f"{line}{opening:>9.1f}  {answered}{refused}")
            print(lines[-1] if number else f"{lines[0]}\n{lines[-1]}", flush=True)
            if "none" in answered:
                return 1
    document.write(chosen.write, "idle_sessions", lines)
    return 0


def heads() -> str:
    """The table's first line."""
    words = [f"{name[:2]} {kind}" for name in ("gateway", "worker", "broker") for kind in KINDS]
    return (
        f"{'sessions':>8}" + "".join(f"{w:>9}" for w in words) + "   open s  other client s (max)"
    )


def seconds(client: GatewayClient, folder: DataFolder, timeout: float) -> float:
    """How long one more client waits for its answer."""
    began = time.monotonic()
    spec = SessionSpec(str(uuid4()))
    analyse(client, folder, spec, timeout=timeout)
    took = time.monotonic() - began
    client.delete(spec.id)
    return took


def open_up_to(client: GatewayClient, number: int, partitions: int, *, feed: bool) -> str:
    """Open sessions until there are so many; why the rest were refused, if they were."""
    body = no_rows()
    there = len(client.sessions("open", 10_000))

    def one(_: int) -> str:
        spec = SessionSpec(str(uuid4()), partitions=partitions)
        try:
            client.open(spec)
            if feed:
                client.put_batch(spec.id, "transactions", "0", 0, body)
        except CoffeeshopError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(AT_ONCE) as pool:
        refusals = [why for why in pool.map(one, range(number - there)) if why]
    return f"; {len(refusals)} refused: {refusals[0]}" if refusals else ""


def no_rows() -> bytes:
    """A batch of transactions without any."""
    schema = TABLES["transactions"].schema
    return encode(pa.record_batch([[] for _ in schema], schema=schema))


def settle(pids: list[int]) -> None:
    """Wait until the number of threads and descriptors stays the same for a while."""
    before: list[tuple[int, int]] = []
    while True:
        found = [(each["threads"], each["files"]) for each in map(figures, pids)]
        if found == before:
            return
        before = found
        time.sleep(STILL)


if __name__ == "__main__":
    sys.exit(main())
