"""The page in Spanish: by the browser's language, or by the button; nothing stays in English."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.test_looks import NARROW, OVERFLOW, violations
from tests.browser.test_session import drawn
from tests.running import Running

OWN = "select hour(created_at) as hour, count(*) as sales from transactions group by all"
TABS = ("Síntesis", "Compras grandes", "Más vendidos", "Facturación", "Clientes")


def untranslated(page: Page) -> list[str]:
    """Texts that the page has shown and has no translation of."""
    found: list[str] = page.evaluate(
        'async () => (await import("/static/js/language/language.js")).untranslated()'
    )
    return found


def test_the_whole_way_from_a_folder_to_an_answer_is_in_the_browsers_language(
    system: Running, open_page: Open, dirs: Path
) -> None:
    watched = open_page(system.url, locale="es-AR", viewport=NARROW)
    page = watched.page
    expect(page.locator("html")).to_have_attribute("lang", "es")
    expect(page.get_by_role("heading", name="De un vistazo")).to_be_visible()
    page.get_by_role("button", name="Nuevo análisis").press("Enter")
    page.locator("#pick-folder").set_input_files(dirs)
    expect(page.get_by_text("Listo para empezar.")).to_be_visible()
    assert violations(page) == []
    page.get_by_label("Otras preguntas").press("Space")
    page.get_by_role("checkbox", name="Facturación, ventas y ticket promedio por mes").press(
        "Space"
    )
    page.get_by_label("SQL", exact=True).press_sequentially(OWN)
    page.get_by_role("button", name="Iniciar el análisis").press("Enter")
    watched.expect_state("Completada")
    expect(page.get_by_role("rowheader", name="domingo")).to_be_visible()
    assert page.evaluate(OVERFLOW) <= 0
    page.get_by_role("tab", name="Síntesis").press("End")
    _, [sales] = drawn(page, "Own1: Ventas")
    assert sum(sales) == 3_000
    assert violations(page) == []
    page.get_by_role("tab", name="Own1").press("ArrowLeft")
    expect(page.get_by_role("columnheader", name="Facturación")).to_be_visible()
    expect(page.get_by_role("row", name="Total 3.000")).to_be_visible()
    assert violations(page) == []
    assert page.evaluate(OVERFLOW) <= 0
    page.get_by_role("button", name="Borrar", exact=True).click()
    page.get_by_role("button", name="Volver").click()
    assert untranslated(page) == []


def test_the_language_is_switched_where_one_is_and_kept(
    system: Running, open_page: Open, dirs: Path
) -> None:
    watched = open_page(system.url)
    page = watched.page
    watched.upload(dirs, "Open")
    watched.expect_state("Completed")
    page.get_by_role("button", name="Español").press("Enter")
    watched.expect_state("Completada")
    expect(page.get_by_role("button", name="English")).to_be_focused()
    expect(page.get_by_role("heading", level=1)).to_have_text("Open")  # a name is no text of ours
    for name in TABS:
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_role("tabpanel").locator("canvas").first).to_be_visible()
    assert untranslated(page) == []
    page.reload()
    expect(page.get_by_role("tab", name="Clientes")).to_have_attribute("aria-selected", "true")
    page.get_by_role("button", name="English").click()
    watched.expect_state("Completed")
