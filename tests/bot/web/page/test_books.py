"""The books on the page: their cards, and the charts of their losses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.async_api import Page, expect

from bot.core.records import EpochLoss, ModelRecord
from tests.bot.web.page.conftest import Open
from tests.fakes import SEA_SONGS, SONNETS

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"width": 320, "height": 640}
LEARNT = replace(
    SONNETS,
    characters=94_372,
    held_out_loss=1.25,
    losses=(EpochLoss(2.0, 1.75), EpochLoss(1.5, 1.25), EpochLoss(1.0, 1.5)),
)


async def open_books(page: Page) -> None:
    await page.click("#books > summary")
    await page.wait_for_selector(".book")


def trained(*losses: tuple[float, float | None]) -> ModelRecord:
    return replace(SONNETS, losses=tuple(EpochLoss(*each) for each in losses))


async def test_a_card_tells_of_each_book(read: Open) -> None:
    page = (await read(models=[LEARNT, SEA_SONGS])).page
    await open_books(page)
    card = page.locator(".book").first
    await expect(card.locator("h3")).to_have_text("The Sonnets")
    await expect(card.locator(".by")).to_have_text("model sonnets · default")
    facts = await card.locator(".facts dd").all_text_contents()
    assert facts == ["1.250 on held-out text", "94,372 characters", "25 November 2026", "4.0 MB"]
    assert await page.locator(".book h3").all_text_contents() == ["The Sonnets", "Songs of the Sea"]


async def test_the_books_are_asked_for_when_they_are_opened_and_no_sooner(read: Open) -> None:
    page = (await read()).page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    assert not await page.is_visible("#shelf")
    await open_books(page)
    assert [url.rpartition("/")[2] for url in asked] == ["books"]


async def test_the_chart_draws_both_curves_and_marks_the_best_epoch(read: Open) -> None:
    page = (await read(models=[LEARNT])).page
    await open_books(page)
    training, held_out = await page.evaluate(
        """["training", "held-out"].map((kind) => document.querySelector(`polyline.${kind}`)
            .getAttribute("points").split(" ").map((pair) => pair.split(",").map(Number)))"""
    )
    assert [x for x, _ in training] == [x for x, _ in held_out] == sorted(x for x, _ in training)
    assert training[1] == [held_out[1][0], held_out[2][1]]  # both 1.5: as high as each other
    assert training[0][1] < held_out[0][1] < training[1][1] < training[2][1]  # SVG counts down
    best = page.locator("circle.best")
    assert [float(await best.get_attribute(c) or "") for c in ("cx", "cy")] == held_out[1]


async def test_the_chart_says_its_figures_in_words(read: Open) -> None:
    page = (await read(models=[LEARNT])).page
    await open_books(page)
    chart = page.get_by_role("img", name="Losses of 3 epochs, in nats per character.")
    await expect(chart).to_have_attribute(
        "aria-label",
        "Losses of 3 epochs, in nats per character. Training: from 2.000 to 1.000. "
        "Held-out text: from 1.750 to 1.500. Best: 1.250, after epoch 2.",
    )
    await expect(page.locator(".legend .best")).to_have_text("best: 1.250, epoch 2")


async def test_where_nothing_is_held_out_the_training_has_the_best_epoch(read: Open) -> None:
    page = (await read(models=[trained((2.0, None), (1.5, None), (1.75, None))])).page
    await open_books(page)
    await expect(page.locator(".legend")).to_have_text("trainingbest: 1.500, epoch 2")
    await expect(page.locator(".facts dd").first).to_have_text("1.500 in training")


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ((), "The model file has no training history."),
        (((1.5, None),), "Trained for one epoch: loss 1.500."),
        (((1.5, 1.75),), "Trained for one epoch: loss 1.500, 1.750 on held-out text."),
    ],
)
async def test_without_epochs_to_compare_there_are_words(
    read: Open, losses: tuple[tuple[float, float | None], ...], words: str
) -> None:
    page = (await read(models=[trained(*losses)])).page
    await open_books(page)
    await expect(page.locator(".untold")).to_have_text(words)
    assert await page.locator(".chart").count() == 0


@pytest.mark.parametrize(
    "losses",
    [
        ((1.5, 1.5), (1.5, 1.5)),
        ((0.0, None), (0.0, None)),
        ((1e300, None), (-1e300, 1e-300)),
        ((2.0, None), (1.9, 1.8), (1.7, None)),
        tuple((5 - index / 100, 4 - index / 200) for index in range(300)),
    ],
)
async def test_any_losses_are_drawn_within_the_chart(
    read: Open, losses: tuple[tuple[float, float | None], ...]
) -> None:
    page = (await read(models=[trained(*losses)])).page
    await open_books(page)
    box = """[...document.querySelectorAll(".chart polyline, .chart circle, .chart line")]
        .map((e) => e.getBBox())
        .every((b) => b.x >= 0 && b.y >= 0 && b.x + b.width <= 300 && b.y + b.height <= 148)"""
    assert await page.evaluate(box)
    assert 1 <= await page.locator(".chart .tick").count() <= 4
    assert "NaN" not in await page.inner_html(".chart")


async def test_a_model_is_chosen_from_its_book(read: Open) -> None:
    reader = await read()
    page = reader.page
    await open_books(page)
    await page.click("text=Write with this model >> nth=1")
    assert await page.input_value("#model") == "sea-songs"
    await page.wait_for_function("document.activeElement.id === 'seed'")
    await expect(page.locator("#status")).to_have_text("The next poem will use sea-songs.")
    await page.keyboard.type("Tides")
    await page.keyboard.press("Enter")
    await reader.finished()
    assert reader.engine.engine_requests[0].model.name == "sea-songs"


async def test_a_model_that_came_after_the_page_can_be_chosen(read: Open) -> None:
    page = (await read()).page
    await page.evaluate("document.querySelector('#model option[value=sea-songs]').remove()")
    await open_books(page)
    await page.click("text=Write with this model >> nth=1")
    assert await page.input_value("#model") == "sea-songs"
    await expect(page.locator("#model option:checked")).to_have_text("sea-songs · Songs of the Sea")


async def test_markup_in_a_models_file_is_shown_and_does_nothing(read: Open) -> None:
    hostile = "<img src=x onerror=alert(1)><b>&lt;"
    page = (await read(models=[replace(LEARNT, name=hostile, book=hostile, created=hostile)])).page
    await open_books(page)
    await expect(page.locator(".book h3")).to_have_text(hostile)
    await expect(page.locator(".by")).to_have_text(f"model {hostile} · default")
    assert hostile in await page.locator(".facts dd").all_text_contents()
    assert await page.locator("#books :is(img, script, b)").count() == 0


async def test_a_phone_scrolls_the_books_down_and_never_sideways(read: Open) -> None:
    long = replace(LEARNT, name="o" * 100, book="W" * 200)
    page = (await read(models=[long, SEA_SONGS], viewport=PHONE)).page
    await open_books(page)
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    chart = await page.locator(".chart").bounding_box()
    assert chart is not None
    assert 200 < chart["width"] < PHONE["width"]


async def test_books_that_cannot_be_listed_are_told(read: Open) -> None:
    page = (await read()).page
    await page.route("**/api/books", lambda route: route.abort())
    await page.click("#books > summary")
    await expect(page.locator("#books-note")).to_contain_text("not reachable")
    await page.unroute("**/api/books")
    await page.click("#books > summary")
    await open_books(page)
    await expect(page.locator("#books-note")).to_have_text("")
