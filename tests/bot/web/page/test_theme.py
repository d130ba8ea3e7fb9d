"""The light and the dark look."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.bot.web.page.conftest import Open

pytestmark = pytest.mark.asyncio(loop_scope="session")


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


@pytest.mark.parametrize("look", ["light", "dark"])
async def test_text_stands_out_from_its_ground(read: Open, look: str) -> None:
    """WCAG 2.2 asks for a contrast of 4.5."""
    reader = await read(color_scheme=look)
    await reader.write("The moon")
    await reader.finished()
    await reader.page.click("#books > summary")
    await reader.page.wait_for_selector(".book")
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
