"""The embedded system as a library."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from coffeeshop.actors import NodeSupervisor
from coffeeshop.errors import JournalGone
from coffeeshop.generate import generate
from coffeeshop.local import LocalSystem, NodeFailed
from coffeeshop.reading.folder import open_folder


def test_a_root_that_fails_after_the_upload_ends_the_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is left to finish the session, so waiting without a timeout must not last."""
    generate(tmp_path, transactions=100, seed=1)
    took = threading.Event()

    def failing(node: NodeSupervisor, *arguments: object) -> None:
        took.set()
        raise RuntimeError("the root itself")

    monkeypatch.setattr(NodeSupervisor, "_assigned", failing)
    with LocalSystem() as system, pytest.raises(NodeFailed, match="the root itself"):
        system.analyse(open_folder(tmp_path), timeout=None)
    assert took.is_set()


def test_a_session_that_is_released_meanwhile_ends_the_wait(tmp_path: Path) -> None:
    generate(tmp_path, transactions=100, seed=1)
    with LocalSystem() as system:

        def release(query: str) -> None:
            for name in system.transport.names():  # type: ignore[attr-defined]
                if name.startswith("out."):
                    system.transport.delete_journal(name)

        with pytest.raises(JournalGone):
            system.analyse(open_folder(tmp_path), on_complete=release)
