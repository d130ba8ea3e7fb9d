"""What a poem is written with: its form, its words to avoid, its seed; on a fake engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.core.engine_client import _model_request
from bot.core.errors import (
    AvoidedSeed,
    BadSetting,
)
from bot.core.poem_settings import printable_seed
from bot.core.records import (
    FORMS,
    FREE,
    Asker,
    Defaults,
    PoemRequest,
    Sampling,
)
from tests.fakes import (
    SONNETS,
    FakeEngine,
    fake_service,
    write_poem,
)

ANNA = Asker("discord:1", "10")
BEN = Asker("discord:2", "10")
REQUEST = PoemRequest(asker=ANNA, seed="The sea")


async def test_a_poem_is_a_sonnet_unless_free_text_is_what_was_asked_for() -> None:
    engine = FakeEngine()
    service = fake_service(engine, defaults=Defaults())
    asked: list[dict[str, Any]] = [
        {},
        {"form": "haiku"},
        {"form": "free"},
        {"lines": 3},
        {"characters": 50},
        {"sampling": {"greedy": True}},
        {"stop": ("end",)},
    ]
    for options in asked:
        await write_poem(service, replace(REQUEST, **options))
    forms = [
        (engine_request.settings.form, engine_request.settings.lines)
        for engine_request in engine.engine_requests
    ]
    assert forms[:4] == [("sonnet", 14), ("haiku", 3), ("free", 14), ("free", 3)]
    assert {form for form, _ in forms[4:]} == {FREE}


async def test_verse_has_a_temperature_of_its_own() -> None:
    engine = FakeEngine()
    service = fake_service(
        engine, defaults=Defaults(sampling=Sampling(temperature=0.3), verse_temperature=0.9)
    )
    await write_poem(service, REQUEST)
    await write_poem(service, replace(REQUEST, form=FREE))
    await write_poem(service, replace(REQUEST, sampling={"temperature": 1.1}))
    assert [
        engine_request.settings.sampling.temperature for engine_request in engine.engine_requests
    ] == [
        0.9,
        0.3,
        1.1,
    ]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"form": "limerick"}, "form is 'limerick'; it must be one of sonnet, quatrain"),
        ({"form": "sonnet", "lines": 3}, "it must be free with a length"),
        ({"form": "haiku", "stop": ("x",)}, "it must be free with a length"),
        ({"avoid": ("two words",)}, "avoid is 'two words'; it must be single words"),
        ({"avoid": ("x" * 31,)}, "1 to 30 letters"),
        (
            {"avoid": tuple(f"w{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(201))},
            "avoid is 201; it must be at most 200 words",
        ),
    ],
)
async def test_what_no_form_can_be_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadSetting, match=sentence):
        await write_poem(fake_service(), replace(REQUEST, **options))


@pytest.mark.parametrize(
    "seed", ["The Sea", "o SEA!", "the ｓｅａ", "s\0ea", "s\u200bea", "s\u202eea", "s\u00adea"]
)
async def test_a_seed_with_a_word_to_avoid_is_refused(seed: str) -> None:
    with pytest.raises(AvoidedSeed, match="has the word 'sea', which is not allowed"):
        await write_poem(fake_service(), replace(REQUEST, seed=seed, avoid=("Sea",)))


async def test_only_whole_words_are_avoided_in_a_seed() -> None:
    poem = await write_poem(fake_service(), replace(REQUEST, seed="overseas", avoid=("sea",)))
    assert poem.settings.avoid == ("sea",)


async def test_where_no_form_can_be_the_poem_is_free_and_says_so() -> None:
    engine = FakeEngine()
    engine.impossible = "Its model was not trained on English verse."
    poem = await write_poem(fake_service(engine, defaults=Defaults()), REQUEST)
    assert poem.settings.form == FREE
    assert poem.notes == (
        "This is free text, not a sonnet. Its model was not trained on English verse.",
    )
    assert poem.looks.lines == ()


async def test_a_poem_in_a_form_without_seed_opens_by_itself() -> None:
    engine = FakeEngine()
    poem = await write_poem(fake_service(engine, defaults=Defaults()), replace(REQUEST, seed=""))
    assert poem.seed == ""
    assert poem.looks.title == "A Title"
    assert list(FORMS) == ["sonnet", "quatrain", "couplet", "haiku"]


async def test_words_to_avoid_are_put_on_the_models_alphabet() -> None:
    engine = FakeEngine(alphabet="abcdefghijklmnopqrstuvwxyz ")
    poem = await write_poem(fake_service(engine), replace(REQUEST, avoid=("Café", "я")))
    assert (
        engine.engine_requests[0].settings.avoid
        == (engine.prepare(SONNETS, "café").text,)
        == ("caf",)
    )
    assert poem.settings.avoid == ("café", "я")


async def test_words_to_avoid_reach_the_model_as_they_were_listed_too() -> None:
    """A model that lacks a letter may have a ligature with it."""
    engine = FakeEngine(alphabet="\N{LATIN SMALL LIGATURE FI}re ")
    await write_poem(fake_service(engine), replace(REQUEST, avoid=("Fire", "की")))
    assert engine.engine_requests[0].settings.avoid == ("re",)
    assert engine.engine_requests[0].avoid == ("fire", "की")
    assert _model_request(engine.engine_requests[0]).avoided == {"re", "fire", "की"}


async def test_a_word_to_avoid_may_have_vowel_signs() -> None:
    with pytest.raises(AvoidedSeed, match="has the word 'की', which is not allowed"):
        await write_poem(fake_service(), replace(REQUEST, seed="घर की ओर", avoid=("की",)))


def test_what_turns_text_around_is_left_out_of_a_seed_and_marks_of_direction_are_not() -> None:
    """One in a seed once turned the signature below the poem around."""
    assert printable_seed("a\u202eb\u2066c\u200fd") == "abc\u200fd"
    assert printable_seed("a\r\nb\rc\u2028d\u2029e\tf\x1b") == "a\nb\nc\nd\ne f"
    assert printable_seed("".join(map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]))) == ""


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ("an early line\n" * 40, "the first whole line\n" + "a later line\n" * 30 + "the end"),
        ("early words " * 60, "late words " * 40 + "the end"),
        ("wörter " * 100, "ein\u3000anfang " + "y" * 480),
        ("x" * 600 + "\n\n", "a line after an empty one " * 10 + "the end"),
    ],
)
async def test_a_long_seed_is_cut_at_a_line_or_else_at_a_word(before: str, kept: str) -> None:
    """What is kept begins where a line or a word does, as near as there is one."""
    engine, seed = FakeEngine(), before + kept
    poem = await write_poem(fake_service(engine), replace(REQUEST, seed=seed))
    assert len(poem.seed) <= 500
    assert seed.endswith(poem.seed)
    parting = seed[len(seed) - len(poem.seed) - 1]
    cut = seed[-501 : -len(poem.seed)]
    assert parting.isspace()
    assert parting == "\n" or "\n" not in seed[-501:-250]
    assert len(cut) <= 251
    assert any(f"its last {len(poem.seed)} are used" in note for note in poem.notes)


async def test_a_seed_that_fits_is_not_cut() -> None:
    seed = "a line\n" * 71 + "end"
    assert len(seed) == 500
    assert (await write_poem(fake_service(FakeEngine()), replace(REQUEST, seed=seed))).seed == seed
