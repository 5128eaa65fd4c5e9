"""The sandbox's ``docker``: understands the command, checks it against compose.yaml, runs nothing.

Exits with 2 and a reason when a service, profile, file or option does not exist, or when a
container of this project would be given arguments that its command does not take.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.deploy import stack
from tests.docs.command_line import parsed

FLAG: dict[str, Any] = {"action": "store_true"}
OPTIONS: dict[str, tuple[tuple[tuple[str, ...], dict[str, Any]], ...]] = {
    "up": (
        (("--detach", "-d"), FLAG),
        (("--build",), FLAG),
        (("--wait",), FLAG),
        (("--no-deps",), FLAG),
        (("--force-recreate",), FLAG),
        (("--scale",), {"action": "append", "default": []}),
    ),
    "down": ((("--volumes", "-v"), FLAG), (("--remove-orphans",), FLAG)),
    "logs": (
        (("--follow", "-f"), FLAG),
        (("--tail", "-n"), {}),
        (("--since",), {}),
        (("--no-color",), FLAG),
        (("--no-log-prefix",), FLAG),
    ),
    "run": (
        (("--rm",), FLAG),
        (("--no-deps",), FLAG),
        (("-T",), FLAG),
        (("--volume", "-v"), {}),
        (("--entrypoint",), {}),
    ),
    "exec": ((("-T",), FLAG),),
    "ps": ((("--all", "-a"), FLAG), (("--format",), {})),
    "build": (),
    "pull": (),
    "stop": (),
    "start": (),
    "restart": (),
    "kill": ((("--signal", "-s"), {}),),
    "config": ((("--quiet", "-q"), FLAG), (("--services",), FLAG)),
}
"""The commands of ``docker compose`` that documents use, and the options that each one has."""


def main(arguments: Sequence[str]) -> int:
    """Check ``docker ARGUMENTS``; the exit code."""
    if arguments[:1] != ["compose"]:
        return _no(f"not known here: docker {' '.join(arguments[:1])}")
    options = _parser().parse_args(arguments[1:])
    services: dict[str, Any] = {}
    for file in options.file or [str(stack.COMPOSE)]:
        if not Path(file).is_file():
            return _no(f"no such file: {file}")
        services |= yaml.safe_load(Path(file).read_text())["services"]
    return _check(options, services)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("docker compose", allow_abbrev=False)
    parser.add_argument("--file", "-f", action="append")
    parser.add_argument("--profile", action="append", default=[])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, known in OPTIONS.items():
        command = commands.add_parser(name, allow_abbrev=False)
        for names, how in known:
            command.add_argument(*names, **how)
        if name in ("run", "exec"):
            command.add_argument("service")
            command.add_argument("arguments", nargs=argparse.REMAINDER)
        else:
            command.add_argument("services", nargs="*")
    return parser


def _check(options: argparse.Namespace, services: dict[str, Any]) -> int:
    profiles = {name for service in services.values() for name in service.get("profiles", ())}
    scaled = [each.partition("=") for each in getattr(options, "scale", ())]
    named = [*getattr(options, "services", ()), *(name for name, _, _ in scaled)]
    if hasattr(options, "service"):
        named.append(options.service)
    for kind, wanted, known in (
        ("profile", options.profile, profiles),
        ("service", named, services),
    ):
        for name in wanted:
            if name not in known:
                return _no(f"no such {kind}: {name}")
    if not all(number.isdigit() for _, _, number in scaled):
        return _no("--scale takes SERVICE=NUMBER")
    return _check_container(options) if options.command in CONTAINERS else 0


def _check_run(options: argparse.Namespace) -> int:
    """The arguments take the place of the service's own."""
    service = stack.services()[options.service]
    if service not in stack.ours().values():
        return 0
    own = {**service, "command": options.arguments} if options.arguments else service
    parameters = parsed(stack.arguments(own)[1:]).params
    if options.service == "client" and parameters["folder"] is not None:
        folder = Path(".data") / parameters["folder"]
        if not folder.is_dir():
            return _no(f"no such data folder: {folder}")
    return 0


def _check_exec(options: argparse.Namespace) -> int:
    if not options.arguments:
        return _no("exec needs a command")
    if options.arguments[0] == "coffeeshop":
        parsed(options.arguments[1:])
    return 0


def _check_container(options: argparse.Namespace) -> int:
    return CONTAINERS[options.command](options)


def _show_logs(options: argparse.Namespace) -> int:
    """What was logged here, as if by containers; it ends, where the real one may go on."""
    for file in sorted(Path().glob("*.log")):
        prefix = "" if options.no_log_prefix else f"{file.stem}  | "
        for line in file.read_text().splitlines():
            print(prefix + line)
    return 0


CONTAINERS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _check_run,
    "exec": _check_exec,
    "logs": _show_logs,
}


def _no(reason: str) -> int:
    print(f"docker: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
