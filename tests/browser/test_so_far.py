"""What is known of a session while it runs: on its page, for who asks, and gone at its end."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from coffeeshop.client.upload import upload
from coffeeshop.pipeline.messages import SessionSpec
from coffeeshop.reading.folder import open_folder
from tests.browser.conftest import Open
from tests.browser.test_languages import untranslated
from tests.browser.test_looks import NARROW, violations
from tests.questions.sink import Kept
from tests.running import Running, new_id


def test_what_is_known_so_far_is_shown_to_who_asks_until_the_answer_is_there(
    system: Running, open_page: Open, dirs: Path
) -> None:
    client, spec, kept = system.client(), SessionSpec(new_id()), Kept()
    client.open(spec)
    upload(open_folder(dirs), kept)
    for each in kept.records:
        if each.kind == "batch":
            client.put_batch(spec.id, each.stream, each.producer, each.number, each.body)
    watched = open_page(system.url, f"/#/sessions/{spec.id}", locale="es-AR", viewport=NARROW)
    page = watched.page
    assert not [url for url in watched.requests if "/partial" in url]
    page.get_by_role("button", name="Mostrar lo que se sabe hasta ahora").click()
    box = page.locator(".so-far")
    expect(box).to_contain_text("Todavía no es una respuesta")
    expect(box).to_contain_text("pueden llegar más")
    box.locator("summary", has_text="Facturación de las tiendas").click()
    expect(box.get_by_role("cell", name="2024-H1").first).to_be_visible()
    assert violations(page) == []
    for each in kept.records:
        if each.kind == "eof":
            client.end_table(spec.id, each.stream, each.producer, each.number)
    watched.expect_state("Completada")
    expect(box).to_be_hidden()
    expect(page.get_by_role("button", name="Ocultar lo que se sabe hasta ahora")).to_be_hidden()
    assert untranslated(page) == []
