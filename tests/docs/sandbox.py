"""A copy of the project to type commands in, and the system that is there for them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.gateway.security.tokens import line_of, new_token
from coffeeshop.generate import generate
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.testing.broker import PrivateBroker
from tests.docs.markdown import ROOT, ignored
from tests.docs.rules import DATA_FOLDERS, READY, STAND_INS, Stays
from tests.docs.shell import Shell, Staying

VHOST = "docs"
COMPLETED = "6d6a0a07-6f0c-4a5e-8d07-8f3f1f6a5b10"
"""The session of `Standing`; documents that search logs know how its id begins."""
JSON = {"COFFEESHOP_LOG_FORMAT": "json"}
COFFEESHOP = [sys.executable, "-m", "coffeeshop"]
ALL = {"configure": ".*", "write": ".*", "read": ".*"}
DEFINITIONS = {
    "vhosts": [{"name": VHOST}],
    "users": [{"name": "coffeeshop", "password": uuid.uuid4().hex, "tags": ""}],
    "permissions": [{"user": "guest", "vhost": VHOST, **ALL}],
}
"""A place that no other test has been at, and a user whom a document gives rights."""
LISTENING = (
    r'"port": (\d+).*"gateway.listening"|"gateway.listening".*"port": (\d+)'
    r"|coffeeshop is at http://127\.0\.0\.1:(\d+)/"
)
CURL = "fail-with-body\nshow-error\nsilent\n"
"""Of a reader's curl: an answer that is a refusal fails the command."""


@dataclass(frozen=True)
class Standing:
    """A gateway and a worker over a virtual host of the private broker; they did `COMPLETED`."""

    broker: PrivateBroker
    port: int
    worker: int
    """Its process id."""
    data: Path
    """A data folder; with the logs of all processes beside it."""

    @property
    def url(self) -> str:
        """The broker's, with the virtual host."""
        return f"{self.broker.url}{VHOST}"

    @staticmethod
    def opened(port: int) -> str:
        """The id of a session that waits for its data, opened at that port."""
        client = GatewayClient(f"http://127.0.0.1:{port}")
        try:
            spec = SessionSpec(str(uuid.uuid4()))
            client.open(spec)
            return spec.id
        finally:
            client.close()


@contextmanager
def standing(broker: PrivateBroker, folder: Path) -> Iterator[Standing]:
    """Start it; end it."""
    (folder / "definitions.json").write_text(json.dumps(DEFINITIONS))
    broker.rabbitmqctl("import_definitions", str(folder / "definitions.json"))
    generate(folder / "data", transactions=1_000, seed=1, layout="flat")
    environment = clean() | JSON | {"COFFEESHOP_BROKER_URL": f"{broker.url}{VHOST}"}
    nodes = [
        _node(environment, folder / "gateway.log", "gateway", "--port", "0"),
        _node(environment, folder / "worker-1.log", "worker"),
    ]
    try:
        for node in nodes:
            node.wait_for(READY)
        port = port_of(nodes[0])
        _run_session(environment, folder, port)
        yield Standing(broker, port, nodes[1].pid, folder / "data")
    finally:
        codes = [node.end() for node in nodes]
    assert codes == [0, 0]  # SIGTERM, and USR1 of a document, are no failures


