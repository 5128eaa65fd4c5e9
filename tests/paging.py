"""What the page does with a folder, in Python: the names first, then every file step by step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx

from coffeeshop.schema import TABLES


class Refusal(Exception):
    """What the gateway refuses, in its words."""


def described(api: httpx.Client, folder: Path) -> dict[str, Any]:
    """What the gateway says of a folder's names."""
    files = [
        {"path": f"{folder.name}/{file.relative_to(folder)}", "size": file.stat().st_size}
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    ]
    answer = api.post("/v1/folder", json={"files": files})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def steps(
    api: httpx.Client, session: str, table: str, file: dict[str, Any], content: bytes, batch: int
) -> Iterator[dict[str, Any]]:
    """Send a file; gives the answers."""
    step = file["step"]
    while step is not None:
        answer = api.put(
            f"/v1/sessions/{session}/tables/{table}/files",
            params={
                "path": file["path"],
                "size": file["size"],
                "step": step["text"],
                "batch": batch,
            },
            content=b"".join(content[start : start + length] for start, length in step["ranges"]),
        )
        if answer.status_code == 422:
            raise Refusal(answer.text)
        assert answer.status_code == 200, answer.text
        yield answer.json()
        batch += answer.json()["batches"]
        step = answer.json()["step"]


def sent(api: httpx.Client, session: str, folder: Path) -> tuple[dict[str, int], list[str]]:
    """Send a folder to an open session; the rows of each table and all warnings.

    Raises `Refusal` where the page would stop.
    """
    plan = described(api, folder)
    if plan["problems"]:
        raise Refusal(str(plan["problems"]))
    rows = dict.fromkeys(TABLES, 0)
    warnings = list(plan["warnings"])
    for table in TABLES:
        batch = 0
        for file in plan["tables"][table]:
            content = (folder.parent / file["path"]).read_bytes()
            for answer in steps(api, session, table, file, content, batch):
                batch += answer["batches"]
                rows[table] += answer["rows"]
                warnings += answer["warnings"]
        end = api.put(f"/v1/sessions/{session}/tables/{table}/eof", json={"batches": batch})
        assert end.status_code == 204, end.text
    return rows, warnings
