"""Single modules of the page, run in the browser with data made to break them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from coffeeshop.pipeline.messages import SessionSpec
from tests.browser.conftest import Open
from tests.browser.watched import Watched
from tests.running import Running, new_id

ROWS = 100_000
FLUID = 1_000
"""Milliseconds until a search among all rows shows."""
SEARCH = """(text) => new Promise((resolve) => {
    const field = document.querySelector("#purchase-search");
    const status = field.closest(".stack").querySelector("[role=status]");
    const began = performance.now();
    new MutationObserver((_, observer) => {
        observer.disconnect();
        resolve([performance.now() - began, status.textContent]);
    }).observe(status, { childList: true, characterData: true, subtree: true });
    field.value = text;
    field.dispatchEvent(new Event("input"));
})"""
"""Search for a text; how long that took in the page, and what it says was found."""


@pytest.fixture(scope="module")
def module(system: Running, browser: Browser) -> Iterator[Watched]:
    """A page for all tests that leave it as it is."""
    watched = Watched(browser, system.url)
    watched.page.goto(system.url)
    yield watched
    watched.close()
    watched.check()


def test_results_are_read_with_their_quotes(module: Watched) -> None:
    text = 'a,b\n1,"x, ""y"""\n"two\nlines",\n'
    rows = module.page.evaluate(
        """async (text) => {
            const { allRows, rowsOf } = await import("/static/js/csv.js");
            const plain = allRows(rowsOf("a,b\\n1,2\\n3,\\n"));
            return [allRows(rowsOf(text)), plain, rowsOf("a\\n").length];
        }""",
        text,
    )
    assert rows == [[["1", 'x, "y"'], ["two\nlines", ""]], [["1", "2"], ["3", ""]], 0]


def test_control_characters_in_names_are_shown_and_not_obeyed(module: Watched) -> None:
    text = "a,b\n1,No\x1b[2Jrth\n2,\u202eyz\n3,Caf\u00e9 \u5496\n"
    rows = module.page.evaluate(
        """async (text) => {
            const { allRows, rowsOf } = await import("/static/js/csv.js");
            return allRows(rowsOf(text));
        }""",
        text,
    )
    assert rows == [["1", r"No\x1b[2Jrth"], ["2", r"\u202eyz"], ["3", "Caf\u00e9 \u5496"]]


LINES = """([query, text]) => Promise.all([
    import(`/static/js/results/${query}.js`), import("/static/js/csv.js"),
]).then(([made, { rowsOf }]) => {
    const { nodes } = made[query].build([rowsOf(text)], new AbortController().signal);
    const lines = nodes.at(-1).querySelectorAll("tbody tr");
    return [...lines].map((line) => [...line.cells].map((cell) => cell.textContent));
})"""


def test_stores_of_one_name_have_a_row_each(module: Watched) -> None:
    rows = ["2024-H1,Kiosk,7.00", "2024-H1,Twin,1.50", "2024-H1,Twin,2.25", "2024-H2,Twin,4.00"]
    text = "half,store,tpv\n" + "\n".join([*rows, "2024-H2,,9.00"]) + "\n"
    assert module.page.evaluate(LINES, ["query3", text]) == [
        ["(unknown store)", "–", "9.00", "9.00", "–"],
        ["Kiosk", "7.00", "–", "7.00", "–"],
        ["Twin (1)", "1.50", "4.00", "5.50", "+166.7%"],
        ["Twin (2)", "2.25", "–", "2.25", "–"],
    ]


def test_every_leader_is_shown_though_stores_share_a_name(module: Watched) -> None:
    counts = [("Kiosk", 2), *(("Twin", n) for n in (9, 7, 7, 5, 4)), ("Twin", 8)]
    lines = [f"{name},1980-01-{n:02d},{count}" for n, (name, count) in enumerate(counts, 1)]
    text = "store,birthdate,count\n" + "\n".join(lines) + "\n"
    shown = module.page.evaluate(LINES, ["query4", text])
    assert [[name, int(count)] for name, _, count in shown] == [
        ["Kiosk", 2],
        *(["Twin (1)", n] for n in (9, 7, 7)),
        *(["Twin (2)", n] for n in (5, 4)),
        ["Twin (3)", 8],
    ]


