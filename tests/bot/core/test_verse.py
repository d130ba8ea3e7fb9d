"""Poems in form through the whole core, on a small model that knows nothing but words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.library import Library
from bot.core.metrics import Metrics
from bot.core.poet import EnginePoet
from bot.core.records import Asker, Ending, PoemRequest
from bot.core.service import Service
from model import CROWDS, save_model
from tests.verse_words import verse_model

REQUEST = PoemRequest(Asker("test:1"), "My garden", random_seed=3)


@pytest.fixture
async def service(tmp_path: Path, model_file: Callable[..., Path]) -> AsyncIterator[Service]:
    small = verse_model()
    path = tmp_path / "models" / "small.safetensors"
    model_file("bare")
    save_model(
        path, small.network, small.tensors, small.vocabulary, small.card, lexicon=small.lexicon
    )
    library = Library([tmp_path / "models"], shipped=tmp_path / "shipped", default="small")
    metrics = Metrics()
    service = Service(library, EnginePoet(metrics), metrics)
    yield service
    await service.close()


async def test_a_sonnet_begins_with_the_seed_and_has_a_title_and_looks(service: Service) -> None:
    async with service.write(REQUEST) as writing:
        pieces = [piece async for piece in writing]
        poem = await writing.finish()
    assert pieces[0] == "My garden"
    assert len(pieces) > 3  # as its lines are decided
    assert len(poem.lines) == 14
    assert poem.text.count("\n\n") == 3
    assert poem.looks.title
    assert [line.rhyme for line in poem.looks.lines] == list("ABABCDCDEFEFGG")
    assert ["".join(text for text, _ in line.syllables) for line in poem.looks.lines] == list(
        poem.lines
    )
    assert (poem.settings.form, poem.settings.lines, poem.notes) == ("sonnet", 14, ())


async def test_the_same_request_gives_the_same_poem_beside_others(service: Service) -> None:
    async def text(request: PoemRequest) -> str:
        async with service.write(request) as writing:
            return (await writing.finish()).text

    alone = await text(REQUEST)
    others = [replace(REQUEST, random_seed=n, asker=Asker(f"test:{n}")) for n in range(6)]
    assert (await asyncio.gather(*map(text, others)))[3] == alone


async def test_poems_in_a_form_wait_in_line_while_free_ones_are_written(service: Service) -> None:
    asked = [replace(REQUEST, asker=Asker(f"test:{n}")) for n in range(CROWDS + 1)]
    async with (
        service.write(asked[0]) as first,
        service.write(asked[1]) as second,
        service.write(asked[2]) as third,
    ):
        assert [first.place, second.place, third.place] == [0, 0, 1]
        assert len((await third.finish()).lines) == 14


async def test_a_model_without_verse_writes_free_text_and_says_so(service: Service) -> None:
    async with service.write(replace(REQUEST, seed="", model="bare")) as writing:
        poem = await writing.finish()
    assert poem.settings.form == "free"
    assert poem.notes == (
        "This is free text and no sonnet. Its model has no words to rhyme with: "
        "its book was no English verse, or it was trained before there were forms.",
    )


async def test_a_seed_that_fills_the_form_gets_free_text(service: Service) -> None:
    seed = "the river sings to me and to the sea\nand runs away to me and to the day"
    request = replace(REQUEST, seed=seed, form="couplet")
    async with service.write(request) as writing:
        poem = await writing.finish()
    assert poem.text.startswith(seed)
    assert "The seed fills 2 lines, and a couplet has 2." in poem.notes[0]


async def test_a_poem_in_a_form_can_be_stopped(service: Service) -> None:
    async with service.write(REQUEST) as writing:
        async for piece in writing:
            if "\n" in piece:
                writing.cancel()
        assert writing.poem.ending is Ending.CANCELLED
        assert len(writing.poem.lines) < 14
    async with service.write(REQUEST) as writing:
        assert len((await writing.finish()).lines) == 14


async def test_a_seed_that_the_model_knows_nothing_of_stands_before_the_first_line(
    service: Service,
) -> None:
    async with service.write(replace(REQUEST, seed="🙂 любовь")) as writing:
        poem = await writing.finish()
    assert poem.text.startswith("🙂 любовь ")
    assert len(poem.lines) == 14
    assert len(poem.notes) == 1
    assert "does not know" in poem.notes[0]
