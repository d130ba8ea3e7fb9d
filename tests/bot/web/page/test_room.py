"""One poem, many hands: the screen of a host, and a visitor's phone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from json import dumps
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from bot.core.errors import QueueFull
from tests.bot.web.page.conftest import Open, Reader
from tests.fakes import FakeEngine
from tests.timeouts import HANG_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOST = "poems.example.org"
LINES = """[...document.querySelectorAll("#poem .line")].map((line) => line.textContent)"""

Join = Callable[[Reader], Awaitable[Page]]


@pytest_asyncio.fixture(loop_scope="session")
async def join(browser: Browser) -> AsyncIterator[Join]:
    """Join the room on a reader's screen with a phone, whose browser knows nothing."""
    contexts = []

    async def begin(reader: Reader) -> Page:
        context = await browser.new_context(
            viewport={"width": 360, "height": 740}, service_workers="block"
        )
        contexts.append(context)
        context.set_default_timeout(HANG_SECONDS * 1000)
        page = await context.new_page()
        await page.goto(f"{reader.url}/?room={await code_on(reader.page)}")
        await expect(page.locator("#give")).to_be_visible()
        return page

    yield begin
    for context in contexts:
        await context.close()


async def code_on(screen: Page) -> str:
    await expect(screen.locator("#letters")).not_to_be_empty()
    return await screen.inner_text("#letters")


async def open_room(read: Open, engine: FakeEngine | None = None) -> Reader:
    reader = await read(engine or poet(), host=HOST)
    page = reader.page
    await page.goto(f"{reader.url}/?room")
    await page.select_option("#shape", "quatrain")
    await page.fill("#avoid", "rose")
    await page.press("#avoid", "Enter")
    await expect(page.locator("#people")).to_have_text("0 people · 0 waiting")
    return reader


def poet() -> FakeEngine:
    engine = FakeEngine("")
    engine.candidates = (" rings", " and tears")
    return engine


async def give(phone: Page, text: str, kind: str = "word") -> None:
    await phone.check(f"[value={kind}]")
    await phone.fill("#own", text)
    await phone.press("#own", "Enter")


async def test_a_poem_is_written_on_a_screen_by_a_phone(read: Open, join: Join) -> None:
    reader = await open_room(read)
    screen = reader.page
    await expect(screen.get_by_role("img", name="QR code that joins the room")).to_be_visible()
    phone = await join(reader)
    await expect(screen.locator("#people")).to_have_text("1 person · 0 waiting")
    await give(phone, "Rose")
    await expect(phone.get_by_role("alert").first).to_contain_text("not allowed here")
    await give(phone, "rain")
    for page in (screen, phone):
        await expect(page.locator("#poem .line")).to_have_text("rain rings")
        await expect(page.locator("#poem .seed")).to_have_text("rain")
        await expect(page.locator("#status")).to_have_text("Line 1 of 4.")
    await expect(phone.locator("#yours")).to_have_text("Your word is in line 1.")
    reader.engine.line_notes = ("It has a syllable too many.",)
    await phone.check("[value=line]")
    await phone.fill("#own", "<b>my own line")
    await expect(phone.locator("#told")).to_contain_text("It has a syllable too many.")
    await phone.press("#own", "Enter")
    await expect(phone.locator("#yours")).to_have_text("Line 2 is yours.")
    await expect(screen.locator("#status")).to_contain_text("It has a syllable too many.")
    assert await screen.evaluate(LINES) == ["rain rings", "<b>my own line"]
    for page, width in ((screen, 1280), (phone, 360)):
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await screen.reload()  # its host is still the host
    await expect(screen.locator("#host")).to_be_visible()
    await phone.reload()
    await expect(phone.locator("#yours")).to_have_text("Line 2 is yours.")


async def test_the_host_removes_what_waits_and_closes_the_room(read: Open, join: Join) -> None:
    engine = poet()
    engine.gate = asyncio.Semaphore(0)
    reader = await open_room(read, engine)
    screen, phone = reader.page, await join(reader)
    await give(phone, "rain")
    await expect(phone.locator("#yours")).to_have_text("Your word “rain” is next.")
    await screen.get_by_role("button", name="Remove “rain”").press("Enter")
    await expect(phone.locator("#yours")).to_contain_text("The host left yours out.")
    await expect(screen.locator("#people")).to_have_text("1 person · 0 waiting")
    engine.gate = None
    await screen.press(".controls summary", "Enter")
    for _ in range(4):
        before = await screen.locator("#poem .line").count()
        await screen.click("[data-action=write]")
        await expect(screen.locator("#poem .line")).to_have_count(before + 1)
    await expect(screen.locator("#title")).to_have_text("A Title")
    await screen.click("[data-action=close]")
    for page in (screen, phone):
        await expect(page.locator("#status")).to_have_text("The host has closed the room.")
        await expect(page.locator("#poem .line")).to_have_count(4)  # the poem stays
    await phone.click("#again")
    await expect(phone.locator("#join")).to_be_visible()
    await phone.fill("#code", "bbbbbb")
    await phone.press("#code", "Enter")
    await expect(phone.get_by_role("alert")).to_contain_text("no room with the code 'BBBBBB'")


async def test_a_busy_server_is_told_and_the_contribution_waits(read: Open, join: Join) -> None:
    reader = await open_room(read)
    screen, phone = reader.page, await join(reader)
    await give(phone, "my line", "line")
    await expect(screen.locator("#poem .line")).to_have_count(1)
    reader.engine.refusal = QueueFull(3)
    await give(phone, "rain")
    await expect(screen.locator("#status")).to_contain_text("Sonneteer is busy.")
    await expect(phone.locator("#yours")).to_have_text("Your word “rain” is next.")


async def test_a_room_that_is_gone_after_a_restart_leaves_its_poem(read: Open) -> None:
    screen = (await open_room(read)).page
    line = {"text": "my line", "kind": "bot", "word": "", "has_word": False, "notes": []}
    state = {"lines": [line], "count": 4, "title": "", "people": 2, "contributions": []}
    body = f"event: room\ndata: {dumps(state)}\n\n"
    broken_off = {"content_type": "text/event-stream", "body": body}
    gone = {"status": 404, "json": {"error": "No room."}}
    answers: Iterator[dict[str, Any]] = iter([broken_off, {"status": 502}, gone])
    await screen.route("**/events", lambda route: route.fulfill(**next(answers)))
    await screen.clock.install()
    await screen.reload()
    for _ in range(2):
        await expect(screen.locator("#status")).to_contain_text("The connection is lost.")
        await screen.clock.run_for(6_000)
    await expect(screen.locator("#status")).to_contain_text("The room has ended.")
    assert await screen.evaluate(LINES) == ["my line"]
    await expect(screen.locator("#host")).to_be_hidden()
    await screen.click("text=Open a new room")
    await expect(screen.locator("#open")).to_be_visible()
