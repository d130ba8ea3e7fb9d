"""A poem line by line through the whole core, on a small model that knows nothing but words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.engine_client import EngineClient
from bot.core.errors import (
    AvoidedSeed,
    BadSetting,
    LinesImpossible,
    QueueFull,
    ShuttingDown,
    TooSoon,
)
from bot.core.metrics import Metrics
from bot.core.model_library import ModelLibrary
from bot.core.poems import PoemService
from bot.core.records import FORMS, Asker, NextLine, Poem, PoemRequest
from model import save_model
from tests.fakes import Clock, FakeEngine, fake_service, write_poem
from tests.timeouts import HANG_SECONDS
from tests.verse_words import verse_model

REQUEST = PoemRequest(Asker("test:1"), form="quatrain", random_seed=3)
FIRST = "The silver river runs away to sea"


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


async def suggest(service: PoemService, request: PoemRequest) -> NextLine:
    return await service.suggest(await service.admit(request))


def with_lines(*lines: str, **changes: object) -> PoemRequest:
    return replace(REQUEST, written=lines, **changes)  # type: ignore[arg-type]


async def test_the_next_line_begins_as_it_is_told_to(service: PoemService) -> None:
    answer = await suggest(service, with_lines(FIRST, seed="garden", beginning="Garden"))
    assert answer.candidates
    assert all(line.text.startswith("Garden") for line in answer.candidates)
    assert [line.text for line in answer.lines] == [FIRST]


async def test_a_poem_is_chosen_line_by_line_and_then_finished_with_a_title(
    service: PoemService,
) -> None:
    written: tuple[str, ...] = ()
    for _ in range(4):
        step = await suggest(service, with_lines(*written))
        assert not step.whole
        assert [line.text for line in step.lines] == list(written)
        assert len({line.text for line in step.candidates}) == len(step.candidates) > 0
        assert {line.looks.rhyme for line in step.candidates} == {"ABAB"[len(written)]}
        assert all(line.notes == () for line in step.candidates)
        written += (step.candidates[0].text,)
    step = await suggest(service, with_lines(*written))
    assert step.whole
    assert step.candidates == ()
    poem = await write_poem(service, with_lines(*written))
    assert poem.lines == written
    assert poem.looks.title


async def test_the_first_line_begins_with_the_seed(service: PoemService) -> None:
    step = await suggest(service, replace(REQUEST, seed="My garden"))
    assert step.lines == ()
    assert step.candidates
    assert all(line.text.startswith("My garden") for line in step.candidates)
    step = await suggest(service, replace(REQUEST, seed=f"{FIRST}\nMy garden"))
    assert [line.text for line in step.lines] == [FIRST]
    assert all(line.text.startswith("My garden") for line in step.candidates)


async def test_the_rest_is_written_from_the_lines_so_far(service: PoemService) -> None:
    lines = (FIRST, "my own  line of any length at all, in the rain")
    poem = await write_poem(service, with_lines(*lines))
    assert poem.lines[:2] == lines
    assert len(poem.lines) == 4
    assert poem == await write_poem(service, with_lines(*lines))


async def test_the_same_request_has_the_same_answer_beside_others(service: PoemService) -> None:
    alone = await suggest(service, with_lines(FIRST))
    others = [with_lines(FIRST, random_seed=n, asker=Asker(f"test:{n}")) for n in range(5)]
    together = await asyncio.gather(*(suggest(service, other) for other in others))
    assert together[3] == alone
    assert together[2].candidates != alone.candidates


async def test_the_plan_stays_and_follows_the_readers_rhymes(service: PoemService) -> None:
    def asking(*lines: str) -> PoemRequest:
        return with_lines(*lines, model="topical", form="sonnet")

    first = (await suggest(service, asking("I see the rain"))).plan
    later = (await suggest(service, asking("I see the rain", "at night", "again"))).plan
    assert (first.topic, first.keywords) == (later.topic, later.keywords)
    assert first.topic == ("rain",)
    assert later.ends[:3] == ("rain", "night", "again")
    assert later.ends[4:] == first.ends[4:]


async def test_lines_are_cleaned_as_seeds_are_and_stay_one(service: PoemService) -> None:
    step = await suggest(service, with_lines(" The\nsilver\x07 river \N{RIGHT-TO-LEFT OVERRIDE}"))
    assert [line.text for line in step.lines] == ["The silver river"]


async def test_what_a_line_lacks_is_told_and_the_poem_goes_on(service: PoemService) -> None:
    step = await suggest(service, with_lines("An orange ☃", "what?", "the night"))
    assert [line.notes for line in step.lines] == [
        (
            "This line has 3 syllables; the form wants 10.",
            "“orange” has no rhyme that I know; my line will only sound like it.",
        ),
        (
            "This line has 1 syllable; the form wants 10.",
            "“what” has no rhyme that I know; my line will only sound like it.",
        ),
        ("This line has 2 syllables; the form wants 10.",),
    ]
    assert step.notes == ("Left out, as the model does not know them: ☃.",)
    assert step.candidates


async def test_the_last_line_is_scanned_while_it_is_typed(service: PoemService) -> None:
    asked = with_lines(FIRST, "a", "the river silver away runs to rain")
    line = await service.scan(asked)
    assert line.notes == (
        "Some stresses of this line are off the beat.",
        "“rain” does not rhyme with line 1.",
    )
    assert ("ri", True) in line.looks.syllables
    with pytest.raises(BadSetting, match="written is 'no lines'; it must be the lines so far"):
        await service.scan(REQUEST)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (with_lines(""), "line 1 is ''; it must be text of 1 to 200 characters"),
        (with_lines("a", "\N{ZERO WIDTH SPACE}"), "line 2 is '.*'; it must be text of 1 to 200"),
        (with_lines("x" * 201), "line 1 is 'x+…'; it must be text of 1 to 200 characters"),
        (with_lines(*"abcde"), "written is '5 lines'; it must be at most 4 for a quatrain"),
        (with_lines("a", form="free"), "form is 'free'; it must be sonnet, quatrain, couplet or"),
        (with_lines("a", form=None, lines=3), "form is 'free'; it must be sonnet, quatrain"),
        (replace(REQUEST, form="free"), "form is 'free'; it must be sonnet, quatrain, couplet or"),
        (with_lines("a", form="ode"), "form is 'ode'; it must be one of sonnet"),
    ],
)
async def test_wrong_lines_are_refused(request_: PoemRequest, sentence: str) -> None:
    engine = FakeEngine()
    service = fake_service(engine)
    for ask in (lambda: suggest(service, request_), lambda: service.scan(request_)):
        with pytest.raises(BadSetting, match=sentence):
            await ask()
    assert engine.drafts == []


async def test_a_line_with_a_word_to_avoid_is_refused_and_none_is_offered(
    service: PoemService,
) -> None:
    asked = with_lines(FIRST, "a Rose", avoid=("rose", "tree"))
    with pytest.raises(AvoidedSeed, match="Line 2 has the word 'rose', which is not allowed here"):
        await suggest(service, asked)
    step = await suggest(service, with_lines(FIRST, "a", avoid=("tree", "free", "key")))
    ends = [line.text.rstrip(",.;:!?").split()[-1] for line in step.candidates]
    assert ends
    assert not {"tree", "free", "key"} & set(ends)


async def test_a_model_without_verse_and_a_seed_that_fills_the_form_are_told(
    service: PoemService,
) -> None:
    with pytest.raises(LinesImpossible, match="write this quatrain line by line"):
        await suggest(service, with_lines("a", model="bare"))
    with pytest.raises(LinesImpossible, match="no words to rhyme with"):
        await service.scan(with_lines("a", model="bare"))
    full = replace(REQUEST, form="couplet", seed=f"{FIRST}\n{FIRST}\n")
    with pytest.raises(LinesImpossible, match="The seed fills 2 lines, and a couplet has 2"):
        await suggest(service, full)


async def test_a_line_waits_and_counts_as_a_poem_does() -> None:
    engine, clock = FakeEngine(), Clock()
    service = fake_service(engine, clock=clock, cooldown_seconds={"test": 8.0})
    await suggest(service, REQUEST)
    assert engine.engine_requests[0].candidates == 3
    with pytest.raises(TooSoon, match="Please wait 2 s"):  # a quatrain's line: a fourth of a poem
        await service.admit(REQUEST)
    assert (await service.scan(with_lines("a"))).text == "a"
    clock.now += 2.0
    await suggest(service, REQUEST)
    clock.now += 2.0
    engine.full = True
    with pytest.raises(QueueFull):
        await suggest(service, REQUEST)
    assert service.metrics.requests.labels("test", "complete")._value.get() == 2.0


async def test_who_goes_away_frees_the_row() -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    service = fake_service(engine)
    asking = asyncio.create_task(suggest(service, REQUEST))
    async with asyncio.timeout(HANG_SECONDS):
        while not engine.drafts:
            await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert engine.drafts[0].cancelled


async def test_a_stop_of_the_bot_is_told() -> None:
    engine = FakeEngine()
    engine.gate = asyncio.Semaphore(0)
    service = fake_service(engine)
    asking = asyncio.create_task(suggest(service, REQUEST))
    async with asyncio.timeout(HANG_SECONDS):
        while not engine.drafts:
            await asyncio.sleep(0)
    await service.close(grace_seconds=0)
    with pytest.raises(ShuttingDown):
        await asking
    with pytest.raises(ShuttingDown):
        await service.scan(with_lines("a"))


async def test_a_poem_all_of_whose_lines_are_the_readers_is_whole() -> None:
    lines = tuple("abcd")
    poem: Poem = await write_poem(fake_service(), with_lines(*lines))
    assert poem.lines == lines
    assert FORMS[poem.settings.form] == 4
