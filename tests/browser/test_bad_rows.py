"""Bad rows left out from the page, and the checks of the data, from a folder to their tables."""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.test_languages import untranslated
from tests.browser.test_looks import NARROW, violations
from tests.running import Running


def spoil(file: Path, *lines: int) -> None:
    """Make what should be an amount in these lines of a file none."""
    rows = file.read_text().split("\n")
    for line in lines:
        cells = rows[line - 1].split(",")
        cells[-2] = "a lot"
        rows[line - 1] = ",".join(cells)
    file.write_text("\n".join(rows))


def test_bad_rows_are_shown_and_left_out_when_one_says_so_and_the_data_is_checked(
    system: Running, open_page: Open, dirs: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "spoilt"
    shutil.copytree(dirs, folder)
    spoil(next((folder / "transactions").iterdir()), 7, 2000)
    spoil(next((folder / "transaction_items").iterdir()), 5)
    system.gateways[0].gateway.currency = "ARS"
    watched = open_page(system.url, locale="es-AR", viewport=NARROW)
    watched.forgive("Failed to load resource: the server responded with a status of 422")
    page = watched.page
    page.get_by_role("button", name="Nuevo análisis").click()
    page.locator("#pick-folder").set_input_files(folder)
    page.get_by_label("Revisar los datos").check()
    page.get_by_role("button", name="Iniciar el análisis").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("línea")
    expect(alert).to_contain_text("a lot")
    watched.expect_state("Abierta")
    assert violations(page) == []
    page.get_by_role("button", name="Omitir las filas inválidas y seguir").click()
    watched.expect_state("Completada")
    expect(page.get_by_role("row", name="Transacciones 2 3.000")).to_be_visible()
    expect(page.get_by_role("row", name="a lot")).to_have_count(3)
    page.get_by_role("tab", name="Calidad de los datos").click()
    found = page.get_by_role("row", name="Ítems sin venta")
    expect(found).to_contain_text("4")  # of the two sales that were left out
    expect(page.get_by_text("No cambia ninguna respuesta")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("tab", name="Facturación").click()
    expect(page.get_by_role("cell", name="$").first).to_be_visible()
    page.get_by_role("tab", name="Calidad de los datos").click()
    assert untranslated(page) == []
    page.reload()
    expect(page.get_by_role("row", name="a lot")).to_have_count(3)
