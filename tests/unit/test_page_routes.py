"""The web page as it is served, and what it asks of the gateway."""

from __future__ import annotations

import http.client
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from coffeeshop.client.remote import analyse
from coffeeshop.gateway import dependencies
from coffeeshop.gateway import pages as pages_module
from coffeeshop.gateway.pages import pages
from coffeeshop.gateway.routes.page import CSP
from coffeeshop.gateway.traffic import REMEMBERED, Traffic
from coffeeshop.generate import generate
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.reading.folder import open_folder
from tests.oracle import answers
from tests.running import Running, eventually, new_id, running
from tests.running import http as plain

STATIC = Path(pages_module.__file__).parent / "static"
FILES = sorted(str(f.relative_to(STATIC)) for f in STATIC.rglob("*") if f.is_file())


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def api(system: Running) -> Iterator[httpx.Client]:
    with plain(system) as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pages") / "shop"
    generate(made, transactions=2_000, seed=51)
    return made


@pytest.fixture(scope="module")
def completed(system: Running, folder: Path) -> str:
    spec = SessionSpec(new_id())
    analyse(system.client(), open_folder(folder), spec)
    return spec.id


def test_the_page_is_served_with_a_policy_that_lets_nothing_else_in(api: httpx.Client) -> None:
    answer = api.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == CSP
    assert CSP == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-cache"


def test_the_page_has_nothing_inline_and_asks_nobody_else(api: httpx.Client) -> None:
    text = api.get("/").text
    for forbidden in ("style=", "<style", "onclick", "onload", "http://", "https://", "//"):
        assert forbidden not in text
    assert "<script type=" in text
    assert "<script>" not in text


@pytest.mark.parametrize("path", FILES)
def test_every_file_is_served_as_it_is_with_its_type(api: httpx.Client, path: str) -> None:
    answer = api.get(f"/static/{path}")
    assert answer.status_code == 200
    assert answer.content == (STATIC / path).read_bytes()
    kind = pages_module.MEDIA_TYPES[Path(path).suffix]
    assert answer.headers["content-type"] == kind
    assert answer.headers["content-security-policy"] == CSP
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_modules_are_small_and_their_libraries_come_with_licences() -> None:
    assert "vendor/chartjs/LICENSE.md" in FILES
    for path in FILES:
        if path.endswith((".js", ".html")) and not path.startswith("vendor"):
            if path != "js/language/es.js":  # a dictionary is a list of texts, and no program
                assert (STATIC / path).read_text().count("\n") < 250, path
            assert "innerHTML" not in (STATIC / path).read_text()


def test_a_file_that_is_known_already_is_not_sent_again(api: httpx.Client) -> None:
    for path in ("/", "/static/js/main.js"):
        etag = api.get(path).headers["etag"]
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            answer = api.get(path, headers={"If-None-Match": known})
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == etag
            assert answer.headers["cache-control"] == "no-cache"
        answer = api.get(path, headers={"If-None-Match": '"other"'})
        assert answer.status_code == 200
        assert answer.content


