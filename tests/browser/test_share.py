"""A link to results: made on the page, and read by who has nothing else."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.test_looks import NARROW, OVERFLOW, violations
from tests.oracle import answers
from tests.running import Running


def test_a_link_is_made_copied_read_and_ended(system: Running, open_page: Open, dirs: Path) -> None:
    watched = open_page(system.url, locale="es-AR", viewport=NARROW)
    page = watched.page
    watched.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Nuevo análisis").click()
    page.locator("#pick-folder").set_input_files(dirs)
    page.get_by_role("button", name="Iniciar el análisis").click()
    watched.expect_state("Completada")
    page.get_by_role("button", name="Compartir").click()
    dialog = page.get_by_role("dialog", name="Un enlace a estos resultados")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("Quien tenga este enlace ve los resultados, sin token, hasta")
    field = dialog.get_by_role("textbox")
    expect(field).to_be_focused()
    url = field.input_value()
    assert url.startswith(f"{system.url}/shared/")
    dialog.get_by_role("button", name="Copiar el enlace").click()
    expect(dialog.get_by_text("Copiado.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == url
    assert violations(page) == []
    assert page.evaluate(OVERFLOW) <= 0

    reader = open_page(system.url, None, viewport=NARROW)
    reader.page.goto(url)
    expect(reader.page.get_by_role("heading", level=1)).to_have_text(dirs.name)
    assert violations(reader.page) == []
    assert reader.page.evaluate(OVERFLOW) <= 0
    with reader.page.expect_download() as found:
        reader.page.locator('a[href$="query3.csv"]').click()
    assert Path(found.value.path()).read_text() == answers(dirs)["query3.csv"]

    dialog.get_by_role("button", name="Anular todos los enlaces").click()
    expect(dialog).to_be_hidden()
    watched.wait(lambda: reader.context.request.get(url).status == 404)
