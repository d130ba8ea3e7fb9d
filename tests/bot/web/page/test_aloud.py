"""A poem read aloud, by voices that the test plays."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.bot.web.conftest import until
from tests.bot.web.page.conftest import Open, gated_poet
from tests.fakes import VERSE

pytestmark = pytest.mark.asyncio(loop_scope="session")

VOICES = """
    window.voices = [{ lang: "en" }];
    window.spoken = [];
    window.SpeechSynthesisUtterance = class extends EventTarget {
        constructor(text) { super(); this.text = text; }
    };
    window.speech = Object.assign(new EventTarget(), {
        getVoices: () => window.voices,
        speak: (utterance) => { window.spoken.push(utterance.text); window.now = utterance; },
        cancel: () => { window.now?.dispatchEvent(new Event("error")); window.now = null; },
    });
    Object.defineProperty(window, "speechSynthesis", { value: window.speech });
"""
END = "window.now.dispatchEvent(new Event('end'))"


async def lit(page: Page) -> list[str]:
    return await page.locator("#poem .spoken").all_text_contents()


async def test_a_poem_is_read_line_by_line_and_the_line_is_lit(read: Open) -> None:
    reader = await read(script=VOICES)
    page = reader.page
    await reader.write("The moon")
    await reader.finished()
    await page.click("#aloud")
    await expect(page.locator("#aloud")).to_have_text("Stop reading")
    lines = ("The moon" + VERSE).split("\n")
    for line in lines:
        assert await lit(page) == [line]
        await page.evaluate(END)
    assert await page.evaluate("spoken") == lines
    assert await lit(page) == []
    await expect(page.locator("#aloud")).to_have_text("Read aloud")
    await expect(page.locator("#error")).to_be_hidden()


async def test_without_a_voice_there_is_no_button_until_one_comes(read: Open) -> None:
    reader = await read(script=VOICES + "window.voices = [];")
    page = reader.page
    await reader.write("The moon")
    await reader.finished()
    assert not await page.is_visible("#aloud")
    await page.evaluate(
        "window.voices = [{ lang: 'en' }]; speech.dispatchEvent(new Event('voiceschanged'))"
    )
    assert await page.is_visible("#aloud")


@pytest.mark.parametrize("way", ["button", "escape", "another poem", "leaving"])
async def test_the_voice_falls_silent(read: Open, way: str) -> None:
    engine = gated_poet(released=20)
    reader = await read(engine, script=VOICES)
    page = reader.page
    await reader.write("The moon")
    await reader.finished()
    await page.focus("#aloud")
    await page.keyboard.press("Enter")
    assert len(await lit(page)) == 1
    if way == "button":
        await page.keyboard.press("Enter")
    elif way == "escape":
        await page.keyboard.press("Escape")
    elif way == "another poem":
        await reader.write("The sun")
        await until(lambda: len(engine.drafts) == 2)
    else:
        await page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    assert await page.evaluate("window.now") is None
    assert await lit(page) == []
    await expect(page.locator("#error")).to_be_hidden()


async def test_a_voice_that_fails_is_told(read: Open) -> None:
    reader = await read(script=VOICES)
    await reader.write("The moon")
    await reader.finished()
    await reader.page.click("#aloud")
    await reader.page.evaluate("window.now.dispatchEvent(new Event('error'))")
    await expect(reader.page.get_by_role("alert")).to_contain_text("could not read the poem")
    await expect(reader.page.locator("#aloud")).to_have_text("Read aloud")
