"""The sandbox's ``kubectl``: the real one, that finds no cluster.

It knows its commands and options, and reads the folders of ``-k``, before it looks for a cluster.
What fails only then is right, if the things that it names are those of the manifests.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence

from tests.deploy.kubernetes import OVERLAYS, named, program, resources

NOWHERE = ("--server", "http://127.0.0.1:1")
NO_CLUSTER = "127.0.0.1:1 was refused"
BROKERS = "rabbitmq-server-"


def main(arguments: Sequence[str]) -> int:
    """Check ``kubectl ARGUMENTS``; the exit code."""
    if unknown := [each for each in arguments if not is_known(each)]:
        return _no(f"no such thing in the manifests: {' '.join(unknown)}")
    if "-n" in arguments and arguments[arguments.index("-n") + 1] != namespace():
        return _no("no such namespace")
    if len(arguments) > 1 and arguments[0] in ("apply", "delete") and arguments[1] == "-k":
        return _run("kustomize", arguments[2])  # the API server would say the rest
    return _run(*NOWHERE, *arguments)


def namespace() -> str:
    """Where everything is."""
    return str(named(OVERLAYS[0], "Namespace")["metadata"]["name"])


def is_known(word: str) -> bool:
    """Whether a word is no name, or one of the manifests or of what becomes of them."""
    kind, slash, name = word.partition("/")
    if slash and re.fullmatch(r"[a-z]+", kind) and "=" not in word:
        there = {(r["kind"].lower(), r["metadata"]["name"]) for o in OVERLAYS for r in resources(o)}
        kinds = {kind for kind, _ in there}
        return kind not in kinds or (kind, name) in there
    if match := re.search(rf"{BROKERS}(\d+)", word):
        return int(match[1]) < named("production", "RabbitmqCluster")["spec"]["replicas"]
    return True


def _run(*arguments: str) -> int:
    done = subprocess.run(
        [program("kubectl"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode == 0 or NO_CLUSTER in done.stderr:
        return 0
    return _no(done.stderr)


def _no(reason: str) -> int:
    print(f"kubectl: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
