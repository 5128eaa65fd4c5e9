"""Read-only links: who has one sees that session's results, until it ends, and nothing else."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import httpx2 as httpx
import pytest
from structlog.testing import capture_logs

import coffeeshop
from coffeeshop.client.remote import analyse
from coffeeshop.errors import UsageError
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.reading.folder import open_folder
from tests.acceptance.access.requests import ALICE, BOB, refused
from tests.acceptance.command import found, ok, runner
from tests.running import Running, eventually, http, new_id, running


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
        assert page.text.count('/all.csv.zip"') == 1
        together = anybody.get(f"{path}/all.csv.zip")
        assert together.headers["cache-control"] == "private, no-store"
        with zipfile.ZipFile(io.BytesIO(together.content)) as archive:
            assert len(archive.namelist()) == 5


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


def test_every_replica_honours_a_link_that_another_made_and_its_end(
    system: Running, completed: str
) -> None:
    path = link(system, completed)
    with http(system, 1) as other, http(system, 1, token=ALICE) as alice:
        eventually(lambda: other.get(path).status_code == 200, "the link holds at both")
        assert alice.delete(f"/v1/sessions/{completed}/links").status_code == 204
    with http(system) as first:
        eventually(lambda: first.get(path).status_code == 404, "the link holds at none")


def test_a_link_ends_by_the_clock(
    system: Running, completed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = system.gateways[0].sessions
    path = link(system, completed, 600)
    now = sessions.wall()
    with http(system) as anybody:
        for later, status in ((0, 200), (590, 200), (610, 404)):
            monkeypatch.setattr(sessions, "wall", lambda later=later: now + later)
            assert anybody.get(path).status_code == status, later
            assert anybody.head(path).status_code == status, later


def test_the_log_of_the_gateway_has_no_link(
    system: Running,
    completed: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = link(system, completed)

    def broken() -> float:
        raise ValueError("a bug")

    monkeypatch.setattr(system.gateways[0].sessions, "wall", broken)
    with capture_logs() as told, http(system) as anybody:
        assert anybody.get(path).status_code == 500
    assert [each["path"] for each in told if each["event"] == "gateway.bug"] == ["/shared/"]
    assert path.rpartition("/")[2] not in str(told)


def test_the_command_and_the_library_share_where_no_tokens_are(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nonexistent")
    with running() as free:
        spec = SessionSpec(new_id())
        client = free.client()
        analyse(client, open_folder(data), spec)
        eventually(lambda: client.session(spec.id)["state"] == "completed", "its end is known")
        run = runner(tmp_path, COFFEESHOP_GATEWAY=free.url)
        shared = run("share", spec.id, "--for", "12h")
        url = ok(shared).strip()
        assert "those who have it see the results until" in shared.stderr
        assert httpx.get(url).status_code == 200
        told = found(run("share", spec.id, "--for", "30m", "--json"))
        assert told["session"] == spec.id
        assert 0 < told["until"] - free.gateways[0].sessions.wall() <= 1_800
        quiet = run("share", spec.id, "-q")
        assert (ok(quiet).startswith(free.url), quiet.stderr) == (True, "")
        with coffeeshop.Client(free.url) as library:
            session = library.get(spec.id)
            links = [url, told["url"], quiet.stdout.strip(), session.share(days=1)]
            assert [httpx.get(each).status_code for each in links] == [200] * 4
            assert "no link" in ok(run("share", spec.id, "--end"))
            assert [httpx.get(each).status_code for each in links] == [404] * 4
            later = session.share()
            session.unshare()
            assert httpx.get(later).status_code == 404


def test_a_session_of_this_process_cannot_be_shared(data: Path) -> None:
    with coffeeshop.Client("memory:") as here:
        session = here.submit(data, wait=False)
        session.result(timeout=60)
        with pytest.raises(UsageError, match="only a session of a gateway"):
            session.share()
        with pytest.raises(UsageError, match="only a session of a gateway"):
            session.unshare()
