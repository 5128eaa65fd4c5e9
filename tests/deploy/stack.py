"""compose.yaml and the Dockerfile as values."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import yaml

from coffeeshop.cli import cli

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose.yaml"
DOCKERFILE = ROOT / "Dockerfile"
BROKER = "rabbitmq"
Service = dict[str, Any]
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def load() -> dict[str, Any]:
    """The whole file, with every variable at its default."""
    found = yaml.safe_load(COMPOSE.read_text())
    assert isinstance(found, dict)
    return {key: _defaults(value) for key, value in found.items()}


def variables() -> dict[str, str]:
    """Each variable that the file takes from the environment, with its default or nothing."""
    return dict(_VARIABLE.findall(COMPOSE.read_text()))


def services() -> dict[str, Service]:
    """The services by name."""
    found: dict[str, Service] = load()["services"]
    return found


def built() -> dict[str, Service]:
    """The services that run this project's image."""
    return {name: service for name, service in services().items() if "build" in service}


def ours() -> dict[str, Service]:
    """Those of them that run its command line."""
    return {name: each for name, each in built().items() if arguments(each)[0] == "coffeeshop"}


def nodes() -> dict[str, Service]:
    """The services that run ``coffeeshop run-node``."""
    return {name: service for name, service in ours().items() if name != "client"}


def enabled(profile: str | None) -> dict[str, Service]:
    """The nodes that ``docker compose up`` starts with that profile, or without one."""
    return {
        name: service
        for name, service in nodes().items()
        if not service.get("profiles") or profile in service["profiles"]
    }


def arguments(service: Service) -> list[str]:
    """The command line of a container of this project's image."""
    entrypoint = service.get("entrypoint", instruction("ENTRYPOINT"))
    return [*entrypoint, *service["command"]]


def parsed(command_line: list[str]) -> click.Context:
    """The command line as the real commands understand it, without running it."""
    assert command_line[0] == "coffeeshop"
    name, command, rest = cli.resolve_command(click.Context(cli), command_line[1:])
    assert command is not None
    return command.make_context(name, rest)


def instruction(name: str) -> Any:
    """The last instruction of that name in the Dockerfile; a list where it is written as one."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line.startswith(f"{name} ")]
    text = lines[-1].removeprefix(name).strip()
    return json.loads(text) if text.startswith("[") else text


def seconds(text: str) -> float:
    """A duration such as ``60s``."""
    assert text.endswith("s")
    return float(text.removesuffix("s"))


def settings_of(file: Path) -> dict[str, str]:
    """The keys and values of a rabbitmq.conf."""
    lines = [line.partition("#")[0].strip() for line in file.read_text().splitlines()]
    pairs = [line.split("=", 1) for line in lines if line]
    return {key.strip(): value.strip() for key, value in pairs}


def size(text: str) -> int:
    """Bytes, of compose's ``2G`` (powers of two) or RabbitMQ's ``1200MiB``."""
    number, unit = re.fullmatch(r"(\d+)(G|GB|MiB)", text).groups()  # type: ignore[union-attr]
    return int(number) * {"G": 1 << 30, "GB": 10**9, "MiB": 1 << 20}[unit]


def _defaults(value: Any) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: found[2] or "", value)
    if isinstance(value, list):
        return [_defaults(each) for each in value]
    if isinstance(value, dict):
        return {key: _defaults(each) for key, each in value.items()}
    return value