def test_a_head_has_the_headers_and_no_body(api: httpx.Client) -> None:
    answer = api.head("/")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) == len(api.get("/").content)


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/nothing.js",
        "/static/js",
        "/static/js/",
        "/static/../pages.py",
        "/static/js/../../pages.py",
        "/static/%2e%2e/pages.py",
        "/static/..%2fpages.py",
        "/static/..%5cpages.py",
        "/static//etc/passwd",
        "/static/%2fetc/passwd",
        "/static/js/main.js%00",
        "/index.html",
    ],
)
def test_no_other_file_can_be_reached(system: Running, path: str) -> None:
    # As it stands: a client library would tidy the path up.
    connection = http.client.HTTPConnection("127.0.0.1", system.gateways[0].port, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert b"root:" not in body


def test_files_are_read_once() -> None:
    assert pages() is pages()


def test_the_overview_has_sessions_nodes_and_figures(
    api: httpx.Client, system: Running, completed: str
) -> None:
    open_one = new_id()
    system.client().open(SessionSpec(open_one, "staged", partitions=3), "an open one")
    found = api.get("/v1/overview", params={"limit": 1}).json()
    assert found["sessions_total"] == 2
    assert [each["id"] for each in found["sessions"]] == [open_one]
    shown = found["sessions"][0]
    assert shown["stages"] == {
        "filter_year": 3,
        "filter_hour": 3,
        "filter_amount": 3,
        **{f"aggregator_query{n}": 1 for n in (1, 2, 3, 4)},
    }
    assert (shown["results"], shown["flow"], shown["journal_bytes"]) == ([], {}, 0)
    assert found["status"]["sessions_completed"] == 1
    assert found["nodes"][0]["types"] == ["worker"]
    assert found["you"] == {"name": "", "admin": True}
    ids = [each["id"] for each in api.get("/v1/overview").json()["sessions"]]
    assert ids == [open_one, completed]
    system.client().delete(open_one)


def test_an_open_session_is_shown_however_old_it_is(api: httpx.Client, system: Running) -> None:
    older, newer = new_id(), new_id()
    for each in (older, newer):
        system.client().open(SessionSpec(each))
    shown = api.get("/v1/overview", params={"limit": 1}).json()
    assert [each["id"] for each in shown["sessions"]] == [newer]
    assert {older, newer} <= {each["id"] for each in shown["open"]}
    for each in (older, newer):
        system.client().delete(each)


def test_a_session_tells_what_came_in_by_table(api: httpx.Client, completed: str) -> None:
    found = api.get(f"/v1/overview/sessions/{completed}").json()
    assert found["state"] == "completed"
    assert len(found["results"]) == 5
    assert found["flow"]["transactions"]["rows"] == 2_000
    assert found["flow"]["stores"]["batches"] == found["tables"]["stores"]["0"]
    assert found["flow"]["users"]["bytes"] > 0


def test_a_batch_that_is_sent_twice_counts_once(api: httpx.Client, system: Running) -> None:
    session = new_id()
    system.client().open(SessionSpec(session))
    path = f"/v1/sessions/{session}/tables/stores/batches/0"
    for _ in range(2):
        text = "store_id,store_name\n1,here\n2,there\n"
        assert api.put(path, content=text, headers={"Content-Type": "text/csv"}).is_success
    found = api.get(f"/v1/overview/sessions/{session}").json()["flow"]
    assert (found["stores"]["batches"], found["stores"]["rows"]) == (1, 2)
    system.client().delete(session)


def test_a_session_that_does_not_exist_is_not_shown(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dependencies, "NEWS_TIMEOUT", 0.02)
    for path in ("", "/warnings"):
        assert api.get(f"/v1/overview/sessions/{new_id()}{path}").status_code == 404
    assert api.get(f"/v1/sessions/{new_id()}/downloads/query1.csv").status_code == 404
    assert api.get("/v1/overview/sessions/nonsense").status_code == 422


def test_results_can_be_downloaded_by_a_link(
    api: httpx.Client, completed: str, folder: Path
) -> None:
    answer = api.get(f"/v1/sessions/{completed}/downloads/query3.csv")
    assert answer.text == answers(folder)["query3.csv"]
    assert answer.headers["content-disposition"] == 'attachment; filename="query3.csv"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    for suffix, kind in (("json", "application/json"), ("parquet", "vnd.apache.parquet")):
        other = api.get(f"/v1/sessions/{completed}/downloads/query3.{suffix}")
        assert kind in other.headers["content-type"]
    for wrong in ("query3.exe", "query9.csv", "query3"):
        assert not api.get(f"/v1/sessions/{completed}/downloads/{wrong}").is_success


def test_warnings_are_told_once_the_session_is_completed(
    api: httpx.Client, system: Running, completed: str, folder: Path, tmp_path: Path
) -> None:
    assert api.get(f"/v1/overview/sessions/{completed}/warnings").json() == {"warnings": []}
    spec = SessionSpec(new_id())
    system.client().open(spec)
    assert api.get(f"/v1/overview/sessions/{spec.id}/warnings").status_code == 409
    for table in ("users", "stores", "menu_items", "transactions", "transaction_items"):
        texts = [f.read_bytes() for f in sorted((folder / table).iterdir())]
        if table == "stores":
            texts = [texts[0].splitlines(keepends=True)[0]]
        for number, text in enumerate(texts):
            path = f"/v1/sessions/{spec.id}/tables/{table}/batches/{number}"
            assert api.put(path, content=text, headers={"Content-Type": "text/csv"}).is_success
        system.client().end_table(spec.id, table, "0", len(texts))
    assert list(system.client().events(spec.id))[-1].name == "completed"
    # The events may tell of the end before it is in the list of sessions, as for the page.
    known = system.client()
    eventually(lambda: known.session(spec.id)["state"] == "completed", "it is completed")
    told = api.get(f"/v1/overview/sessions/{spec.id}/warnings").json()["warnings"]
    assert len(told) == len(set(told)) > 0
    assert "store" in told[0]


def test_the_flow_remembers_the_sessions_that_were_fed_last() -> None:
    traffic = Traffic()
    traffic.count_stored("first", "users", 1, 10)
    for number in range(REMEMBERED - 1):
        traffic.count_stored(str(number), "users", 1, 10)
    traffic.count_stored("first", "users", 2, 5)
    traffic.count_stored("one more", "users", 1, 10)
    assert traffic.of("first") == {"users": {"batches": 2, "rows": 3, "bytes": 15}}
    assert traffic.of("0") == {}


def test_all_results_come_in_one_file_of_every_kind(
    api: httpx.Client, folder: Path, completed: str
) -> None:
    expected = answers(folder)
    answer = api.get(f"/v1/sessions/{completed}/downloads.csv.zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="results.csv.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == expected
    spanish = api.get(f"/v1/sessions/{completed}/downloads.es.csv.zip")
    with zipfile.ZipFile(io.BytesIO(spanish.content)) as archive:
        assert archive.read("query3.es.csv").startswith(b"\xef\xbb\xbfyear_half_created_at;")
    workbook = api.get(f"/v1/sessions/{completed}/downloads.xlsx")
    with zipfile.ZipFile(io.BytesIO(workbook.content)) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/sheet")]
    assert len(sheets) == len(expected)
    report = api.get(f"/v1/sessions/{completed}/downloads.html")
    assert report.headers["content-type"] == "text/html; charset=utf-8"
    assert f'<code class="breaking">{completed}</code>' in report.text


def test_no_file_of_all_results_comes_before_their_time(system: Running, api: httpx.Client) -> None:
    session = new_id()
    system.client().open(SessionSpec(session))
    assert api.get(f"/v1/sessions/{session}/downloads.xlsx").status_code == 409
    assert api.get(f"/v1/sessions/{session}/downloads.exe").status_code == 422
    system.client().cancel(session)
    archive = f"/v1/sessions/{session}/downloads.csv.zip"
    eventually(lambda: api.get(archive).status_code == 410, "the session is over")
