"""The page for everybody: on a phone, by keyboard, by ear."""

from __future__ import annotations

import pytest

from tests.bot.web.page.conftest import Open
from tests.fakes import VERSE, FakeEngine

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"width": 320, "height": 640}


async def test_a_phone_never_scrolls_sideways(read: Open) -> None:
    reader = await read(FakeEngine(VERSE + "\n" + "o" * 400), viewport=PHONE)
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
    await page.wait_for_function("document.activeElement.id === 'seed'")
    order = []
    for _ in range(8):
        await page.keyboard.press("Tab")
        order.append(await page.evaluate("document.activeElement.id"))
    assert order == [
        "write",
        "by_line_begin",
        "stop",
        "",
        "model",
        "shape",
        "slider",
        "temperature",
    ]


async def test_letters_are_not_read_aloud_but_beginning_and_end_are(read: Open) -> None:
    page = (await read()).page
    assert await page.locator("#poem").get_attribute("aria-live") is None
    inside = "document.querySelector('#poem').closest('[aria-live], [role=status], [role=alert]')"
    assert await page.evaluate(inside) is None
    assert await page.locator("#status").get_attribute("role") == "status"
