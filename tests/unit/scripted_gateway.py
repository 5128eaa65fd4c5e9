"""A gateway that answers what it was told to, to a client for whom sleeping takes no time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2 as httpx

from coffeeshop.client.gateway import GatewayClient

Answer = httpx.Response | Exception | Callable[[], httpx.Response]
DOWN = httpx.ConnectError("connection refused")


class Time:
    """Sleeping takes no time, but time passes."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


class Gateway:
    """Answers what it was told to, the last answer for ever."""

    def __init__(self, *answers: Answer, patience: float = 60.0) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.time = Time()
        http = httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(self.answer))
        self.client = GatewayClient(
            "http://gateway", patience=patience, sleep=self.time.sleep, now=self.time.now, http=http
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer

    @property
    def calls(self) -> list[str]:
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]


def problem(status: int, detail: str = "no", later: int | None = None, **more: Any) -> Any:
    headers = {} if later is None else {"Retry-After": str(later)}
    return httpx.Response(status, json={"detail": detail, **more}, headers=headers)


def ok(**found: Any) -> httpx.Response:
    return httpx.Response(200, json=found)
