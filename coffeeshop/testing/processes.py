"""Real processes of the system on this machine, for tests that kill them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from coffeeshop.testing.guarded import Guard

READY_TIMEOUT = 60.0
END_TIMEOUT = 60.0


class NodeProcess:
    """One ``coffeeshop run-node`` with its log lines as they come.

    It ends with this process at the latest, even if this one is killed.
    """

    def __init__(
        self, arguments: list[str], environment: Mapping[str, str], module: str = "coffeeshop"
    ) -> None:
        """``arguments`` follow ``run-node``; ``environment`` is added to this process's.

        ``module`` is run in place of the command: one that changes something and then calls it.
        """
        self.arguments = arguments
        self.events: list[dict[str, Any]] = []
        self.other_lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, "run-node", "--verbose", *arguments],
            env={**os.environ, "COFFEESHOP_LOG_FORMAT": "json", **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._guard = Guard(self.process.pid)
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.process.pid

    def wait_for(
        self,
        event: str,
        timeout: float = READY_TIMEOUT,
        where: Callable[[dict[str, Any]], bool] = lambda line: True,
    ) -> dict[str, Any]:
        """The first log line of that event; raises TimeoutError with what was said instead."""
        with self._changed:
            found: list[dict[str, Any]] = []

            def there() -> bool:
                found[:] = [e for e in self.events if e.get("event") == event and where(e)]
                return bool(found) or self._ended

            self._changed.wait_for(there, timeout)
            if found:
                return found[0]
            said = [str(e.get("event")) for e in self.events][-20:] + self.other_lines[-20:]
        raise TimeoutError(f"{self.arguments} did not say {event} in {timeout:g} s but {said}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def end(self, timeout: float = END_TIMEOUT) -> int:
        """SIGTERM, then wait; its exit code (killed after ``timeout`` s: -9)."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def wait(self, timeout: float = END_TIMEOUT) -> int:
        """Wait for its end; its exit code (killed after ``timeout`` s: -9)."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """kill -9, then wait."""
        self.signal(signal.SIGKILL)
        return self.process.wait()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                with self._changed:
                    self._take(line)
                    self._changed.notify_all()
        self._guard.release()  # it has closed its log, which it does by ending
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, line: str) -> None:
        try:
            self.events.append(json.loads(line))
        except ValueError:
            self.other_lines.append(line.rstrip())


class Cluster:
    """Processes over one broker. As a context manager it ends all of them."""

    def __init__(self, broker: str) -> None:
        self.broker = broker
        self.processes: list[NodeProcess] = []

    def start(
        self,
        *types: str,
        options: tuple[str, ...] = (),
        ready: bool = True,
        environment: Mapping[str, str] | None = None,
        module: str = "coffeeshop",
    ) -> NodeProcess:
        """Start a process of these types; waits until it is ready unless told not to.

        ``environment`` is added to the broker's URL; ``module``: see `NodeProcess`.
        """
        arguments = [word for each in types for word in ("--type", each)]
        if {"gateway", "all"} & set(types):
            arguments += ["--port", "0"]
        variables = {"COFFEESHOP_BROKER_URL": self.broker, **(environment or {})}
        started = NodeProcess([*arguments, *options], variables, module)
        self.processes.append(started)
        if ready:
            started.wait_for("node.ready")
        return started

    def gateway(self, *options: str) -> tuple[NodeProcess, str]:
        """A gateway and its URL."""
        started = self.start("gateway", options=options)
        return started, url_of(started)

    def close(self) -> None:
        """End every process, all at once."""
        for each in self.processes:
            each.signal(signal.SIGCONT)
            each.signal(signal.SIGTERM)
        deadline = time.monotonic() + END_TIMEOUT
        for each in self.processes:
            each.wait(max(1.0, deadline - time.monotonic()))

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def url_of(gateway: NodeProcess, timeout: float = READY_TIMEOUT) -> str:
    """The URL a gateway process listens on."""
    said = gateway.wait_for("gateway.listening", timeout)
    return f"http://{said['address']}:{said['port']}"
