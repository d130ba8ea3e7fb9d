"""The page in the reader's language."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import expect

from bot.core.languages import ENGLISH, LANGUAGES
from tests.bot.web.page.conftest import Open
from tests.bot.web.page.test_gallery import POEM, stored
from tests.fakes import FakeEngine

pytestmark = pytest.mark.asyncio(loop_scope="session")

OTHERS = [code for code in LANGUAGES if code != ENGLISH]
HIDDEN = "document.documentElement.dataset.untranslated"
WIDER = """
    [...document.querySelectorAll("body *")]
        .filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1)
        .map((e) => e.outerHTML.slice(0, 100))
"""


async def test_a_german_browser_gets_a_german_page(read: Open) -> None:
    reader = await read(locale="de-AT")
    page = reader.page
    await expect(page.locator("html")).to_have_attribute("lang", "de")
    await expect(page.locator("#write")).to_have_text("Schreiben")
    await expect(page.locator("#leaf")).to_have_attribute("aria-label", "Das Gedicht")
    await expect(page.locator("#seed-hint kbd").first).to_have_text("Enter")
    await reader.write("The moon")
    await expect(page.locator("#status")).to_have_text("Fertig: 4 Zeilen.")
    await expect(page.locator("#poem")).to_have_attribute("lang", "en")
    await expect(page.locator("#provenance")).to_contain_text("Temperatur 0,")
    assert await page.evaluate(HIDDEN) is None


async def test_the_server_refuses_in_the_language_of_the_page(read: Open) -> None:
    page = (await read(locale="ru")).page
    await page.fill("#temperature", "7")
    await page.click("#write")
    await expect(page.locator("#error")).to_have_text("temperature: 7.0, а нужно: от 0,05 до 2,0.")


async def test_a_count_has_its_form_in_russian(read: Open) -> None:
    engine = FakeEngine(" a\n b")
    reader = await read(engine, locale="ru-RU")
    await expect(reader.page.locator("#books > summary")).to_have_text("Книги")
    await reader.write("The moon")
    await expect(reader.page.locator("#status")).to_have_text("Готово: 2 строки.")


async def test_an_unknown_language_means_english(read: Open) -> None:
    page = (await read(locale="ja-JP")).page
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.locator("#write")).to_have_text("Write")
    await expect(page.locator("#language")).to_have_value("en")


async def test_a_language_that_was_chosen_is_shown_at_once_and_kept(read: Open) -> None:
    reader = await read(script=stored(json.dumps([POEM])))
    page = reader.page
    await reader.write("The moon")
    await reader.finished()
    await page.select_option("#language", "fr")
    await expect(page.locator("#write")).to_have_text("Écrire")
    await expect(page.locator("#gallery h2").first).to_have_text("Ta galerie (1)")
    await expect(page.locator("#shape option[value=couplet]")).to_have_text("distique")
    await expect(page.locator("#provenance")).to_contain_text("graine aléatoire")
    assert "moon" in (await reader.poem()).lower()
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("lang", "fr")
    await expect(page.locator("#language")).to_have_value("fr")
    await page.select_option("#language", "en")
    await expect(page.locator("#write")).to_have_text("Write")


async def test_a_language_can_be_chosen_where_storage_is_turned_off(read: Open) -> None:
    off = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('off'); } });"
    page = (await read(script=off)).page
    await page.select_option("#language", "de")
    await expect(page.locator("#write")).to_have_text("Schreiben")


async def test_without_its_catalogue_the_page_is_english(read: Open) -> None:
    broken = (
        "const ask = fetch; fetch = (address, ...rest) => "
        "ask(String(address).endsWith('de.json') ? 'nowhere' : address, ...rest)"
    )
    page = (await read(script=broken, locale="de")).page
    await expect(page.locator("#write")).to_have_text("Write")
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.locator("#write")).to_be_visible()


@pytest.mark.parametrize("language", OTHERS)
async def test_no_language_is_too_wide_for_a_phone(read: Open, language: str) -> None:
    phone = {"width": 360, "height": 740}
    reader = await read(locale=language, viewport=phone, script=stored(json.dumps([POEM])))
    page = reader.page
    await reader.write("The moon")
    await expect(page.locator("#colophon")).to_be_visible()
    for name in ("#settings", "#more", "#gallery", "#books"):
        await page.evaluate(f"document.querySelector('{name}').open = true")
    await page.wait_for_selector(".book")
    assert await page.evaluate(WIDER) == []


async def test_the_kiosk_speaks_the_browsers_language(read: Open) -> None:
    reader = await read(locale="pt-PT")
    await reader.page.goto(f"{reader.url}/?kiosk")
    await expect(reader.page.locator("#write")).to_have_text("Escrever")
    await expect(reader.page.locator("html")).to_have_attribute("lang", "pt-BR")


@pytest.mark.parametrize("language", OTHERS)
async def test_rooms_speak_the_browsers_language_and_fit_a_phone(read: Open, language: str) -> None:
    reader = await read(locale=language, viewport={"width": 360, "height": 740})
    page = reader.page
    await page.goto(f"{reader.url}/?room")
    await expect(page.locator("html")).to_have_attribute("lang", language)
    await expect(page.locator("#open")).to_be_visible()
    assert "room" not in await page.locator("#begin").inner_text()
    assert await page.evaluate(WIDER) == []
