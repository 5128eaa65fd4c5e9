"""compose.yaml without an engine: its services as processes of this machine.

The commands, environments, users, health checks and the order are the file's own. A volume or a
bind mount is a folder; where it is mounted is written into the arguments and the environment.
Names of services are this machine, and their ports are free ones.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from coffeeshop.testing.broker import PrivateBroker
from coffeeshop.testing.ports import free_ports
from tests.deploy.stack import BROKER, Service, arguments, services

PATIENCE = 60.0
ONCE = "service_completed_successfully"
HEALTHY = "service_healthy"
IS_ROOT = os.getuid() == 0
READING = "dac_read_search"


@dataclass
class Containers:
    """The services of one project. Made by `project`."""

    checkout: Path
    volumes: Path
    variables: dict[str, str]
    """What compose would find in .env and in the environment."""
    stack: ExitStack
    ports: dict[tuple[str, str], int] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    done: dict[str, subprocess.CompletedProcess[str]] = field(default_factory=dict)

    def run(self, name: str, *more: str) -> subprocess.CompletedProcess[str]:
        """``docker compose run --rm NAME MORE...``: what it waits for, then itself."""
        service = services()[name]
        self.start_what_is_needed(service)
        return self._call(name, [*arguments(service), *more], 60.0)

    def start_what_is_needed(self, service: Service) -> None:
        """Start the services that it depends on, in order, each to its condition."""
        for name, wanted in service.get("depends_on", {}).items():
            self.start(name)
            if wanted["condition"] == HEALTHY and name != BROKER:
                self._wait_healthy(name)

    def start(self, name: str) -> None:
        """Start a service, and before it whatever it depends on; once."""
        if name in self.running or name in self.done:
            return
        service = services()[name]
        self.start_what_is_needed(service)
        if name == BROKER:
            self.done[name] = self._start_broker()
        elif service.get("restart") is None:
            self.done[name] = self._call(name, arguments(service), 60.0)
            assert self.done[name].returncode == 0, self.done[name].stderr
        else:
            self.running[name] = self._begin(name, service)

    def port(self, name: str, inside: str) -> int:
        """The port of this machine for one of a service."""
        return self.ports.setdefault((name, inside), free_ports(1)[0])

    def folder(self, name: str, target: str) -> Path:
        """The folder that a service has at that path."""
        for found, folder in self._mounts(services()[name]):
            if found == target:
                return folder
        raise AssertionError(f"{name} has nothing at {target}")

    def _start_broker(self) -> subprocess.CompletedProcess[str]:
        folder = self.folder(BROKER, "/etc/rabbitmq/conf.d")
        lines = [line for file in sorted(folder.glob("*.conf")) for line in read(file)]
        config = "\n".join(line for line in lines if not line.startswith("listeners."))
        broker = self.stack.enter_context(PrivateBroker(config=config))
        self.ports[BROKER, "5672"] = broker.port
        # What a name server is for containers: the broker's name is an address here.
        url = self.folder("gateway", "/run/secrets") / "broker_url"
        (text,) = read(url)
        url.chmod(0o644)
        url.write_text(text.replace("@rabbitmq:5672", f"@127.0.0.1:{broker.port}") + "\n")
        url.chmod(0o444)
        return subprocess.CompletedProcess([], 0)

    def _begin(self, name: str, service: Service) -> subprocess.Popen[str]:
        log = self.stack.enter_context((self.volumes / f"{name}.log").open("w"))
        process = subprocess.Popen(
            self._command(name, arguments(service)),
            cwd=self._place(name),
            env=self._environment(name),
            stdout=log,
            stderr=log,
            text=True,
        )
        self.stack.callback(_end, process)
        return process

    def _call(
        self, name: str, command: list[str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(name, command),
            cwd=self._place(name),
            env=self._environment(name),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def _wait_healthy(self, name: str) -> None:
        moment = threading.Event()
        for _ in range(int(PATIENCE / 0.2)):
            assert self.running[name].poll() is None, read(self.volumes / f"{name}.log")
            test = services()[name]["healthcheck"]["test"][1:]
            if self._call(name, test, 20.0).returncode == 0:
                return
            moment.wait(0.2)
        raise AssertionError(f"{name} is not healthy")

    def _command(self, name: str, command: list[str]) -> list[str]:
        program, *rest = [self._here(name, part) for part in command]
        ours = {"coffeeshop": [sys.executable, "-m", "coffeeshop"], "python": [sys.executable]}
        return [*self._as_user(services()[name]), *ours.get(program, [program]), *rest]

    def _environment(self, name: str) -> dict[str, str]:
        given = services()[name].get("environment", {})
        for key in ("USER_ID", "GROUP_ID"):
            if key in given:
                given[key] = self.variables.get(key, "")
        made = {key: self._here(name, value) for key, value in given.items()}
        return {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **made}

    def _here(self, name: str, text: str) -> str:
        """A text of a service with the paths, ports and addresses of this machine."""
        for target, folder in sorted(self._places(name), reverse=True):
            text = re.sub(rf"(?<![\w/]){re.escape(target)}(?=/|$)", str(folder), text)
        text = text.replace(
            "http://gateway:9000", f"http://127.0.0.1:{self.port('gateway', '9000')}"
        )
        for inside in ("9000", "9100"):
            here = str(self.port(name, inside))
            text = (
                here
                if text == inside
                else text.replace(f"127.0.0.1:{inside}/", f"127.0.0.1:{here}/")
            )
        return text.replace("0.0.0.0", "127.0.0.1")

    def _places(self, name: str) -> Iterator[tuple[str, Path]]:
        """Where a service has what: its mounts, and the folder that several of them are in."""
        mounts = list(self._mounts(services()[name]))
        yield from mounts
        parents = Counter(target.rpartition("/")[0] for target, _ in mounts)
        for parent in (each for each, count in parents.items() if each and count > 2):
            above = self.volumes / f"{name}-mounts"
            above.mkdir(exist_ok=True)
            for target, folder in mounts:
                link = above / target.rpartition("/")[2]
                if target.startswith(f"{parent}/") and not link.exists():
                    link.symlink_to(folder)
            yield parent, above

    def _mounts(self, service: Service) -> Iterator[tuple[str, Path]]:
        for volume in service.get("volumes", ()):
            if isinstance(volume, str):
                name, target, *_ = volume.split(":")
                folder = self.volumes / name
                folder.mkdir(exist_ok=True)
            else:
                target, folder = volume["target"], self.checkout / volume["source"]
                folder.mkdir(exist_ok=True)  # as the engine does, and so it is root's
            yield target, folder

    def _place(self, name: str) -> Path:
        """The folder that a service runs in: of the image, so not its own to write into."""
        place = self.volumes / f"{name}-image"
        place.mkdir(exist_ok=True)
        home = services()[name].get("working_dir", "/srv/coffeeshop")
        for target, folder in self._mounts(services()[name]):
            link = place / target.removeprefix(f"{home}/")
            if target.startswith(f"{home}/") and not link.exists():
                link.symlink_to(folder)
        return place

    def _as_user(self, service: Service) -> list[str]:
        """What starts a command as the service's user, with its capabilities and no others."""
        if not IS_ROOT:
            return []
        user, _, group = service["user"].partition(":")
        if service["user"] == services()["client"]["user"]:
            user = self.variables.get("USER_ID", user)
            group = self.variables.get("GROUP_ID", group)
        # Reading is allowed beyond what a container allows: this Python may be root's alone.
        rights = ",".join(f"+{each.lower()}" for each in service.get("cap_add", [READING]))
        ambient = [] if user == "0" else ["--inh-caps", f"-all,{rights}", "--ambient-caps", rights]
        who = ["--reuid", user, "--regid", group, "--clear-groups"]
        return ["setpriv", *who, *ambient, "--bounding-set", f"-all,{rights}"]


@contextmanager
def project(checkout: Path, volumes: Path) -> Iterator[Containers]:
    """A checkout's services; all of them are ended at the end."""
    volumes.mkdir()
    variables = dict(
        line.split("=", 1) for line in (read(checkout / ".env") if has_env(checkout) else ())
    )
    with ExitStack() as stack:
        yield Containers(checkout, volumes, variables, stack)


def has_env(checkout: Path) -> bool:
    """Whether compose would find an .env."""
    return (checkout / ".env").exists()


def read(file: Path) -> list[str]:
    """A file's lines."""
    return file.read_text().splitlines()


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