def clean() -> dict[str, str]:
    """This process's environment without what is meant for coffeeshop."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("COFFEESHOP_", "PYTEST_"))}


def port_of(gateway: Staying) -> int:
    """Where a gateway that is ready listens."""
    found = gateway.wait_for(LISTENING)
    return int(found[1] or found[2] or found[3])


def _node(environment: dict[str, str], log: Path, kind: str, *options: str) -> Staying:
    process = subprocess.Popen(
        [*COFFEESHOP, "run-node", "--verbose", "--type", kind, *options],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Staying(process, log)


def _run_session(environment: dict[str, str], folder: Path, port: int) -> None:
    places = ["--gateway", f"http://127.0.0.1:{port}", "--data-folder", "data"]
    with (folder / "client.log").open("w") as log:
        subprocess.run(
            [*COFFEESHOP, "submit", "--verbose", "--session", COMPLETED, *places],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            timeout=60,
            check=True,
        )


class Sandbox:
    """A copy of the project's files with a reader's data, shell and home, and stand-ins."""

    def __init__(self, directory: Path, system: Standing) -> None:
        """``directory``: empty, and removed by who made it."""
        self.system = system
        self.root = directory / "coffeeshop"
        self.port = system.port
        self.staying: list[Staying] = []
        shutil.copytree(ROOT, self.root, ignore=ignored, symlinks=True)
        self._link_venv()
        self._add_files(directory)
        self.shell = Shell(self.root, directory / "state", self._environment(directory))

    def words(self) -> dict[str, str]:
        """What the substitutions are made with."""
        return {
            "broker": self.system.url,
            "port": str(self.port),
            "completed": COMPLETED,
            "worker": str(self.system.worker),
        }

    def stay(self, command: str, row: Stays) -> None:
        """Start a process that stays, until it is ready. Raises TimeoutError."""
        started = Staying(
            self.shell.start(f"exec {command} >&2", subprocess.DEVNULL, JSON),
            self.root.parent / f"started{len(self.staying)}",
            row.code,
        )
        self.staying.append(started)
        started.wait_for(row.ready)
        if started.find(LISTENING):
            self.port = port_of(started)

    def close(self) -> list[int]:
        """End what was started; the exit codes that are not the right ones."""
        ended = [(each.end(), each.code) for each in reversed(self.staying)]
        return [code for code, right in ended if code != right]

    def _link_venv(self) -> None:
        """The environment that runs the tests, so that `make setup` finds nothing to do."""
        (self.root / ".venv").mkdir()
        for each in Path(sys.prefix).iterdir():
            if each.name != ".complete":
                (self.root / ".venv" / each.name).symlink_to(each)
        script = (self.root / "scripts" / "setup.sh").read_text().splitlines()
        (wanted,) = [line for line in script if line.startswith("wanted=")]
        mark = f'{wanted}\necho "$wanted" >.venv/.complete'
        subprocess.run(["sh", "-c", mark], cwd=self.root, check=True)

    def _add_files(self, directory: Path) -> None:
        for name in DATA_FOLDERS:
            shutil.copytree(self.system.data, self.root / name)
        for log in self.system.data.parent.glob("*.log"):
            shutil.copy(log, self.root)
        self._add_credentials()
        (directory / "home").mkdir()
        (directory / "home" / ".curlrc").write_text(CURL)
        for name in STAND_INS:
            stand_in = directory / "bin" / name
            stand_in.parent.mkdir(exist_ok=True)
            call = f'exec "{sys.executable}" -m tests.docs.{name} "$@"'
            stand_in.write_text(f'#!/bin/sh\nPYTHONPATH="{self.root}" {call}\n')
            stand_in.chmod(0o755)

    def _add_credentials(self) -> None:
        token = new_token()
        (self.root / "tokens").write_text(line_of("alice", token, admin=True) + "\n")
        for name in ("my-token", "admin-token"):
            (self.root / name).write_text(token)
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        certificate.private_key_pem.write_to_path(self.root / "key.pem")
        for part in certificate.cert_chain_pems:
            part.write_to_path(self.root / "cert.pem", append=True)
        authority.cert_pem.write_to_path(self.root / "ca.pem")

    def _environment(self, directory: Path) -> dict[str, str]:
        places = [directory / "bin", self.root / ".venv" / "bin", os.environ["PATH"]]
        return clean() | {
            "HOME": str(directory / "home"),
            "PATH": ":".join(map(str, places)),
            "COLUMNS": "200",
            "COFFEESHOP_BROKER_URL": self.system.url,
            "COFFEESHOP_CA_FILE": str(self.root / "ca.pem"),
        }
