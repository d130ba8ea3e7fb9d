"""What axe-core finds: nothing, on any page, light and dark, wide and narrow."""

from __future__ import annotations

import json

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from bot.core.records import LineScansion, PoemScansion
from tests.bot.web.page.conftest import Open
from tests.bot.web.page.test_gallery import POEM, stored
from tests.fakes import FakeEngine

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOOKS = PoemScansion(
    "The Moon",
    (LineScansion("A", (("the", False), (" ", False), ("moon", True), (",", False))),),
)
SIZES = [{"width": 360, "height": 740}, {"width": 1280, "height": 900}]


async def faults(page: Page) -> list[str]:
    found = await Axe().run(page)
    return [
        f"{fault['id']}: {[node['html'] for node in fault['nodes']]}"
        for fault in found.response["violations"]
    ]


# What is dark differs in colours alone: test_theme.py and test_dashboard.py measure them in both.
@pytest.mark.parametrize("look", ["light", pytest.param("dark", marks=pytest.mark.slow)])
async def test_axe_finds_nothing(read: Open, look: str) -> None:
    engine = FakeEngine()
    engine.looks = LOOKS
    share = "navigator.share = async () => {};"
    reader = await read(engine, color_scheme=look, script=stored(json.dumps([POEM])) + share)
    page = reader.page
    assert await faults(page) == []
    await page.click("#more > summary")
    await page.select_option("#shape", "sonnet")
    await page.click("#by_line_begin")
    await page.wait_for_selector("#status:has-text('Line 1')")
    await page.click("[data-part=take]")
    await page.wait_for_selector("#status:has-text('Line 2')")
    await page.fill("#own", "mine")
    await page.wait_for_selector("[data-part=look] .line")
    await page.evaluate("document.querySelector('[data-part=trouble]').hidden = false")
    await page.evaluate("document.querySelector('[data-part=trouble]').textContent = 'No.'")
    for size in SIZES:
        await page.set_viewport_size({"width": size["width"], "height": size["height"]})
        assert await faults(page) == []
    await reader.write("The moon")
    await reader.finished()
    await page.click("#gallery > summary")
    await page.click(".kept summary")
    await page.click("[data-part=clear]")
    await page.click("#books > summary")
    await page.wait_for_selector(".book")
    for size in SIZES:
        await page.set_viewport_size({"width": size["width"], "height": size["height"]})
        assert await faults(page) == []
    await page.click("#scan")
    await page.evaluate("document.querySelector('#scansion .line').classList.add('spoken')")
    assert await faults(page) == []
    await page.goto(f"{reader.url}/?room")
    assert await faults(page) == []
    await page.select_option("#shape", "couplet")
    await page.click("#open button")
    await page.click(".controls summary")
    await page.click("[data-action=write]")
    await page.wait_for_selector("#poem .line")
    assert await faults(page) == []
    await page.evaluate("localStorage.clear()")  # as a visitor's browser
    await page.set_viewport_size({"width": 360, "height": 740})
    await page.reload()
    await page.check("[value=line]")
    await page.fill("#own", "mine")
    await page.wait_for_selector("#look .line")
    assert await faults(page) == []
    for path, ready in (("/?kiosk", "#leaf[data-state=done]"), ("/dashboard", "#panels svg")):
        await page.goto(reader.url + path)
        await page.wait_for_selector(ready)
        for size in SIZES:
            await page.set_viewport_size({"width": size["width"], "height": size["height"]})
            assert await faults(page) == [], path
