"""The gallery, which is in the reader's browser alone."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import Page, expect

from tests.bot.web.page.conftest import Open
from tests.fakes import VERSE

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = "sonneteer-gallery"
POEM = {
    "title": "<img src=x onerror=alert(1)>",
    "text": "<script>alert(2)</script>\nand more",
    "model": "sonnets",
    "link": "?model=a1&seed=x&random_seed=7",
    "kept": "2026-11-25T00:00:00.000Z",
}


def stored(value: str) -> str:
    """Return a script that puts a value into the storage before the page looks."""
    return f"if (!localStorage['{KEY}']) localStorage['{KEY}'] = {json.dumps(value)};"


async def open_gallery(page: Page) -> None:
    await page.click("#gallery > summary")
    await page.evaluate("new Promise(requestAnimationFrame)")  # it makes its list once it is open


async def test_a_poem_that_is_kept_is_there_after_a_reload_until_it_is_deleted(read: Open) -> None:
    reader = await read()
    page = reader.page
    for seed in ("The moon", "The sun"):
        await reader.write(seed)
        await reader.finished()
        await page.click("#keep")
        await expect(page.locator("#status")).to_have_text("Kept in your gallery.")
    await page.click("#keep")
    await expect(page.locator("#status")).to_have_text("This poem is in your gallery already.")

    await page.reload()
    await expect(page.locator("#gallery h2")).to_have_text("Your gallery (2)")
    await open_gallery(page)
    titles = [f"{seed} upon the quiet water" for seed in ("The sun", "The moon")]
    assert await page.locator(".kept h3").all_text_contents() == titles
    await page.click(".kept summary >> nth=1")
    lines = await page.locator(".kept .text >> nth=1").locator("span").all_text_contents()
    assert "\n".join(lines) == "The moon" + VERSE
    link = await page.get_attribute(".kept a >> nth=1", "href") or ""
    assert "seed=The+moon" in link

    await page.get_by_role("button", name="Delete: The moon").click()
    await expect(page.locator("#gallery [role=status]")).to_have_text("Deleted.")
    assert await page.locator(".kept h3").all_text_contents() == titles[:1]
    assert await page.evaluate("document.activeElement.textContent") == titles[0]


async def test_all_poems_are_deleted_by_keyboard_after_a_question(read: Open) -> None:
    page = (await read(script=stored(json.dumps([POEM])))).page
    await open_gallery(page)
    await page.focus("[data-part=clear]")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")  # "Keep" has the focus
    assert await page.locator(".kept").count() == 1
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    assert await page.locator(".kept").count() == 0
    assert await page.evaluate(f"localStorage.getItem('{KEY}')") is None
    assert await page.evaluate("document.activeElement.tagName") == "SUMMARY"


async def test_markup_in_the_storage_is_shown_and_does_nothing(read: Open) -> None:
    page = (await read(script=stored(json.dumps([POEM])))).page
    await open_gallery(page)
    await expect(page.locator(".kept h3")).to_have_text(POEM["title"])
    assert await page.locator("#gallery :is(img, script)").count() == 0


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("{[", "is damaged and cannot be read"),
        (
            json.dumps(
                [
                    POEM,
                    None,
                    3,
                    {},
                    {**POEM, "text": 5},
                    {**POEM, "link": "javascript:alert(3)"},
                    {**POEM, "kept": "never"},
                    {**POEM, "text": "x" * 12_001},
                ]
            ),
            "1 poem could be read",
        ),
    ],
)
async def test_a_damaged_gallery_is_told_and_poems_are_kept_again(
    read: Open, value: str, sentence: str
) -> None:
    reader = await read(script=stored(value))
    page = reader.page
    await open_gallery(page)
    await expect(page.locator("#gallery [role=status]")).to_contain_text(sentence)
    before = await page.locator(".kept").count()
    await reader.write("The moon")
    await reader.finished()
    await page.click("#keep")
    await expect(page.locator(".kept")).to_have_count(before + 1)


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            "Object.defineProperty(window, 'localStorage', { get() { throw new Error('off'); } });",
            "This browser lets the page store nothing, so no poem can be kept.",
        ),
        (
            "Storage.prototype.setItem = () => {"
            "    throw new DOMException('', 'QuotaExceededError');"
            "};",
            "This browser has no more room for the gallery. Delete some poems.",
        ),
        (
            stored(json.dumps([POEM] * 100)),
            "Your gallery is full: 100 poems. Delete one to keep another.",
        ),
    ],
    ids=["off", "no room", "full"],
)
async def test_a_poem_that_cannot_be_kept_is_told(read: Open, script: str, sentence: str) -> None:
    reader = await read(script=script)
    await reader.write("The moon")
    await reader.finished()
    await reader.page.click("#keep")
    await expect(reader.page.locator("#status")).to_have_text(sentence)
