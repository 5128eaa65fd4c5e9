"""Clients that behave, and one that does not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.codec import encode
from coffeeshop.pipeline.messages import SessionSpec
from tests.unit.helpers import TRANSACTIONS

SOURCE = str(Path(__file__).parents[2])


def submit(
    url: str, folder: Path, out: Path, *options: str, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """A client of the gateway at ``url`` in a process of its own."""
    arguments = ["submit", "--quiet", "--data-folder", str(folder), "--output-dir", str(out)]
    return subprocess.Popen(
        [sys.executable, "-m", "coffeeshop", *arguments, *options],
        env={
            **os.environ,
            "PYTHONPATH": SOURCE,
            "COFFEESHOP_GATEWAY": url,
            **(environment or {}),
        },
        stderr=subprocess.PIPE,
        text=True,
    )


def poison(client: GatewayClient, other: GatewayClient, spec: SessionSpec) -> None:
    """Two contents under one id, by two gateways: neither can tell, the task must."""
    client.open(spec)
    other.open(spec)
    for each, batch in zip((client, other), TRANSACTIONS, strict=True):
        each.put_batch(spec.id, "transactions", "0", 0, encode(batch))
