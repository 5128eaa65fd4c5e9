"""deploy/kubernetes as values: an overlay as ``kubectl`` renders it, with secrets made for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tests.deploy.stack import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("small", "production")
OURS = ("gateway", "worker")
Resource = dict[str, Any]


def program(name: str) -> str:
    """A program that is installed beside this Python."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    assert found is not None, f"{name} is not installed beside this Python"
    return found


def make_secrets(root: Path) -> None:
    """Lay a checkout's manifests and scripts at ``root``, and run the script that makes secrets."""
    for folder in ("deploy/kubernetes", "scripts"):
        shutil.copytree(
            ROOT / folder,
            root / folder,
            # Nothing of the secrets of whoever works here.
            ignore=lambda at, names: {"files"} & set(names) if Path(at).name == "secrets" else (),
        )
    script = root / "scripts" / "kubernetes_secrets.sh"
    subprocess.run(["sh", str(script)], check=True, capture_output=True, timeout=30)


@cache
def rendered(overlay: str) -> str:
    """What ``kubectl kustomize`` says."""
    with TemporaryDirectory() as folder:
        make_secrets(Path(folder))
        at = Path(folder) / "deploy" / "kubernetes" / "overlays" / overlay
        done = subprocess.run(
            [program("kubectl"), "kustomize", str(at)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # warnings of what is deprecated
    return done.stdout


@cache
def resources(overlay: str) -> tuple[Resource, ...]:
    """The resources of an overlay. Not to be changed."""
    return tuple(yaml.safe_load_all(rendered(overlay)))


def named(overlay: str, kind: str, name: str | None = None) -> Resource:
    """The resource of that kind, and of that name where there are several."""
    (found,) = [
        each
        for each in resources(overlay)
        if each["kind"] == kind and name in (None, each["metadata"]["name"])
    ]
    return found


def of_kind(overlay: str, kind: str) -> dict[str, Resource]:
    """The resources of a kind, by name."""
    return {r["metadata"]["name"]: r for r in resources(overlay) if r["kind"] == kind}


def workloads(overlay: str) -> dict[str, Resource]:
    """Deployments and stateful sets, by name."""
    return of_kind(overlay, "Deployment") | of_kind(overlay, "StatefulSet")


def pod_of(workload: Resource) -> Resource:
    """The specification of its pods."""
    found: Resource = workload["spec"]["template"]["spec"]
    return found


def container_of(workload: Resource) -> Resource:
    """Its one container."""
    (container,) = pod_of(workload)["containers"]
    found: Resource = container
    return found


def environment(workload: Resource) -> dict[str, str]:
    """The variables of its container."""
    return {each["name"]: each["value"] for each in container_of(workload).get("env", ())}


def ports(workload: Resource) -> dict[str, int]:
    """The ports of its container, by name."""
    return {each["name"]: each["containerPort"] for each in container_of(workload)["ports"]}


def probes(workload: Resource) -> Iterator[tuple[str, Resource]]:
    """The probes of its container, by kind."""
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        yield kind, container_of(workload)[kind]


def mounted(workload: Resource) -> dict[str, tuple[str, str]]:
    """Where a container has which key of which secret or config map: path -> (name, key)."""
    found = {}
    volumes = {each["name"]: each for each in pod_of(workload)["volumes"]}
    for mount in container_of(workload)["volumeMounts"]:
        volume = volumes.get(mount["name"], {})
        source = volume.get("secret") or volume.get("configMap")
        if source is None:
            continue
        name = source.get("secretName") or source["name"]
        for item in source.get("items") or [{"key": None, "path": None}]:
            if "subPath" in mount:
                found[mount["mountPath"]] = name, item["key"] or mount["subPath"]
            elif item["path"] is not None:
                found[f"{mount['mountPath']}/{item['path']}"] = name, item["key"]
            else:
                found[mount["mountPath"]] = name, "*"
    return found
