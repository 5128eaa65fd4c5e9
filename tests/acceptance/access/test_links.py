"""Read-only links: who has one sees that session's results, until it ends, and nothing else."""

from __future__ import annotations

import re

import pytest

from tests.acceptance.access.requests import ALICE, BOB, refused
from tests.running import Running, http


def link(system: Running, session: str, seconds: float = 3_600) -> str:
    with http(system, token=ALICE) as api:
        made = api.post(f"/v1/sessions/{session}/links", json={"seconds": seconds})
    assert made.status_code == 201, made.text
    found = made.json()
    assert found["session"] == session
    return str(found["path"])


def test_a_link_shows_the_results_and_gives_the_files_without_a_token(
    system: Running, completed: str
) -> None:
    path = link(system, completed)
    with http(system) as anybody, http(system, token=ALICE) as alice:
        page = anybody.get(path)
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "private, no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        files = re.findall(r'href="([^"]+\.csv)"', page.text)
        assert len(files) == 5
        for name in files:  # relative to the page's address
            query = name.rpartition("/")[2].removesuffix(".csv")
            found = anybody.get(f"{path.rpartition('/')[0]}/{name}")
            assert found.content == alice.get(f"/v1/sessions/{completed}/results/{query}").content
        assert anybody.get(f"{path}/query3.xlsx").content.startswith(b"PK")


def test_a_link_opens_nothing_else(system: Running, completed: str) -> None:
    path = link(system, completed)
    token = path.rpartition("/")[2]
    with http(system, token=token) as bearer:
        refused(bearer.get(f"/v1/sessions/{completed}"), 401)
        refused(bearer.post(f"/v1/sessions/{completed}/cancel"), 401)
    with http(system) as anybody:
        for method in ("POST", "PUT", "DELETE"):
            refused(anybody.request(method, path), 401)
        assert anybody.get(f"{path}/query9.csv").status_code == 404


def test_a_wrong_link_says_no_more_than_one_to_no_session(system: Running, completed: str) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    with http(system) as anybody:
        answers = [anybody.get(f"/shared/{each}/x") for each in (completed, nobody)]
    for each in answers:
        refused(each, 404)
    assert answers[0].json() == answers[1].json()


def test_only_who_sees_a_session_shares_it_and_ends_its_links(
    system: Running, completed: str
) -> None:
    path = link(system, completed)
    address = f"/v1/sessions/{completed}/links"
    with http(system, token=BOB) as bob, http(system, token=ALICE) as alice:
        refused(bob.post(address), 404)
        refused(bob.delete(address), 404)
        assert bob.get(path).status_code == 200
        assert alice.delete(address).status_code == 204
        refused(bob.get(path), 404)
        assert alice.get(link(system, completed)).status_code == 200


@pytest.mark.parametrize("seconds", [0, -1, 1e9])
def test_a_link_for_no_time_or_for_ever_is_refused(
    system: Running, completed: str, seconds: float
) -> None:
    with http(system, token=ALICE) as api:
        refused(api.post(f"/v1/sessions/{completed}/links", json={"seconds": seconds}), 422)
