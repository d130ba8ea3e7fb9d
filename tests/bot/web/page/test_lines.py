"""A poem line by line, on the page."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from bot.core.errors import QueueFull
from tests.bot.web.conftest import until
from tests.bot.web.page.conftest import Open, Reader
from tests.fakes import FakeEngine

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIRST, SECOND, THIRD = "the first line", "another one", "and a third"
SO_FAR = """[...document.querySelectorAll("[data-part=lines] .line")].map((l) => l.textContent)"""


async def begin(read: Open, engine: FakeEngine | None = None, **options: object) -> Reader:
    reader = await read(engine, **options)
    if not await reader.page.is_visible("#shape"):
        await reader.page.click("#settings > summary")
    await reader.page.select_option("#shape", "quatrain")
    await reader.page.click("#by_line_begin")
    return reader


async def at_line(page: Page, number: int, count: int = 4) -> None:
    await expect(page.locator("#status")).to_contain_text(f"Line {number} of {count}.")


async def test_a_poem_is_written_by_keyboard_alone(read: Open) -> None:
    reader = await begin(read)
    page = reader.page
    await at_line(page, 1)
    await page.keyboard.press("Enter")  # the first one has the focus
    await at_line(page, 2)
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await at_line(page, 3)
    assert await page.evaluate(SO_FAR) == [FIRST, SECOND]
    await page.keyboard.press("Tab")
    await page.keyboard.press("ControlOrMeta+A")
    await page.keyboard.type("my own line")
    await expect(page.locator("[data-part=told]")).to_have_text("1 syllable, 1 beat, rhyme A.")
    await page.keyboard.press("Enter")
    await at_line(page, 4)
    await page.keyboard.press("Enter")
    await expect(page.locator("#status")).to_contain_text("All 4 lines are written.")
    assert await page.evaluate("document.activeElement.textContent") == "Finish the poem"
    await page.keyboard.press("Enter")
    await reader.finished()
    assert await reader.poem() == "\n".join([FIRST, SECOND, "my own line", FIRST])
    await expect(page.locator("#title")).to_have_text("A Title")
    await expect(page.locator("#by_line")).to_be_hidden()
    await page.click("#keep")
    await expect(page.locator("#status")).to_have_text("Kept in your gallery.")
    await page.goto(f"{reader.url}/{await page.get_attribute('#link', 'href')}")
    await reader.finished()
    assert await reader.poem() == "\n".join([FIRST, SECOND, "my own line", FIRST])


async def test_the_random_seed_of_the_first_answer_stays(read: Open) -> None:
    reader = await begin(read)
    await at_line(reader.page, 1)
    reader.engine.candidates = (SECOND,)
    await reader.page.click("[data-part=take]")
    await at_line(reader.page, 2)
    requests = reader.engine.engine_requests
    assert [request.random_seed for request in requests] == [7, 7]
    assert requests[1].opening.lines == (FIRST,)
    assert requests[1].settings.form == "quatrain"


async def test_a_line_that_is_offered_is_touched_changed_used_and_taken_back(read: Open) -> None:
    reader = await begin(read, viewport={"width": 360, "height": 740}, has_touch=True)
    page = reader.page
    await at_line(page, 1)
    await page.tap(f".candidates label:has-text('{THIRD}')")
    assert await page.input_value("#own") == THIRD
    await page.fill("#own", f"{THIRD} of mine")
    assert await page.locator(".candidates :checked").count() == 0
    await page.tap("[data-part=take]")
    await at_line(page, 2)
    assert await page.evaluate(SO_FAR) == [f"{THIRD} of mine"]
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await page.tap("[data-part=undo]")
    await at_line(page, 1)
    assert await page.evaluate(SO_FAR) == []
    assert await page.input_value("#own") == f"{THIRD} of mine"
    await expect(page.locator("[data-part=undo]")).to_be_hidden()


async def test_the_rest_is_written_for_the_reader(read: Open) -> None:
    reader = await begin(read, FakeEngine("\nand the rest"))
    await at_line(reader.page, 1)
    await reader.page.click("[data-part=take]")
    await at_line(reader.page, 2)
    await reader.page.click("[data-part=finish]")
    await reader.finished()
    assert (await reader.poem()).startswith(FIRST)
    assert reader.engine.engine_requests[-1].candidates == 0


async def test_notes_on_a_line_are_told_while_it_is_typed_and_after(read: Open) -> None:
    engine = FakeEngine()
    engine.line_notes = ("This line has 3 syllables; the form wants 10.",)
    page = (await begin(read, engine)).page
    await at_line(page, 1)
    await page.fill("#own", "Oh no")
    told = page.locator("[data-part=told]")
    await expect(told).to_have_text(f"1 syllable, 1 beat, rhyme A. {engine.line_notes[0]}")
    await page.click("[data-part=take]")
    await expect(page.locator("#status")).to_have_text(
        f"Line 2 of 4. About line 1: {engine.line_notes[0]}"
    )


async def test_what_is_refused_is_told_and_the_poem_stays(read: Open) -> None:
    reader = await begin(read)
    page, trouble = reader.page, reader.page.locator("[data-part=trouble]")
    await at_line(page, 1)
    await page.fill("#own", " ")
    await page.click("[data-part=take]")
    await expect(trouble).to_have_text("There is no line yet. Choose one, or write your own.")
    await page.fill("#own", "mine")
    reader.engine.refusal = QueueFull(3)
    await page.click("[data-part=take]")
    await expect(trouble).to_contain_text("The queue is full (3 poems waiting)")
    reader.engine.refusal = QueueFull(4)
    await page.click("[data-part=finish]")
    await expect(trouble).to_contain_text("The queue is full (4 poems waiting)")
    reader.engine.refusal = None
    assert await page.input_value("#own") == "mine"
    await page.click("[data-part=take]")
    await at_line(page, 2)
    await expect(trouble).to_be_hidden()
    assert await page.evaluate(SO_FAR) == ["mine"]


async def test_markup_in_a_line_is_shown_and_does_nothing(read: Open) -> None:
    reader = await begin(read)
    await at_line(reader.page, 1)
    line = "<img src=x onerror=alert(1)>"
    await reader.page.fill("#own", line)
    await reader.page.click("[data-part=take]")
    await at_line(reader.page, 2)
    assert await reader.page.evaluate(SO_FAR) == [line]


async def test_free_text_cannot_be_written_line_by_line_and_that_is_told(read: Open) -> None:
    page = (await read()).page
    await page.select_option("#shape", "free")
    await page.click("#by_line_begin")
    sentence = "it must be sonnet, quatrain, couplet or haiku to write line by line."
    await expect(page.locator("[data-part=trouble]")).to_contain_text(sentence)


async def test_escape_stops_the_wait_for_lines_and_another_poem_ends_the_mode(read: Open) -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    reader = await begin(read, engine)
    await until(lambda: engine.drafts)
    await reader.page.keyboard.press("Escape")
    await expect(reader.page.locator("#status")).to_have_text("Stopped.")
    await until(lambda: engine.drafts[0].cancelled)
    engine.gate = None
    await reader.write("The moon")
    await reader.finished()
    await expect(reader.page.locator("#by_line")).to_be_hidden()
    assert (await reader.poem()).startswith("The moon")
