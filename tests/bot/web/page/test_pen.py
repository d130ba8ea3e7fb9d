"""The letters."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.bot.web.page.conftest import Open, gated_poet
from tests.fakes import VERSE

pytestmark = pytest.mark.asyncio(loop_scope="session")


# Twenty frames a second by a clock of the page's own, however long the browser takes for one.
FRAMES = """
    let now = 0;
    performance.now = () => now;
    window.requestAnimationFrame = (draw) => setTimeout(() => draw(now += 50));
    window.cancelAnimationFrame = clearTimeout;
"""


async def test_the_poem_appears_letter_by_letter(read: Open) -> None:
    watch = (
        FRAMES
        + """
        window.lengths = new Set();
        addEventListener("DOMContentLoaded", () => new MutationObserver(() =>
            lengths.add(document.querySelector("#poem").textContent.length)
        ).observe(document, { subtree: true, childList: true, characterData: true }));
    """
    )
    reader = await read(script=watch, reduced_motion="no-preference")
    await reader.write("The moon")
    await reader.finished()
    assert await reader.poem() == "The moon" + VERSE
    assert await reader.page.evaluate("lengths.size") > 15


async def test_with_reduced_motion_text_stands_there_as_it_comes(read: Open) -> None:
    reader = await read(gated_poet(released=1))
    await reader.write("The moon")
    await expect(reader.page.locator("#poem")).to_have_text("The moon" + VERSE[:16])
