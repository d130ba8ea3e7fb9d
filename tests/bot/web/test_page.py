"""The page in a real browser: headless Chromium, where there is one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from bot.web.poems import Pulse
from tests.bot.web.conftest import serving
from tests.fakes import VERSE, FakePoet, fake_service

pytestmark = pytest.mark.asyncio(loop_scope="module")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"width": 320, "height": 640}
NETWORK_COMPLAINT = "Failed to load resource"  # Chromium's, of every answer that is not 2xx


POEM_TEXT = (
    """[...document.querySelectorAll("#poem .line")].map((l) => l.textContent).join("\\n")"""
)


@dataclass
class Reader:
    """A browser before the page, and the poet behind it."""

    page: Page
    context: BrowserContext
    poet: FakePoet
    url: str

    async def write(self, seed: str) -> None:
        await self.page.fill("#seed", seed)
        await self.page.press("#seed", "Enter")

    async def finished(self) -> None:
        await expect(self.page.locator("#status")).to_contain_text("Finished")

    async def poem(self) -> str:
        text: str = await self.page.evaluate(POEM_TEXT)
        return text

    async def clipboard(self) -> str:
        """Read the clipboard on a page of its own, where nothing has been tampered with."""
        other = await self.context.new_page()
        await other.goto(f"{self.url}/favicon.svg")
        text: str = await other.evaluate("navigator.clipboard.readText()")
        await other.close()
        return text


Open = Callable[..., Awaitable[Reader]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium here: install Debian's package `chromium` to try the page")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def read(browser: Browser) -> AsyncIterator[Open]:
    """Open the page; afterwards nothing may have been complained of or fetched from elsewhere."""
    complaints: list[str] = []
    async with AsyncExitStack() as stack:

        async def begin(
            poet: FakePoet | None = None, *, path: str = "/", script: str = "", **options: Any
        ) -> Reader:
            poet = poet or FakePoet()
            service = fake_service(poet)
            url = await stack.enter_async_context(
                serving(service, poems_per_minute=0, pulse=Pulse(place_seconds=0.01))
            )
            options.setdefault("reduced_motion", "reduce")
            context = await browser.new_context(**options)
            stack.push_async_callback(context.close)
            context.set_default_timeout(5000)
            await context.grant_permissions(["clipboard-read", "clipboard-write"])
            await context.add_init_script(script)
            page = await context.new_page()
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
            page.on(
                "request", lambda r: None if r.url.startswith(url) else complaints.append(r.url)
            )
            page.on(
                "console",
                lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None,
            )
            reader = Reader(page, context, poet, url)
            await page.goto(url + path)
            await expect(page.locator("#model option")).not_to_have_count(0)
            return reader

        yield begin
    assert [text for text in complaints if NETWORK_COMPLAINT not in text] == []


def gated_poet(text: str = VERSE, *, released: int = 2) -> FakePoet:
    """Make a poet that stops after so many pieces."""
    poet = FakePoet(text)
    poet.gate = asyncio.Semaphore(released)
    return poet


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_enter_writes_a_poem(read: Open) -> None:
    reader = await read()
    await reader.write("The moon")
    await reader.finished()
    assert await reader.poem() == "The moon" + VERSE
    await expect(reader.page.locator("#status")).to_have_text("Finished: 4 lines.")
    await expect(reader.page.locator("#provenance")).to_have_text(
        "sonnets · temperature 0.6 · random seed 7"
    )
    await expect(reader.page.locator("#poem .seed")).to_have_text("The moon")


async def test_the_write_button_takes_every_setting_of_the_form(read: Open) -> None:
    reader = await read()
    page = reader.page
    await page.fill("#seed", "Tides")
    await page.select_option("#model", "sea-songs")
    await page.fill("#temperature", "1.23")
    await page.select_option("#unit", "characters")
    await page.fill("#length", "321")
    await page.click("#more summary")
    for name, value in {"random_seed": "99", "top_k": "9", "top_p": "0.5", "min_p": "0.1"}.items():
        await page.fill(f"#{name}", value)
    await page.check("#greedy")
    await page.click("#write")
    await reader.finished()
    order = reader.poet.orders[0]
    settings = order.settings
    assert (order.model.name, order.random_seed) == ("sea-songs", 99)
    assert (settings.temperature, settings.top_k, settings.top_p) == (1.23, 9, 0.5)
    assert (settings.min_p, settings.greedy) == (0.1, True)
    assert (settings.lines, settings.characters) == (None, 321)


async def test_the_slider_and_the_number_show_the_same_temperature(read: Open) -> None:
    page = (await read()).page
    await page.fill("#slider", "1.5")
    assert await page.input_value("#temperature") == "1.5"
    await page.fill("#temperature", "0.25")
    assert await page.input_value("#slider") == "0.25"


async def test_shift_and_enter_only_break_the_line(read: Open) -> None:
    reader = await read()
    await reader.page.fill("#seed", "one")
    await reader.page.press("#seed", "Shift+Enter")
    await reader.page.type("#seed", "two")
    assert await reader.page.input_value("#seed") == "one\ntwo"
    assert reader.poet.orders == []


async def test_an_opening_that_is_offered_is_written_on(read: Open) -> None:
    reader = await read()
    await reader.page.click("#openings button >> nth=0")
    await reader.finished()
    assert (await reader.poem()).startswith("The winter light upon")


async def test_the_poem_appears_letter_by_letter(read: Open) -> None:
    watch = """
        window.lengths = new Set();
        addEventListener("DOMContentLoaded", () => new MutationObserver(() =>
            lengths.add(document.querySelector("#poem").textContent.length)
        ).observe(document, { subtree: true, childList: true, characterData: true }));
    """
    reader = await read(script=watch, reduced_motion="no-preference")
    await reader.write("The moon")
    await reader.finished()
    assert await reader.poem() == "The moon" + VERSE
    assert await reader.page.evaluate("lengths.size") > 15


async def test_with_reduced_motion_text_stands_there_as_it_comes(read: Open) -> None:
    reader = await read(gated_poet(released=1))
    await reader.write("The moon")
    await expect(reader.page.locator("#poem")).to_have_text("The moon" + VERSE[:16])


@pytest.mark.parametrize("way", ["button", "escape"])
async def test_stop_frees_the_row_and_keeps_what_was_written(read: Open, way: str) -> None:
    reader = await read(gated_poet())
    await reader.write("The moon")
    await expect(reader.page.locator("#poem")).to_contain_text(VERSE[:30].split("\n")[0])
    if way == "button":
        await reader.page.click("#stop")
    else:
        await reader.page.press("body", "Escape")
    await expect(reader.page.locator("#status")).to_have_text("Stopped.")
    await until(lambda: reader.poet.drafts[0].cancelled)
    assert await reader.poem() == "The moon" + VERSE[:32]
    await expect(reader.page.locator("#copy")).to_be_visible()


async def test_a_second_poem_takes_the_place_of_the_first(read: Open) -> None:
    reader = await read(gated_poet())
    await reader.write("The moon")
    await until(lambda: len(reader.poet.drafts) == 1)
    await reader.write("The sun")
    await until(lambda: len(reader.poet.drafts) == 2)
    assert reader.poet.gate is not None
    for _ in range(20):
        reader.poet.gate.release()
    await reader.finished()
    assert await reader.poem() == "The sun" + VERSE
    assert reader.poet.drafts[0].cancelled


async def test_copy_takes_the_poem_and_nothing_else(read: Open) -> None:
    reader = await read()
    await reader.write("The moon")
    await reader.finished()
    await reader.page.click("#copy")
    await expect(reader.page.locator("#status")).to_have_text("Copied.")
    assert await reader.clipboard() == "The moon" + VERSE


async def test_copy_works_where_the_page_may_not_use_the_clipboard_directly(read: Open) -> None:
    """Plain HTTP on a name other than localhost has no navigator.clipboard."""
    gone = "if (location.pathname === '/') Object.defineProperty(navigator, 'clipboard', {});"
    reader = await read(script=gone)
    await reader.write("The moon")
    await reader.finished()
    await reader.page.click("#copy")
    await expect(reader.page.locator("#status")).to_have_text("Copied.")
    assert await reader.clipboard() == "The moon" + VERSE


@pytest.mark.parametrize("seed", ["Été & <i>ü</i> #1? 100%", ""])
async def test_a_permanent_link_fills_the_form_and_writes_the_same(read: Open, seed: str) -> None:
    reader = await read()
    page = reader.page
    await page.fill("#temperature", "0.85")
    await page.fill("#length", "9")
    await page.click("#more summary")
    await page.fill("#top_p", "0.95")
    await reader.write(seed)
    await reader.finished()
    written = await reader.poem()
    await page.click("#link")
    await expect(page.locator("#status")).to_contain_text("Link copied")
    link = await reader.clipboard()
    assert page.url == link
    query = parse_qs(urlsplit(link).query, keep_blank_values=True)
    assert query["model"] == ["a1a1a1a1a1a1"]
    assert query["random_seed"] == ["7"]

    await page.goto(link)
    await reader.finished()
    assert await reader.poem() == written
    assert await page.input_value("#seed") == seed
    assert await page.input_value("#temperature") == "0.85"
    first, second = reader.poet.orders
    assert first == second


async def test_a_link_to_a_model_that_is_gone_says_so(read: Open) -> None:
    reader = await read(path="/?model=ffffffffffff&seed=x&random_seed=1")
    await expect(reader.page.locator("#error")).to_contain_text("no model called 'ffffffffffff'")


async def test_again_draws_another_random_seed(read: Open) -> None:
    reader = await read(path="/?model=a1a1a1a1a1a1&seed=Sea&random_seed=1234")
    await reader.finished()
    await reader.page.click("#again")
    await until(lambda: len(reader.poet.orders) == 2)
    await reader.finished()
    assert [order.random_seed for order in reader.poet.orders] == [1234, 7]


async def test_a_wrong_setting_is_told_and_the_last_poem_stays(read: Open) -> None:
    reader = await read()
    await reader.write("The moon")
    await reader.finished()
    await reader.page.fill("#temperature", "9")
    await reader.page.click("#write")
    alert = reader.page.get_by_role("alert")
    await expect(alert).to_have_text("temperature is 9.0; it must be between 0.05 and 2.0.")
    assert await reader.poem() == "The moon" + VERSE
    await reader.page.fill("#temperature", "1")
    await reader.page.click("#write")
    await reader.finished()
    await expect(reader.page.locator("#error")).to_be_hidden()


async def test_an_error_in_the_middle_of_a_poem_is_told(
    read: Open, caplog: pytest.LogCaptureFixture
) -> None:
    poet = FakePoet()
    poet.failure = RuntimeError("broken nib")
    reader = await read(poet)
    await reader.write("The moon")
    await expect(reader.page.get_by_role("alert")).to_contain_text("It is in the log as")
    assert await reader.poem() == "The moon" + VERSE
    assert "broken nib" in caplog.text


async def test_a_server_that_is_gone_is_told(read: Open) -> None:
    reader = await read()
    await reader.page.route("**/api/poems", lambda route: route.abort())
    await reader.write("The moon")
    await expect(reader.page.get_by_role("alert")).to_contain_text("cannot be reached")


async def test_a_stream_that_breaks_off_is_told(read: Open) -> None:
    reader = await read()
    await reader.page.route(
        "**/api/poems",
        lambda route: route.fulfill(content_type="text/event-stream", body=": still here\n\n"),
    )
    await reader.write("The moon")
    await expect(reader.page.get_by_role("alert")).to_contain_text("connection broke off")


async def test_the_place_in_line_is_told(read: Open) -> None:
    poet = gated_poet(released=0)
    poet.place = 3
    reader = await read(poet)
    await reader.write("The moon")
    await expect(reader.page.get_by_role("status")).to_have_text("You are third in line.")


async def test_notes_on_the_seed_are_shown(read: Open) -> None:
    reader = await read(FakePoet(alphabet="abcdefghijklmnopqrstuvwxyz "))
    await reader.write("moon 🌙")
    await reader.finished()
    await expect(reader.page.locator("#notes li")).to_contain_text("🌙")
    await expect(reader.page.locator("#poem .seed")).to_have_text("moon 🌙")


async def test_markup_in_seed_and_poem_is_shown_and_does_nothing(read: Open) -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>&lt;"
    reader = await read(FakePoet(f"{hostile}\n</span><b>bold</b>", alphabet="a"))
    await reader.write(hostile + "a")
    await reader.finished()
    assert await reader.poem() == f"{hostile}a{hostile}\n</span><b>bold</b>"
    assert await reader.page.locator("#leaf :is(img, script, b)").count() == 0


async def test_half_a_character_in_the_seed_is_no_error(read: Open) -> None:
    reader = await read()
    await reader.page.evaluate("document.querySelector('#seed').value = 'moon \\ud83c'")
    await reader.page.click("#write")
    await reader.finished()


async def test_the_look_follows_the_system_until_the_reader_chooses(read: Open) -> None:
    page = (await read(color_scheme="dark")).page
    dark = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await expect(page.locator("#look")).to_have_attribute("aria-pressed", "true")
    await page.click("#look")
    light = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    await page.reload()
    await expect(page.locator("#look")).to_have_attribute("aria-pressed", "false")
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == light


async def test_the_look_can_be_chosen_where_storage_is_turned_off(read: Open) -> None:
    off = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('off'); } });"
    page = (await read(script=off, color_scheme="light")).page
    await page.click("#look")
    await expect(page.locator("html")).to_have_attribute("data-look", "dark")


async def test_a_phone_never_scrolls_sideways(read: Open) -> None:
    reader = await read(FakePoet(VERSE + "\n" + "o" * 400), viewport=PHONE)
    width = "document.documentElement.scrollWidth"
    assert await reader.page.evaluate(width) <= PHONE["width"]
    await reader.page.click("#settings > summary")
    await reader.page.click("#more > summary")
    assert await reader.page.evaluate(width) <= PHONE["width"]
    await reader.write("w" * 300)
    await reader.finished()
    assert await reader.page.evaluate(width) <= PHONE["width"]


async def test_everything_can_be_reached_and_told_apart_without_seeing_it(read: Open) -> None:
    page = (await read()).page
    nameless = await page.evaluate(
        """[...document.querySelectorAll("input, select, textarea, button, a, img")]
            .filter((e) => !(e.labels?.length || e.ariaLabel || e.textContent.trim()
                             || e.hasAttribute("alt")))
            .map((e) => e.id)"""
    )
    assert nameless == []
    ids = await page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    assert await page.locator("h1").count() == 1
    assert await page.get_attribute("html", "lang") == "en"
    assert await page.evaluate("document.activeElement.id") == "seed"
    order = []
    for _ in range(8):
        await page.keyboard.press("Tab")
        order.append(await page.evaluate("document.activeElement.id"))
    assert order == ["write", "stop", "", "model", "slider", "temperature", "length", "unit"]


async def test_letters_are_not_read_aloud_but_beginning_and_end_are(read: Open) -> None:
    page = (await read()).page
    assert await page.locator("#poem").get_attribute("aria-live") is None
    inside = "document.querySelector('#poem').closest('[aria-live], [role=status], [role=alert]')"
    assert await page.evaluate(inside) is None
    assert await page.locator("#status").get_attribute("role") == "status"


@pytest.mark.parametrize("look", ["light", "dark"])
async def test_text_stands_out_from_its_ground(read: Open, look: str) -> None:
    """WCAG 2.2 asks for a contrast of 4.5."""
    reader = await read(color_scheme=look)
    await reader.write("The moon")
    await reader.finished()
    contrasts = await reader.page.evaluate(CONTRASTS)
    assert len(contrasts) > 20
    assert {name: value for name, value in contrasts if value < 4.5} == {}


CONTRASTS = """
    const channels = (color) => color.match(/[\\d.]+/g).map(Number);
    const luminance = (color) => {
        const [r, g, b] = channels(color).slice(0, 3).map((c) => c / 255)
            .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (e) => {
        const color = getComputedStyle(e).backgroundColor;
        return channels(color)[3] === 0 && e.parentElement ? ground(e.parentElement) : color;
    };
    [...document.querySelectorAll("body *")]
        .filter((e) => e.checkVisibility() && !e.matches("[aria-disabled=true]"))
        .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
        .map((e) => {
            const [a, b] = [luminance(getComputedStyle(e).color), luminance(ground(e))];
            const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            return [`${e.tagName} ${e.id} ${e.className}`, contrast];
        });
"""


async def test_events_are_read_however_the_network_cuts_them(read: Open) -> None:
    page = (await read()).page
    events = await page.evaluate(
        """async () => {
            const { readEvents } = await import("/events.js");
            const bytes = new TextEncoder().encode(
                ': hello\\n\\n' +
                'event: text\\ndata: "a: ü\\\\n"\\n\\nevent: end\\ndata: {"é": 1}\\n\\n');
            const body = new ReadableStream({ start(controller) {
                for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
                controller.close();
            }});
            const events = [];
            for await (const event of readEvents(body)) events.push(event);
            return events;
        }"""
    )
    assert events == [
        {"event": "text", "data": "a: ü\n"},
        {"event": "end", "data": {"é": 1}},
    ]
