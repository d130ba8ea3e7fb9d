"""Sharing, by a system that the test plays."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.bot.web.page.conftest import Open, Reader
from tests.fakes import VERSE, FakeEngine

pytestmark = pytest.mark.asyncio(loop_scope="session")

SYSTEM = """
    window.shared = [];
    window.refusals = [];
    navigator.canShare = () => true;
    navigator.share = async ({ title, text, url, files = [] }) => {
        window.shared.push({ title, text, url, files: files.map((f) => [f.name, f.type]) });
        document.documentElement.dataset.asked = window.shared.length;
        if (window.refusals.length) throw new DOMException("", window.refusals.pop());
    };
"""


async def open_poem(read: Open, script: str, form: str = "sonnet") -> Reader:
    reader = await read(FakeEngine(), script=script)
    await reader.page.select_option("#shape", form)
    await reader.write("The moon")
    await reader.finished()
    return reader


async def test_a_poem_is_shared_with_its_card(read: Open) -> None:
    reader = await open_poem(read, SYSTEM)
    await reader.page.click("#share")
    await expect(reader.page.locator("#status")).to_have_text("Shared.")
    [shared] = await reader.page.evaluate("shared")
    assert shared["title"] == "A Title"
    assert shared["text"] == "The moon" + VERSE
    assert shared["url"].startswith(f"{reader.url}/?model=a1a1a1a1a1a1&seed=The+moon")
    assert shared["files"] == [["a-title.png", "image/png"]]


@pytest.mark.parametrize("form", ["free", "sonnet"])
async def test_without_a_card_the_text_and_the_link_are_shared(read: Open, form: str) -> None:
    no_files = "" if form == "free" else "navigator.canShare = () => false;"
    reader = await open_poem(read, SYSTEM + no_files, form)
    await reader.page.click("#share")
    await expect(reader.page.locator("#status")).to_have_text("Shared.")
    [shared] = await reader.page.evaluate("shared")
    assert shared["files"] == []
    assert shared["text"] == "The moon" + VERSE


async def test_a_card_that_comes_too_late_is_shared_by_a_second_press(read: Open) -> None:
    reader = await open_poem(read, SYSTEM + "refusals = ['NotAllowedError'];")
    page = reader.page
    cards: list[str] = []
    page.on("request", lambda request: cards.append(request.url))
    await page.click("#share")
    await expect(page.locator("#status")).to_have_text("The card is ready. Press Share once more.")
    await page.click("#share")
    await expect(page.locator("#status")).to_have_text("Shared.")
    assert len(cards) == 1


async def test_a_reader_who_changes_their_mind_is_told_nothing(read: Open) -> None:
    reader = await open_poem(read, SYSTEM + "refusals = ['AbortError'];")
    await reader.page.click("#share")
    await reader.page.wait_for_selector("html[data-asked='1']")
    await expect(reader.page.locator("#status")).to_have_text("Finished: 4 lines.")
    await expect(reader.page.locator("#error")).to_be_hidden()


async def test_a_browser_that_cannot_share_has_no_button(read: Open) -> None:
    reader = await open_poem(read, "delete Navigator.prototype.share;")
    assert not await reader.page.is_visible("#share")
