"""The tables: what a test types in place of what a document says, and what is not executed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

DATA_FOLDERS = ("my/folder", ".data/dataset1")
"""A reader's own data: generated, in the sandbox, under the names that the documents use."""

TRANSLATIONS = {
    "README.es.md": (
        "README.md",
        {
            "mi/carpeta": "my/folder",
            "results/carpeta": "results/folder",
            "usuario:clave": "user:password",
        },
    )
}
"""Documents that are not typed because all that they say to type is in another one, in the same
order, but for these words."""


@dataclass(frozen=True)
class Substitution:
    """``says``: a regular expression, ``typed`` with ``{names}`` of `sandbox.Sandbox.words`."""

    says: str
    typed: str
    reason: str


SUBSTITUTIONS = (
    Substitution(
        r"amqp://\w+:\w+@127\.0\.0\.1:5672/",
        "{broker}",
        "a private broker has a port of its own",
    ),
    Substitution(
        r"(run-node --type (?:gateway|all)\b)",
        r"\1 --port 0",
        "tests run beside each other: a free port",
    ),
    Substitution(r"(coffeeshop serve)( --open)?", r"\1 --port 0", "as above, and nobody looks"),
    Substitution(r"0\.0\.0\.0", "127.0.0.1", "tests listen on loopback only"),
    Substitution(r"//host:9000", "//127.0.0.1:{port}", "as above, and the port of the next line"),
    Substitution(r"\b9000\b", "{port}", "the port that the gateway took"),
    Substitution(
        r"(?<!\S)((?:\.venv/bin/)?coffeeshop"
        r" (?:sessions|status|watch|results|compare|keep|share|cancel|nodes|doctor)\b)",
        r"COFFEESHOP_GATEWAY=http://127.0.0.1:{port} \1",
        "the same, for commands that ask port 9000 when nothing is said",
    ),
    Substitution(r"(?<=cancel )ID\b", "{open}", "the id of an open session"),
    Substitution(r"(?<![\w${])ID\b(?!=)", "{completed}", "the id of a completed session"),
    Substitution(r"\bPID\b", "{worker}", "the process id of a worker"),
    Substitution(r"\bNAME\b", "alice", "a client's name"),
    Substitution(r"\[(--\w[\w -]*)\]", r"\1", "what may be left out is tried"),
)


@dataclass(frozen=True)
class Checked:
    """Commands (a regular expression for the whole of one) that are looked at and not executed."""

    command: str
    reason: str
    how: Literal["make", "package", "extra", "script"]
    """``make``: the target is there, its recipe's programs, scripts, modules and folders are.
    ``package``: it is what `scripts/programs.sh` installs. ``extra``: it is an extra, and of a
    checkout: on the package index the project's name may be another's. ``script``: its help names
    every option."""


CHECKED = (
    Checked("make test", "runs this test", "make"),
    Checked("make test-portable", "runs this test", "make"),
    Checked(r"make test-races( RACES_\w+=(\"[\w/ ]+\"|[\w/]+))*", "minutes", "make"),
    Checked("make fuzz", "two minutes, and seconds of it are a part of `make test`", "make"),
    Checked("make check", "minutes, and part of `make test` anyway", "make"),
    Checked("make test-middleware", "part of `make test` anyway", "make"),
    Checked("make bench", "a minute, and 2 M transactions", "make"),
    Checked("make long", "minutes", "make"),
    Checked("make model", "minutes", "make"),
    Checked("make simulate", "half an hour", "make"),
    Checked(r"make chaos( CHAOS_\w+=[\w.]+)*", "up to 30 minutes", "make"),
    Checked(r"(\.venv/bin/)?python benchmarks/.*", "minutes, and 2 M transactions", "script"),
    Checked("apt install .*", "changes the machine", "package"),
    Checked("pip install .*", "changes the environment that runs the tests", "extra"),
)
STAND_INS = {
    "docker": "there is no container engine where tests run; see docker.py for what is checked",
    "kubectl": "there is no cluster where tests run; see kubectl.py for what is checked",
}
"""Programs that the sandbox replaces by one that checks its arguments."""
READY = "node.ready"


@dataclass(frozen=True)
class Stays:
    """A command that runs until SIGTERM ends it, with ``code``; awaited until it says ``ready``."""

    command: str
    ready: str
    code: int


STAYS = (
    Stays(r"(\.venv/bin/)?coffeeshop run-node .*--type .*", READY, 0),
    Stays(r"(\.venv/bin/)?coffeeshop serve.*", "coffeeshop is at ", 0),
    Stays(r"(\.venv/bin/)?coffeeshop logs [^|]*--follow.*", r"\S", 143),
)
NAMED_ONLY = {
    "kill -9": "what happens, not what to do",
    "ulimit -n": "a limit",
    "py-spy dump --native --pid PID": "a program of others, which a reader may have",
    "rabbitmqctl forget_cluster_node": "the private broker is no cluster",
    "rabbitmqctl join_cluster": "the private broker is no cluster",
    "rabbitmqctl cluster_status": "the private broker is no cluster",
    "rabbitmq-queues quorum_status": "the private broker is no cluster",
    "rabbitmq-queues grow NEW all": "the private broker is no cluster",
    "rabbitmq-streams delete_replica": "the private broker is no cluster",
    "rabbitmqctl delete_queue": "`coffeeshop doctor` says of what",
}
"""Code in sentences that looks like a command and is none."""
OTHER_OPTIONS = {"--write": "tests/chaos/campaign.py"}
"""Options named in a document that are not of the command line, and the file they are in."""


def typed(text: str, words: dict[str, str]) -> str:
    """The command as the sandbox runs it."""
    for each in SUBSTITUTIONS:
        text = re.sub(each.says, each.typed.format(**words), text)
    return text


def stays(command: str) -> Stays | None:
    """The row of `STAYS` for a command as it is written, if any."""
    return next((each for each in STAYS if re.fullmatch(each.command, command)), None)


def checked(command: str) -> Checked | None:
    """The row of `CHECKED` for a command, if any."""
    return next((each for each in CHECKED if re.fullmatch(each.command, command)), None)
