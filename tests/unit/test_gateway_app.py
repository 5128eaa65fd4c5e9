"""The gateway's application before its first request."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from coffeeshop.gateway.app import create_app
from coffeeshop.gateway.security.access import Access


def test_no_request_waits_for_handlers_to_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    init = TypeAdapter.__init__

    def counted(self: Any, *args: Any, **how: Any) -> None:
        made.append(args)
        init(self, *args, **how)

    monkeypatch.setattr(TypeAdapter, "__init__", counted)
    app = create_app(None, Access())  # type: ignore[arg-type]
    before = len(made)
    assert before > len(app.router.routes)
    scope = {"method": "GET", "path": "/v1/sessions/x", "root_path": "", "headers": []}
    assert any(route.matches({"type": "http", **scope})[0].value for route in app.router.routes)
    assert len(made) == before
