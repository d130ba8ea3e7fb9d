"""The page in a real browser: headless Chromium, where there is one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from bot.core.records import ModelRecord
from bot.core.room import RoomLimits
from bot.web.events import StreamTiming
from tests.bot.web.conftest import serving
from tests.fakes import SEA_SONGS, SONNETS, VERSE, FakeEngine, fake_service
from tests.timeouts import HANG_SECONDS

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP poems.example.org 127.0.0.1",
]
# Chromium's, of every answer that is not 2xx, and of headers that plain HTTP has no use for; and
# playwright's, where it keeps a service worker out.
EXPECTED = (
    "Failed to load resource",
    "Cross-Origin-Opener-Policy header has been ignored",
    "Service Worker registration blocked",
)


POEM_TEXT = (
    """[...document.querySelectorAll("#poem .line")].map((l) => l.textContent).join("\\n")"""
)


@dataclass
class Reader:
    """A browser before the page, and the engine behind it."""

    page: Page
    context: BrowserContext
    engine: FakeEngine
    url: str

    async def write(self, seed: str) -> None:
        await self.page.fill("#seed", seed)
        await self.page.press("#seed", "Enter")

    async def finished(self) -> None:
        await self.page.wait_for_selector("#status:has-text('Finished')")

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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium here: install Debian's package `chromium` to try the page")
    async with async_playwright() as playwright:
        expect.set_options(timeout=HANG_SECONDS * 1000)
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=FLAGS, timeout=HANG_SECONDS * 1000
        )
        yield browser
        await browser.close()


async def make_context(browser: Browser, **options: Any) -> BrowserContext:
    options.setdefault("reduced_motion", "reduce")
    options.setdefault("service_workers", "block")
    context = await browser.new_context(**options)
    context.set_default_timeout(HANG_SECONDS * 1000)
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    return context


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_context(browser: Browser) -> BrowserContext:
    """What most tests share: a new one starts processes anew, and takes twice as long.

    One page stays open in it, so that the browser keeps what it has started.
    """
    context = await make_context(browser)
    await context.new_page()
    return context


async def leave(reader: Reader) -> None:
    """Let go of all that a reader's site has stored in the shared context."""
    session = await reader.context.new_cdp_session(reader.page)
    await session.send("Storage.clearDataForOrigin", {"origin": reader.url, "storageTypes": "all"})
    for page in reader.context.pages:
        if page.url.startswith(reader.url):
            await page.close()


@pytest_asyncio.fixture(loop_scope="session")
async def read(browser: Browser, shared_context: BrowserContext) -> AsyncIterator[Open]:
    """Open the page; afterwards nothing may have been complained of or fetched from elsewhere.

    Each call has a site of its own, with a port of its own. With `options` for the browser, or
    `alone`, the context is its own, too: what a test does to the clock is done to the context.
    Without a `path` nothing is opened yet.
    """
    complaints: list[str] = []
    async with AsyncExitStack() as stack:

        async def begin(
            engine: FakeEngine | None = None,
            *,
            path: str | None = "/",
            script: str = "",
            alone: bool = False,
            models: Sequence[ModelRecord] = (SONNETS, SEA_SONGS),
            host: str = "127.0.0.1",
            **options: Any,
        ) -> Reader:
            engine = engine or FakeEngine()
            service = fake_service(engine, models=models)
            timing = StreamTiming(place_seconds=0.01, room_seconds=0.01)
            served = serving(
                service,
                poems_per_minute=0,
                stream_timing=timing,
                room_limits=RoomLimits(line_seconds=0.0),
                allowed_hosts=[host],
            )
            url = (await stack.enter_async_context(served)).replace("127.0.0.1", host)
            if alone or options:
                context = await make_context(browser, **options)
                stack.push_async_callback(context.close)
            else:
                context = shared_context
            page = await context.new_page()
            reader = Reader(page, context, engine, url)
            if context is shared_context:
                stack.push_async_callback(leave, reader)
            await page.add_init_script(script)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
            page.on(
                "request", lambda r: None if r.url.startswith(url) else complaints.append(r.url)
            )
            page.on(
                "console",
                lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None,
            )
            if path is not None:
                await page.goto(url + path)
                await page.wait_for_selector("#model option", state="attached")
            return reader

        yield begin
    assert [text for text in complaints if not any(each in text for each in EXPECTED)] == []


def gated_poet(text: str = VERSE, *, released: int = 2) -> FakeEngine:
    """Make an engine that stops after so many pieces."""
    engine = FakeEngine(text)
    engine.gate = asyncio.Semaphore(released)
    return engine
