"""What guilds have settled and chosen, in memory and for good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.errors import BadSetting, DataNotKept, NothingThere
from bot.core.guild_settings import GuildSettings
from bot.core.guilds import Guilds
from bot.core.ports import DEFAULT_CHOICE, ModelChoice
from bot.core.records import Asker, ModelRecord
from bot.core.store.books import BookStore, Forgotten
from bot.core.store.database import Database
from bot.core.store.guilds import MAX_CHOICES, GuildStore
from tests.fakes import SEA_SONGS, SONNETS

MEMBER = "discord:1"


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Guilds, Database]]:
    """Open a data folder as a bot does that starts."""
    database = await Database.open(folder)
    try:
        yield await Guilds.read(GuildStore(database)), database
    finally:
        await database.close()


@pytest.fixture
async def guilds(tmp_path: Path) -> AsyncIterator[Guilds]:
    async with opened(tmp_path) as (found, _):
        yield found


def admin(guild: str) -> Asker:
    return Asker(MEMBER, guild, manages=True)


def choice_of(model: ModelRecord) -> ModelChoice:
    return ModelChoice(model.name, model.sha256)


# Settings


async def test_a_guild_begins_with_nothing_settled_and_the_default(guilds: Guilds) -> None:
    assert (guilds.guild_settings("10"), guilds.choice("10")) == (GuildSettings(), DEFAULT_CHOICE)


async def test_what_was_settled_holds_for_that_guild_alone(guilds: Guilds) -> None:
    assert await guilds.change(admin("10"), "lines", 8) == GuildSettings(lines=8)
    assert (guilds.guild_settings("10"), guilds.guild_settings("11")) == (
        GuildSettings(lines=8),
        GuildSettings(),
    )


async def test_settings_are_still_there_after_a_start(tmp_path: Path) -> None:
    async with opened(tmp_path) as (guilds, _):
        await guilds.change(admin("10"), "avoid", ["Sea"])
        await guilds.change(admin("10"), "cooldown_seconds", 0)
        await guilds.change(admin("11"), "form", "haiku")
        await guilds.change(admin("11"), "form", None)
    async with opened(tmp_path) as (guilds, _):
        assert guilds.guild_settings("10") == GuildSettings(avoid=("sea",), cooldown_seconds=0.0)
        assert guilds.guild_settings("11") == GuildSettings()


async def test_a_setting_that_is_refused_changes_nothing(guilds: Guilds) -> None:
    await guilds.change(admin("10"), "lines", 8)
    with pytest.raises(BadSetting):
        await guilds.change(admin("10"), "lines", 0)
    assert guilds.guild_settings("10") == GuildSettings(lines=8)


async def test_of_two_changes_at_once_both_count(tmp_path: Path) -> None:
    """Each began from what was settled before both, and the later one took the other back."""
    async with opened(tmp_path) as (guilds, _):
        await asyncio.gather(
            guilds.change(admin("10"), "lines", 8), guilds.change(admin("10"), "form", "haiku")
        )
        assert guilds.guild_settings("10") == GuildSettings(lines=8, form="haiku")
    async with opened(tmp_path) as (guilds, _):
        assert guilds.guild_settings("10") == GuildSettings(lines=8, form="haiku")


# Choices


async def test_a_guild_uses_what_it_chose_last_after_a_start_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as (guilds, _):
        await guilds.choose("10", SONNETS, MEMBER)
        await guilds.choose("10", SEA_SONGS, MEMBER)
        assert guilds.choice("10") == choice_of(SEA_SONGS)
    async with opened(tmp_path) as (guilds, _):
        assert guilds.choice("10") == choice_of(SEA_SONGS)
        assert guilds.choice("11") == DEFAULT_CHOICE


async def test_undo_goes_back_step_by_step_until_there_is_nothing(guilds: Guilds) -> None:
    for model in (SONNETS, None, SEA_SONGS):
        await guilds.choose("10", model, MEMBER)
    assert await guilds.undo("10") == (choice_of(SEA_SONGS), DEFAULT_CHOICE)
    assert await guilds.undo("10") == (DEFAULT_CHOICE, choice_of(SONNETS))
    assert await guilds.undo("10") == (choice_of(SONNETS), DEFAULT_CHOICE)
    with pytest.raises(NothingThere, match="nothing to undo"):
        await guilds.undo("10")


async def test_undo_goes_back_over_a_start(tmp_path: Path) -> None:
    async with opened(tmp_path) as (guilds, _):
        await guilds.choose("10", SONNETS, MEMBER)
        await guilds.choose("10", SEA_SONGS, MEMBER)
    async with opened(tmp_path) as (guilds, _):
        assert await guilds.undo("10") == (choice_of(SEA_SONGS), choice_of(SONNETS))
    async with opened(tmp_path) as (guilds, _):
        assert guilds.choice("10") == choice_of(SONNETS)


async def test_what_was_chosen_twice_is_undone_once(guilds: Guilds) -> None:
    await guilds.choose("10", SONNETS, MEMBER)
    await guilds.choose("10", SONNETS, MEMBER)
    assert await guilds.undo("10") == (choice_of(SONNETS), DEFAULT_CHOICE)


async def test_the_same_name_with_another_file_is_another_choice(guilds: Guilds) -> None:
    newer = replace(SONNETS, sha256="c3" * 32)
    await guilds.choose("10", SONNETS, MEMBER)
    await guilds.choose("10", newer, MEMBER)
    assert await guilds.undo("10") == (choice_of(newer), choice_of(SONNETS))


async def test_as_many_choices_are_undone_as_are_kept(tmp_path: Path) -> None:
    """In memory and in the database there must be equally many, or a start changes the answer."""

    async def undo_all(guilds: Guilds) -> int:
        count = 0
        while guilds.choice("10") != DEFAULT_CHOICE:
            await guilds.undo("10")
            count += 1
        return count

    for number, start_between in enumerate((False, True)):
        folder = tmp_path / str(number)
        async with opened(folder) as (guilds, _):
            for each in range(MAX_CHOICES + 5):
                await guilds.choose("10", replace(SONNETS, name=f"model-{each}"), MEMBER)
            if not start_between:
                assert await undo_all(guilds) == MAX_CHOICES
        if start_between:
            async with opened(folder) as (guilds, _):
                assert await undo_all(guilds) == MAX_CHOICES


async def test_of_two_who_undo_one_choice_at_once_the_second_has_nothing(guilds: Guilds) -> None:
    """Both saw the one choice that there was, and the second fell over its absence."""
    await guilds.choose("10", SONNETS, MEMBER)
    undone = await asyncio.gather(guilds.undo("10"), guilds.undo("10"), return_exceptions=True)
    assert sorted(type(each).__name__ for each in undone) == ["NothingThere", "tuple"]


async def test_a_model_that_is_gone_was_never_chosen(tmp_path: Path) -> None:
    async with opened(tmp_path) as (guilds, _):
        for model in (SEA_SONGS, SONNETS, SEA_SONGS):
            await guilds.choose("10", model, MEMBER)
        await guilds.choose("11", SEA_SONGS, MEMBER)
        await guilds.drop("10", [("10", choice_of(SEA_SONGS))])
        assert guilds.choice("10") == choice_of(SONNETS)
    async with opened(tmp_path) as (guilds, _):
        assert await guilds.undo("10") == (choice_of(SONNETS), DEFAULT_CHOICE)
        assert guilds.choice("11") == choice_of(SEA_SONGS)


# What cannot be kept


@pytest.mark.parametrize(
    "act",
    [
        lambda guilds: guilds.change(admin("10"), "lines", 9),
        lambda guilds: guilds.choose("10", SEA_SONGS, MEMBER),
        lambda guilds: guilds.undo("10"),
        lambda guilds: guilds.drop("10", [("10", choice_of(SONNETS))]),
    ],
    ids=["change", "choose", "undo", "drop"],
)
async def test_what_cannot_be_kept_does_not_count(
    tmp_path: Path, act: Callable[[Guilds], Awaitable[object]]
) -> None:
    async with opened(tmp_path) as (guilds, database):
        await guilds.change(admin("10"), "lines", 8)
        await guilds.choose("10", SONNETS, MEMBER)
        await database.execute("PRAGMA query_only = ON")
        with pytest.raises(DataNotKept):
            await act(guilds)
        assert guilds.guild_settings("10") == GuildSettings(lines=8)
        assert guilds.choice("10") == choice_of(SONNETS)


# People


async def test_a_choice_outlives_the_number_of_who_made_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as (guilds, database):
        await guilds.choose("10", SONNETS, MEMBER)
        await guilds.choose("11", SONNETS, "discord:2")
        assert await BookStore(database).forget(MEMBER) == Forgotten(0, 0, 1, 0)
        assert guilds.choice("10") == choice_of(SONNETS)
        rows = await database.fetch("SELECT chosen_by FROM choices ORDER BY id")
        assert [row["chosen_by"] for row in rows] == ["", "discord:2"]
