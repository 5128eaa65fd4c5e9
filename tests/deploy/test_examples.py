"""The example and the demonstration as a user runs them, embedded and against a gateway."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coffeeshop.actors.hosted import HostedNode
from coffeeshop.commands.demonstration import NAMES
from coffeeshop.gateway.server import GatewayServer
from coffeeshop.names import STAGES
from coffeeshop.transport.memory import MemoryTransport
from tests.deploy.stack import ROOT

EXAMPLE = str(ROOT / "examples" / "multiple_datasets.py")
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def gateway() -> Iterator[str]:
    """The URL of a whole system over an in-memory transport."""
    failures: list[str] = []
    transport = MemoryTransport()
    node = HostedNode(transport, STAGES, failures.append)
    server = GatewayServer(transport, "127.0.0.1", 0)
    server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.close()
        node.close(10)
        transport.close()
    assert not failures


def python(directory: Path, *arguments: str, **environment: str) -> Done:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("COFFEESHOP_")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_example_runs_several_data_sets_at_once_in_one_process(tmp_path: Path) -> None:
    done = python(tmp_path, EXAMPLE, "--transactions", "500")
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^(dataset\d):", done.stdout, re.M) == ["dataset1", "dataset2", "dataset3"]
    assert done.stdout.endswith("3 clients at once, each with the answers of its own data\n")
    assert list(tmp_path.iterdir()) == []


def test_the_example_gives_the_same_answers_by_a_gateway(tmp_path: Path, gateway: str) -> None:
    options = ("--transactions", "300", "--clients", "4", "--seed", "7")
    there = python(tmp_path, EXAMPLE, *options, "--gateway", gateway)
    assert there.returncode == 0, there.stderr
    assert there.stdout == python(tmp_path, EXAMPLE, *options).stdout


def test_the_example_says_so_when_an_answer_is_not_the_clients_own(
    tmp_path: Path, gateway: str
) -> None:
    spoiled = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "import multiple_datasets as example\n"
        "right = example.by_gateway\n"
        "example.by_gateway = lambda folders, url: right(folders, url)[::-1]\n"
        "sys.exit(example.main(sys.argv[1:]))\n"
    )
    options = ("--clients", "3", "--transactions", "300", "--gateway", gateway)
    done = python(tmp_path, "-c", spoiled, str(Path(EXAMPLE).parent), *options)
    assert done.returncode == 1
    assert done.stderr == "WRONG: dataset1, dataset3\n"


def test_the_example_needs_a_client(tmp_path: Path) -> None:
    done = python(tmp_path, EXAMPLE, "--clients", "0")
    assert done.returncode == 2
    assert "at least one client" in done.stderr


@pytest.mark.parametrize("named", ["option", "environment"])
def test_the_demo_by_a_gateway_tells_what_each_client_hears_and_compares(
    tmp_path: Path, gateway: str, named: str
) -> None:
    command = ("-m", "coffeeshop", "demo", "--transactions", "2000")
    if named == "option":
        done = python(tmp_path, *command, "--gateway", gateway)
    else:
        done = python(tmp_path, *command, COFFEESHOP_GATEWAY=gateway)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("byte for byte") == len(NAMES)
    sessions = set(re.findall(r"opens session ([0-9a-f-]{36})", done.stdout))
    assert len(sessions) == len(NAMES)
    for name in NAMES:
        heard = re.findall(rf"{name} +event: (\w+) ?(.*)", done.stdout)
        assert len([event for event, _ in heard if event == "result"]) == 5
        assert heard[-1] == ("completed", "")
    assert " crash " not in done.stdout
