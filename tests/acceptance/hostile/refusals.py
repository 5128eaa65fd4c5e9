"""How the gateway has to refuse what nobody should send."""

from __future__ import annotations

import httpx2 as httpx

ARROW = "application/vnd.apache.arrow.stream"


def refused(answer: httpx.Response, *statuses: int) -> str:
    assert answer.status_code in statuses, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 4_000
    assert "Traceback" not in answer.text
    return answer.text
