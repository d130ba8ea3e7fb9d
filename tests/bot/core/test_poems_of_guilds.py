"""The service where guilds have settled and chosen something."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.core.errors import AvoidedSeed, ModelUnusable, NotAllowed, TooSoon
from bot.core.guild_settings import GuildSettings
from bot.core.metrics import Metrics
from bot.core.permissions import TERMINAL, Permissions
from bot.core.poems import PoemService
from bot.core.ports import DEFAULT_CHOICE, ModelChoice
from bot.core.records import FREE, Asker, Defaults, ModelRecord, Poem, PoemRequest
from tests.fakes import SEA_SONGS, SONNETS, Clock, FakeEngine, FakeLibrary, write_poem

ANNA = Asker("discord:1", "10", "5")
REQUEST = PoemRequest(asker=ANNA, seed="The evening")
ELSEWHERE = replace(REQUEST, asker=replace(ANNA, guild="11"))
OWN = replace(SEA_SONGS, name="dunes", sha256="d4" * 32, guild="10")
DEFAULTS = Defaults(form=FREE, lines=14, verse_temperature=0.7)


class FakeWays:
    """The ways of guild 10; all others have none."""

    def __init__(
        self, guild_settings: GuildSettings | None = None, choice: ModelChoice = DEFAULT_CHOICE
    ) -> None:
        self.settled = guild_settings or GuildSettings()
        self.chosen = choice

    def guild_settings(self, guild: str) -> GuildSettings:
        return self.settled if guild == "10" else GuildSettings()

    def choice(self, guild: str, *places: str) -> ModelChoice:
        return self.chosen if guild == "10" else DEFAULT_CHOICE


def service_of(
    preferences: FakeWays,
    engine: FakeEngine | None = None,
    models: Sequence[ModelRecord] = (SONNETS, SEA_SONGS),
    clock: Clock | None = None,
) -> PoemService:
    return PoemService(
        FakeLibrary(models),
        engine or FakeEngine(),
        Metrics(),
        defaults=DEFAULTS,
        preferences=preferences,
        permissions=Permissions(owners=frozenset({"discord:9"})),
        cooldown_seconds={"discord": 5.0},
        clock=clock or Clock(),
        draw_random_seed=lambda: 7,
    )


async def write(service: PoemService, request: PoemRequest = REQUEST) -> Poem:
    return await write_poem(service, request)


def chosen(model: ModelRecord) -> FakeWays:
    return FakeWays(choice=ModelChoice(model.name, model.sha256))


# Where, and for whom


async def test_a_poem_is_written_in_the_guilds_channels_alone() -> None:
    service = service_of(FakeWays(GuildSettings(channels=("5", "6"))))
    await write(service)
    with pytest.raises(NotAllowed, match="<#5>, <#6>"):
        await write(service, replace(REQUEST, asker=Asker("discord:2", "10", "7")))


async def test_the_channels_of_one_guild_are_not_those_of_another() -> None:
    service = service_of(FakeWays(GuildSettings(channels=("6",))))
    assert await write(service, ELSEWHERE)
    assert await write(service, replace(REQUEST, asker=TERMINAL))


async def test_a_poem_is_written_for_those_with_the_guilds_roles_and_those_who_manage_it() -> None:
    service = service_of(FakeWays(GuildSettings(roles=("70",), managers=("71",))))
    with pytest.raises(NotAllowed, match="certain roles"):
        await write(service)
    for asker in (
        Asker("discord:2", "10", "5", frozenset({"70"})),
        Asker("discord:3", "10", "5", frozenset({"71"})),
        Asker("discord:4", "10", "5", manages=True),
        Asker("discord:9", "10", "5"),
    ):
        await write(service, replace(REQUEST, asker=asker))


async def test_a_refusal_costs_no_cooldown_and_is_counted() -> None:
    preferences = FakeWays(GuildSettings(channels=("6",)))
    service = service_of(preferences)
    with pytest.raises(NotAllowed):
        await write(service)
    preferences.settled = GuildSettings()
    await write(service)
    assert 'outcome="NotAllowed"} 1.0' in service.metrics.render().decode()


async def test_a_guilds_cooldown_takes_the_place_of_the_doors() -> None:
    clock = Clock()
    service = service_of(FakeWays(GuildSettings(cooldown_seconds=60.0)), clock=clock)
    await write(service)
    clock.now += 6
    with pytest.raises(TooSoon, match="wait 54 s"):
        await write(service)
    await write(service, ELSEWHERE)


async def test_a_guild_may_have_no_cooldown_at_all() -> None:
    service = service_of(FakeWays(GuildSettings(cooldown_seconds=0.0)))
    await write(service)
    await write(service)
    with pytest.raises(TooSoon, match="wait 5 s"):
        await write(service, ELSEWHERE)


# How


async def test_a_guilds_form_lines_and_temperature_are_its_defaults() -> None:
    engine = FakeEngine()
    service = service_of(FakeWays(GuildSettings(form="haiku", temperature=1.1)), engine)
    await write(service)
    await write(service, replace(ELSEWHERE, asker=Asker("discord:2", "11")))
    settings = [engine_request.settings for engine_request in engine.engine_requests]
    assert [(each.form, each.lines, each.sampling.temperature) for each in settings] == [
        ("haiku", 3, 1.1),
        (FREE, 14, 0.5),
    ]


async def test_a_guilds_lines_are_those_of_free_text() -> None:
    engine = FakeEngine()
    preferences = FakeWays(GuildSettings(lines=6, cooldown_seconds=0.0))
    service = service_of(preferences, engine)
    await write(service)
    await write(service, replace(REQUEST, form="sonnet"))
    assert [engine_request.settings.lines for engine_request in engine.engine_requests] == [6, 14]


async def test_what_was_asked_for_goes_before_what_the_guild_settled() -> None:
    engine = FakeEngine()
    service = service_of(FakeWays(GuildSettings(form="haiku", lines=6, temperature=1.1)), engine)
    await write(service, replace(REQUEST, form=FREE, lines=2, sampling={"temperature": 0.3}))
    [engine_request] = engine.engine_requests
    assert (engine_request.settings.form, engine_request.settings.lines) == (FREE, 2)
    assert engine_request.settings.sampling.temperature == 0.3


# Words to avoid


async def test_a_seed_with_a_word_that_the_guild_avoids_is_refused() -> None:
    service = service_of(FakeWays(GuildSettings(avoid=("evening",))))
    with pytest.raises(AvoidedSeed, match="'evening'"):
        await write(service)
    assert await write(service, ELSEWHERE)


async def test_the_order_has_the_words_of_the_guild_and_of_the_asker() -> None:
    engine = FakeEngine()
    await write(
        service_of(FakeWays(GuildSettings(avoid=("sea", "rose"))), engine),
        replace(REQUEST, avoid=("Moon", "sea")),
    )
    assert engine.engine_requests[0].settings.avoid == ("moon", "sea", "rose")


class Opening(FakeEngine):
    """Opens with the first of its words for random seed 7, and so on."""

    def __init__(self, *openings: str) -> None:
        super().__init__()
        self.openings = openings

    def opening(self, model: ModelRecord, random_seed: int) -> str:
        return self.openings[min(random_seed - 7, len(self.openings) - 1)]


async def test_an_opening_with_a_word_to_avoid_is_passed_over() -> None:
    engine = Opening("the SEA at dawn", "o sea", "the harbour")
    service = service_of(FakeWays(GuildSettings(avoid=("sea",))), engine)
    poem = await write(service, replace(REQUEST, seed=""))
    assert (poem.seed, poem.random_seed) == ("the harbour", 7)


async def test_where_every_opening_has_a_word_to_avoid_the_poem_opens_by_itself() -> None:
    service = service_of(FakeWays(GuildSettings(avoid=("sea",))), Opening("the sea"))
    assert (await write(service, replace(REQUEST, seed=""))).seed == ""


# The guild's model


async def test_the_model_that_a_guild_chose_writes_for_it_alone() -> None:
    service = service_of(chosen(SEA_SONGS))
    assert (await write(service)).model == "sea-songs"
    elsewhere = replace(ELSEWHERE, asker=Asker("discord:2", "11"))
    assert (await write(service, elsewhere)).model == "sonnets"


async def test_a_model_that_was_asked_for_goes_before_the_guilds_choice() -> None:
    poem = await write(service_of(chosen(SEA_SONGS)), replace(REQUEST, model="sonnets"))
    assert (poem.model, poem.notes) == ("sonnets", ())


async def test_a_guilds_own_model_writes_for_it() -> None:
    poem = await write(service_of(chosen(OWN), models=(SONNETS, OWN)))
    assert (poem.model_sha256, poem.notes) == (OWN.sha256, ())


async def test_where_the_chosen_file_is_gone_the_default_writes_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    poem = await write(service_of(chosen(OWN)))
    assert poem.model == "sonnets"
    assert poem.notes == (
        "Model 'dunes' is unavailable, so I used the default. Its file is missing.",
    )
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("model", [OWN, SEA_SONGS], ids=["its own", "a shared one"])
async def test_where_the_chosen_file_is_damaged_the_default_writes_and_says_so(
    model: ModelRecord,
) -> None:
    engine = FakeEngine()
    engine.unusable.add(model.name)
    poem = await write(service_of(chosen(model), engine, models=(SONNETS, model)))
    assert poem.model == "sonnets"
    [note] = poem.notes
    assert f"Model {model.name!r} is unavailable, so I used the default." in note
    assert "Its file is damaged." in note


async def test_a_guilds_own_file_that_was_swapped_does_not_write() -> None:
    swapped = replace(OWN, sha256="e5" * 32)
    poem = await write(service_of(chosen(OWN), models=(SONNETS, swapped)))
    assert poem.model == "sonnets"
    [note] = poem.notes
    assert note.startswith("Model 'dunes' is unavailable, so I used the default.")
    assert note.endswith("Its file was modified.")


async def test_a_shared_model_that_the_host_replaced_goes_on() -> None:
    newer = replace(SEA_SONGS, sha256="e5" * 32)
    poem = await write(service_of(chosen(SEA_SONGS), models=(SONNETS, newer)))
    assert (poem.model_sha256, poem.notes) == (newer.sha256, ())


async def test_where_the_default_cannot_be_used_either_its_own_sentence_is_the_answer() -> None:
    engine = FakeEngine()
    engine.unusable.add("sonnets")
    with pytest.raises(ModelUnusable, match="'sonnets'"):
        await write(service_of(chosen(OWN), engine))
