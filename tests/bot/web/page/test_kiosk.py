"""The kiosk, on a clock that a test moves."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from bot.core.errors import QueueFull
from tests.bot.web.conftest import until
from tests.bot.web.page.conftest import POEM_TEXT, Open, Reader, gated_poet
from tests.fakes import VERSE, FakeEngine

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPENING = "an opening, number 7"
MINUTE_MS = 60_000


async def open_kiosk(read: Open, engine: FakeEngine | None = None, **options: Any) -> Reader:
    reader = await read(engine, path=None, alone=True, **options)
    await reader.page.clock.install(time=2000)
    await reader.page.clock.pause_at(2001)
    await reader.page.goto(f"{reader.url}/?kiosk")
    return reader


async def shows(page: Page, poem: str) -> None:
    await page.wait_for_selector("#leaf[data-state=done]")
    assert await page.evaluate(POEM_TEXT) == poem


async def test_an_idle_kiosk_writes_a_poem_every_minute_and_no_more(read: Open) -> None:
    reader = await open_kiosk(read)
    drafts, page = reader.engine.drafts, reader.page
    await shows(page, OPENING + VERSE)
    await page.clock.run_for(MINUTE_MS - 1000)
    assert len(drafts) == 1
    await page.clock.run_for(1000)
    await until(lambda: len(drafts) == 2)
    await shows(page, OPENING + VERSE)
    await expect(page.locator("#status")).to_have_text("")  # a screen reader is left alone


async def test_a_visitor_gets_a_poem_and_the_kiosk_is_idle_again_by_itself(read: Open) -> None:
    reader = await open_kiosk(read)
    page, clock = reader.page, reader.page.clock
    await shows(page, OPENING + VERSE)
    await page.fill("#seed", "The moon")
    await clock.run_for(MINUTE_MS - 1000)
    await page.press("#seed", "Enter")
    await expect(page.locator("#status")).to_have_text("Finished: 4 lines.")
    await shows(page, "The moon" + VERSE)
    await clock.run_for(MINUTE_MS - 1000)
    assert len(reader.engine.drafts) == 2
    await page.mouse.click(5, 5)
    await clock.run_for(MINUTE_MS - 1000)
    assert await page.input_value("#seed") == "The moon"
    await clock.run_for(1001)
    await until(lambda: len(reader.engine.drafts) == 3)
    assert await page.input_value("#seed") == ""
    await expect(page.locator("#status")).to_have_text("")
    await shows(page, OPENING + VERSE)


async def test_only_one_poem_is_asked_for_at_a_time(read: Open) -> None:
    engine = gated_poet()
    reader = await open_kiosk(read, engine)
    await until(lambda: len(engine.drafts) == 1)
    await reader.write("The moon")
    await until(lambda: len(engine.drafts) == 2 and engine.drafts[0].cancelled)
    await reader.page.keyboard.press("Escape")
    await until(lambda: engine.drafts[1].cancelled)
    assert await reader.page.input_value("#seed") == ""
    assert await reader.page.evaluate(POEM_TEXT) == ""
    for _ in range(9):
        await reader.page.keyboard.press("Escape")  # starts over, which asks for no more poems
        await reader.page.clock.run_for(1000)
    assert len(engine.drafts) == 2
    await reader.page.clock.run_for(1001)
    await until(lambda: len(engine.drafts) == 3)


async def test_a_server_that_falls_silent_is_gone(read: Open) -> None:
    engine = gated_poet()
    reader = await open_kiosk(read, engine)
    # Each piece starts the 40 s anew: wait until the last one released has come.
    await expect(reader.page.locator("#poem")).to_contain_text("the evenin")
    await reader.page.clock.run_for(39_000)
    assert not engine.drafts[0].cancelled
    await reader.page.clock.run_for(1000)
    await expect(reader.page.locator("#status")).to_contain_text("not reachable")
    await until(lambda: engine.drafts[0].cancelled)
    await reader.page.clock.run_for(10_000)
    await until(lambda: len(engine.drafts) == 2)


async def test_a_busy_server_is_told_and_asked_again_when_it_has_room(read: Open) -> None:
    engine = FakeEngine()
    engine.refusal = QueueFull(64)
    reader = await open_kiosk(read, engine)
    page = reader.page
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url) if r.url.endswith("/api/poems") else None)
    await reader.write("The moon")
    await expect(page.locator("#status")).to_contain_text("Sonneteer is busy")
    await page.clock.run_for(29_000)  # it said 30 s
    assert len(asked) == 1
    engine.refusal = None
    await page.clock.run_for(1000)
    await shows(page, "The moon" + VERSE)


async def test_a_server_that_is_gone_is_told_and_the_kiosk_goes_on_when_it_is_back(
    read: Open,
) -> None:
    reader = await open_kiosk(read)
    page = reader.page
    await shows(page, OPENING + VERSE)
    await page.route("**/api/poems", lambda route: route.abort())
    await page.clock.run_for(MINUTE_MS)
    await expect(page.locator("#status")).to_contain_text("not reachable")
    await page.unroute("**/api/poems")
    await page.clock.run_for(10_000)
    await until(lambda: len(reader.engine.drafts) == 2)
    await expect(page.locator("#status")).to_have_text("")


async def test_words_that_are_refused_are_not_asked_for_again(read: Open) -> None:
    reader = await open_kiosk(read)
    page = reader.page
    await shows(page, OPENING + VERSE)
    sentence = "The seed has the word 'moon', which poems here avoid."
    await page.route(
        "**/api/poems", lambda route: route.fulfill(status=400, json={"error": sentence})
    )
    await reader.write("The moon")
    await expect(page.locator("#status")).to_have_text(sentence)
    await page.unroute("**/api/poems")
    await page.clock.run_for(MINUTE_MS - 1000)
    assert len(reader.engine.drafts) == 1


async def test_a_code_leads_phones_to_the_page(read: Open) -> None:
    reader = await open_kiosk(read, host="poems.example.org")
    page = reader.page
    await expect(page.get_by_role("img", name="QR code of this page's address")).to_be_visible()
    await expect(page.locator("#code")).to_have_js_property("complete", True)
    assert await page.evaluate("document.querySelector('#code').naturalWidth > 0")
    assert await page.locator("a").count() == 0
    assert await page.locator("select, input, details").count() == 0


async def test_a_kiosk_on_any_screen_never_scrolls_sideways(read: Open) -> None:
    reader = await open_kiosk(read, FakeEngine(VERSE + "\n" + "o" * 400))
    await reader.page.wait_for_selector("#leaf[data-state=done]")
    await expect(reader.page.locator("#code-note")).to_contain_text("name or network address")
    for width, height in ((360, 640), (1080, 1920), (1920, 1080)):
        await reader.page.set_viewport_size({"width": width, "height": height})
        assert await reader.page.evaluate("document.documentElement.scrollWidth") <= width
