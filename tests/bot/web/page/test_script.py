"""What the reader does and sees."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import expect

from bot.core.records import Ending, LineScansion, PoemScansion
from tests.bot.web.conftest import until
from tests.bot.web.page.conftest import Open, gated_poet
from tests.fakes import VERSE, FakeEngine

LOOKS = PoemScansion(
    "The Moon",
    (LineScansion("A", (("the", False), (" ", False), ("moon", True), (",", False))),),
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_enter_writes_a_poem(read: Open) -> None:
    reader = await read()
    await reader.write("The moon")
    await reader.finished()
    assert await reader.poem() == "The moon" + VERSE
    await expect(reader.page.locator("#status")).to_have_text("Finished: 4 lines.")
    await expect(reader.page.locator("#provenance")).to_have_text(
        "sonnets · temperature 0.5 · random seed 7"
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
    engine_request = reader.engine.engine_requests[0]
    settings = engine_request.settings
    assert (engine_request.model.name, engine_request.random_seed) == ("sea-songs", 99)
    sampling = settings.sampling
    assert (sampling.temperature, sampling.top_k, sampling.top_p) == (1.23, 9, 0.5)
    assert (sampling.min_p, sampling.greedy) == (0.1, True)
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
    assert reader.engine.engine_requests == []


async def test_an_opening_that_is_offered_is_written_on(read: Open) -> None:
    reader = await read()
    await reader.page.click("#openings button >> nth=0")
    await reader.finished()
    assert (await reader.poem()).startswith("The winter light upon")


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
    await until(lambda: reader.engine.drafts[0].cancelled)
    assert await reader.poem() == "The moon" + VERSE[:32]
    await expect(reader.page.locator("#copy")).to_be_visible()


async def test_a_second_poem_takes_the_place_of_the_first(read: Open) -> None:
    reader = await read(gated_poet())
    await reader.write("The moon")
    await until(lambda: len(reader.engine.drafts) == 1)
    await reader.write("The sun")
    await until(lambda: len(reader.engine.drafts) == 2 and reader.engine.drafts[0].cancelled)
    assert reader.engine.gate is not None
    for _ in range(20):
        reader.engine.gate.release()
    await reader.finished()
    assert await reader.poem() == "The sun" + VERSE


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
    first, second = reader.engine.engine_requests
    assert first == second


async def test_a_link_to_a_model_that_is_gone_says_so(read: Open) -> None:
    reader = await read(path="/?model=ffffffffffff&seed=x&random_seed=1")
    await expect(reader.page.locator("#error")).to_contain_text("no model called 'ffffffffffff'")


async def test_again_draws_another_random_seed(read: Open) -> None:
    reader = await read(path="/?model=a1a1a1a1a1a1&seed=Sea&random_seed=1234")
    await reader.finished()
    await reader.page.click("#again")
    await until(lambda: len(reader.engine.engine_requests) == 2)
    await reader.finished()
    assert [engine_request.random_seed for engine_request in reader.engine.engine_requests] == [
        1234,
        7,
    ]


async def test_notes_on_the_seed_are_shown(read: Open) -> None:
    reader = await read(FakeEngine(alphabet="abcdefghijklmnopqrstuvwxyz "))
    await reader.write("moon 🌙")
    await reader.finished()
    await expect(reader.page.locator("#notes li")).to_contain_text("🌙")
    await expect(reader.page.locator("#poem .seed")).to_have_text("moon 🌙")


async def test_the_place_in_line_is_told(read: Open) -> None:
    engine = gated_poet(released=0)
    engine.place, engine.expected_wait = 3, 4.0
    reader = await read(engine)
    await reader.write("The moon")
    await expect(reader.page.get_by_role("status")).to_have_text(
        "In the queue: 2 poems before yours, about 4 s."
    )


async def test_what_is_known_at_the_end_only_is_noted(read: Open) -> None:
    engine = FakeEngine()
    engine.ending = Ending.CUT_OFF
    reader = await read(engine)
    await reader.write("The moon")
    await reader.finished()
    await expect(reader.page.locator("#notes li")).to_contain_text("10,000 characters")


async def test_markup_in_seed_and_poem_is_shown_and_does_nothing(read: Open) -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>&lt;"
    reader = await read(FakeEngine(f"{hostile}\n</span><b>bold</b>", alphabet="a"))
    await reader.write(hostile + "a")
    await reader.finished()
    assert await reader.poem() == f"{hostile}a{hostile}\n</span><b>bold</b>"
    assert await reader.page.locator("#leaf :is(img, script, b)").count() == 0


async def test_half_a_character_in_the_seed_is_no_error(read: Open) -> None:
    reader = await read()
    await reader.page.evaluate("document.querySelector('#seed').value = 'moon \\ud83c'")
    await reader.page.click("#write")
    await reader.finished()


async def test_a_poem_in_a_form_shows_its_title_rhymes_and_beats(read: Open) -> None:
    engine = FakeEngine()
    engine.looks = LOOKS
    reader = await read(engine)
    page = reader.page
    await page.select_option("#shape", "quatrain")
    assert not await page.is_visible("#length")
    await reader.write("The moon")
    await reader.finished()
    assert engine.engine_requests[0].settings.form == "quatrain"
    await expect(page.locator("#title")).to_have_text("The Moon")
    await page.click("#scan")
    await expect(page.locator("#scansion [data-rhyme='A']")).to_have_text("the moon,")
    assert await page.locator("#scansion .beat").all_text_contents() == ["moon"]
    assert not await page.is_visible("#poem")
    await page.click("#scan")
    assert await page.is_visible("#poem")


async def test_a_card_is_downloaded(read: Open) -> None:
    engine = FakeEngine()
    engine.looks = LOOKS
    reader = await read(engine)
    await reader.page.select_option("#shape", "sonnet")
    await reader.write("The moon")
    await reader.finished()
    async with reader.page.expect_download() as download:
        await reader.page.click("#card")
    assert (await download.value).suggested_filename == "the-moon.png"


async def test_free_text_offers_neither_rhymes_nor_card(read: Open) -> None:
    reader = await read()
    await reader.write("The moon")
    await reader.finished()
    for name in ("#title", "#scan", "#card"):
        assert not await reader.page.is_visible(name)


async def test_words_to_avoid_are_sent(read: Open) -> None:
    reader = await read()
    await reader.page.click("#more summary")
    await reader.page.fill("#avoid", "stars, tides")
    await reader.write("The moon")
    await reader.finished()
    assert reader.engine.engine_requests[0].settings.avoid == ("stars", "tides")
