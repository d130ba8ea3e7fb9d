"""Poems in form through the whole core, on a small model that knows nothing but words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.engine_client import EngineClient
from bot.core.metrics import Metrics
from bot.core.model_library import ModelLibrary
from bot.core.poems import PoemService
from bot.core.records import FREE, NO_PLAN, Asker, Ending, Plan, PoemRequest
from model import MAX_FORM_POEMS, save_model
from tests.verse_words import verse_model

REQUEST = PoemRequest(Asker("test:1"), "My garden", random_seed=3)


@pytest.fixture
async def service(tmp_path: Path, model_file: Callable[..., Path]) -> AsyncIterator[PoemService]:
    model_file("bare")
    topical = verse_model((" rain", " night", " light", " tree"), topic_size=2)
    for name, model in {"small": verse_model(), "topical": topical}.items():
        save_model(
            tmp_path / "models" / f"{name}.safetensors",
            *(model.network, model.tensors, model.vocabulary, model.card),
            lexicon=model.lexicon,
        )
    library = ModelLibrary([tmp_path / "models"], shipped=tmp_path / "shipped", default="small")
    metrics = Metrics()
    service = PoemService(library, EngineClient(metrics), metrics)
    yield service
    await service.close()


async def test_a_sonnet_begins_with_the_seed_and_has_a_title_and_looks(
    service: PoemService,
) -> None:
    async with service.write(await service.admit(REQUEST)) as poem_stream:
        pieces = [piece async for piece in poem_stream]
        poem = await poem_stream.finish()
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


async def test_a_poem_has_a_plan_where_its_network_can_be_told(service: PoemService) -> None:
    async def planned(request: PoemRequest) -> Plan:
        async with service.write(await service.admit(request)) as poem_stream:
            return (await poem_stream.finish()).plan

    asked = replace(REQUEST, seed="The rain", model="topical")
    plan = await planned(asked)
    assert plan.topic == ("rain",)
    assert set(plan.keywords) <= {"rain", "night", "light", "tree", ""} != set(plan.keywords)
    assert plan == await planned(asked)
    assert "tree" not in (await planned(replace(asked, avoid=("tree",)))).keywords
    assert await planned(replace(asked, form=FREE, characters=40)) == NO_PLAN
    assert await planned(REQUEST) == NO_PLAN


async def test_the_same_request_gives_the_same_poem_beside_others(service: PoemService) -> None:
    async def text(request: PoemRequest) -> str:
        async with service.write(await service.admit(request)) as poem_stream:
            return (await poem_stream.finish()).text

    alone = await text(REQUEST)
    others = [replace(REQUEST, random_seed=n, asker=Asker(f"test:{n}")) for n in range(6)]
    assert (await asyncio.gather(*map(text, others)))[3] == alone


async def test_poems_in_a_form_wait_in_line_while_free_ones_are_written(
    service: PoemService,
) -> None:
    asked = [replace(REQUEST, asker=Asker(f"test:{n}")) for n in range(MAX_FORM_POEMS + 1)]
    async with (
        service.write(await service.admit(asked[0])) as first,
        service.write(await service.admit(asked[1])) as second,
        service.write(await service.admit(asked[2])) as third,
    ):
        assert [first.place, second.place, third.place] == [0, 0, 1]
        assert len((await third.finish()).lines) == 14


async def test_a_model_without_verse_writes_free_text_and_says_so(service: PoemService) -> None:
    bare = replace(REQUEST, seed="", model="bare")
    async with service.write(await service.admit(bare)) as poem_stream:
        poem = await poem_stream.finish()
    assert poem.settings.form == "free"
    assert poem.notes == (
        "This is free text, not a sonnet. The model has no words to rhyme with: "
        "its book was not English verse, or it was trained before forms were added.",
    )


async def test_a_seed_that_fills_the_form_gets_free_text(service: PoemService) -> None:
    seed = "the river sings to me and to the sea\nand runs away to me and to the day"
    request = replace(REQUEST, seed=seed, form="couplet")
    async with service.write(await service.admit(request)) as poem_stream:
        poem = await poem_stream.finish()
    assert poem.text.startswith(seed)
    assert "The seed fills 2 lines, and a couplet has 2." in poem.notes[0]


async def test_a_poem_in_a_form_can_be_stopped(service: PoemService) -> None:
    async with service.write(await service.admit(REQUEST)) as poem_stream:
        async for piece in poem_stream:
            if "\n" in piece:
                poem_stream.cancel()
        assert poem_stream.poem.ending is Ending.CANCELLED
        assert len(poem_stream.poem.lines) < 14
    async with service.write(await service.admit(REQUEST)) as poem_stream:
        assert len((await poem_stream.finish()).lines) == 14


async def test_a_seed_that_the_model_knows_nothing_of_stands_before_the_first_line(
    service: PoemService,
) -> None:
    request = replace(REQUEST, seed="🙂 любовь")
    async with service.write(await service.admit(request)) as poem_stream:
        poem = await poem_stream.finish()
    assert poem.text.startswith("🙂 любовь ")
    assert len(poem.lines) == 14
    assert len(poem.notes) == 1
    assert "does not know" in poem.notes[0]
