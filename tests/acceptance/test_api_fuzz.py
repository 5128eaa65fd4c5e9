"""The API against requests made up from its own description: no 5xx, nothing undocumented."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error

from coffeeshop.gateway import dependencies
from coffeeshop.gateway.admission import Limits
from coffeeshop.gateway.app import create_app
from coffeeshop.gateway.problems import MEDIA_TYPE
from coffeeshop.gateway.security.access import Access
from tests.running import Running, http, running

EXAMPLES = 60
"""Requests for each operation and kind of data."""
SECONDS = 40.0
"""That all of it may take."""
KINDS = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
STATUSES = frozenset((400, 404, 405, 406, 409, 410, 413, 415, 422, 429, 503))


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    limits = Limits(open_sessions=20)  # beyond it 503: the only server error there may be
    with running(node=False, limits=limits) as made:
        yield made


def operations() -> Iterator[tuple[str, str]]:
    app: Any = create_app(None, Access())  # type: ignore[arg-type]
    for path, methods in app.openapi()["paths"].items():
        for method in methods:
            if not path.endswith("/events"):  # its answer ends with the session
                yield method.upper(), path


OPERATIONS = list(operations())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.value)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_request_breaks_the_gateway(
    system: Running, monkeypatch: pytest.MonkeyPatch, method: str, path: str, kind: Any
) -> None:
    monkeypatch.setattr(dependencies, "NEWS_TIMEOUT", 0.0)
    with http(system) as api:
        schema = schemathesis.openapi.from_dict(api.get("/openapi.json").json())
        schema.config.base_url = system.url
        known = api.get("/v1/sessions", params={"state": "open", "limit": 1}).json()["sessions"]
        session = known[0]["id"] if known else api.post("/v1/sessions", json={}).json()["id"]
        operation = schema[path][method]
        if kind is KINDS[1] and not (operation.body or list(operation.iter_parameters())):
            pytest.skip("there is nothing to get wrong")
        made: list[str] = []
        ends = time.monotonic() + SECONDS / len(OPERATIONS)

        @seed(4)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=kind))
        def ask(case: Any) -> None:
            if made and time.monotonic() > ends:  # one at least, however slow the machine
                return
            made.append(case.method)
            if "session" in (case.path_parameters or {}) and len(made) % 3:
                case.path_parameters["session"] = session
            answer = case.call()
            checked(case, answer)

        ask()
        assert made
        assert api.get("/readyz").status_code == 200


def checked(case: Any, answer: Any) -> None:
    if answer.status_code == 503:
        assert "sessions are open" in answer.text or "being opened" in answer.text
    else:
        case.validate_response(answer, checks=[not_a_server_error])
    if answer.status_code >= 400 and "Invalid HTTP" not in answer.text:
        assert answer.status_code in STATUSES, answer.text
        assert answer.headers["content-type"] == [MEDIA_TYPE], answer.text
        assert len(answer.content) < 8_000