def test_of_many_items_eight_have_a_colour_and_none_share_one(module: Watched) -> None:
    month = [f"20{24 + n // 12}-{n % 12 + 1:02d}" for n in range(24)]
    item = [f"item {n % 16}" for n in range(24)]
    text = "month,item,value\n" + "".join(f"{m},{i},5\n" for m, i in zip(month, item, strict=True))
    sets = module.page.evaluate(
        """async (text) => {
            const { query2 } = await import("/static/js/results/query2.js");
            const { rowsOf } = await import("/static/js/csv.js");
            const { load } = await import("/static/js/charts/library.js");
            const Chart = await load();
            const made = query2.build([rowsOf(text), rowsOf(text)], new AbortController().signal);
            const place = document.body.appendChild(document.createElement("div"));
            place.append(...made.nodes);
            await made.shown();
            const { datasets } = Chart.getChart(place.querySelector("canvas")).data;
            place.remove();
            return datasets.map(({ label, backgroundColor: fill, data }) =>
                [label, fill, data.filter((each) => each !== null).length]);
        }""",
        text,
    )
    assert [count for _, _, count in sets] == [2] * 8 + [8]
    assert sets[-1][0] == "Other items"
    assert len({fill for _, fill, _ in sets}) == 9


def test_a_long_name_takes_two_short_lines(module: Watched) -> None:
    for name in ("A" * 120, "Café Ñandú — Peatonal Córdoba 1234, esquina San Martín", "short"):
        lines = module.page.evaluate(
            'async (n) => (await import("/static/js/charts/chart.js")).broken(n, 24)', name
        )
        assert len(lines) <= 2
        assert all(len(line) <= 24 for line in lines)
        assert (name == "short") is (lines == ["short"])


def test_bins_hold_every_number_once(module: Watched) -> None:
    for numbers in ([75.0], [75.0, 75.0], [75.0, 80.001], [75.0, 1e6], [93.4, 93.5]):
        found = module.page.evaluate(
            'async (n) => (await import("/static/js/charts/bins.js")).binned(n, 75)', numbers
        )
        assert sum(found["counts"]) == len(numbers)
        assert len(found["counts"]) <= 27
        assert found["edges"][0] == 75
        assert found["edges"][-1] > max(numbers) * (1 - 1e-12)


def test_a_hundred_thousand_purchases_are_searched_and_sorted_at_once(
    system: Running, open_page: Open
) -> None:
    page = open_page(system.url, None).page
    text = "transaction_id,final_amount\n" + "".join(
        f"{n:08d}-0000-4000-8000-000000000000,{75 + n % 1000}.0\n" for n in range(ROWS)
    )
    session = new_id()
    system.client().open(SessionSpec(session), "large")
    page.route(
        f"**/v1/overview/sessions/{session}",
        lambda route: route.fulfill(
            json={**route.fetch().json(), "results": ["query1"]},
        ),
    )
    page.route("**/downloads/query1.csv", lambda route: route.fulfill(body=text))
    page.goto(f"{system.url}/#/sessions/{session}/q1")
    status = page.get_by_text("1 to 25 of 100,000 purchases")
    expect(status).to_be_visible()
    assert page.locator("main tbody tr").count() < 60
    tries = [
        page.evaluate(SEARCH, text) for text in ("00099999", "no such", "00099998", "nor this")
    ]
    assert [said for _, said in tries[::2]] == ["1 to 1 of 1 purchase"] * 2
    # The best of them: others that work on this machine can make one slow, and no more.
    assert min(took for took, _ in tries) < FLUID
    page.get_by_label("Search id or amount").fill("")
    page.get_by_label("Order").select_option("Largest first")
    expect(page.get_by_role("cell", name="00000999-")).to_be_visible()
    page.get_by_role("button", name="Last", exact=True).click()
    expect(page.get_by_text("99,976 to 100,000 of 100,000 purchases")).to_be_visible()
    page.get_by_label("Search id or amount").fill("nothing like it")
    expect(page.get_by_text("Nothing found")).to_be_visible()


def test_ids_are_random_uuids_of_version_four(module: Watched) -> None:
    found = module.page.evaluate(
        'async () => { const { newId } = await import("/static/js/upload/uploads.js");'
        " return [newId(), newId()]; }"
    )
    assert len(set(found)) == 2
    assert all(uuid.UUID(each).version == 4 for each in found)
