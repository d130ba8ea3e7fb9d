"""Rows about guilds: settings and choices."""

from __future__ import annotations

import pytest

from bot.core.ports import DEFAULT_CHOICE, ModelChoice
from bot.core.store.any_database import AnyDatabase
from bot.core.store.guilds import MAX_CHOICES, GuildStore

NOW = "2026-11-26T00:00:00+00:00"
DUNES, TIDES = ModelChoice("dunes", "d1" * 32), ModelChoice("tides", "e2" * 32)


@pytest.fixture
def rows(any_database: AnyDatabase) -> GuildStore:
    return GuildStore(any_database)


async def choose(rows: GuildStore, *choices: ModelChoice, guild: str = "10", by: str = "") -> None:
    for choice in choices:
        await rows.choose(guild, choice, by, NOW)


async def test_a_new_database_has_no_settings_and_no_choices(rows: GuildStore) -> None:
    assert (await rows.settings(), await rows.choices()) == ({}, {})


async def test_settings_come_back_as_json_holds_them(rows: GuildStore) -> None:
    values = {"lines": 8, "temperature": 0.7, "avoid": ["sea", "café"], "switch": False}
    await rows.keep_settings("10", values)
    assert await rows.settings() == {"10": values}


async def test_new_settings_take_the_place_of_all_old_ones(rows: GuildStore) -> None:
    await rows.keep_settings("10", {"lines": 8, "form": "haiku"})
    await rows.keep_settings("10", {"lines": 9})
    assert await rows.settings() == {"10": {"lines": 9}}


async def test_each_guild_has_settings_of_its_own(rows: GuildStore) -> None:
    await rows.keep_settings("10", {"lines": 8})
    await rows.keep_settings("11", {"lines": 9})
    await rows.keep_settings("10", {})
    assert await rows.settings() == {"11": {"lines": 9}}


async def test_of_settings_that_were_read_before_only_what_differs_is_written(
    rows: GuildStore,
) -> None:
    """Another process may have changed the others since."""
    before = {"lines": 8, "form": "haiku", "avoid": ["sea"]}
    await rows.keep_settings("10", {**before, "lines": 9, "switch": False})
    await rows.keep_settings("10", {"lines": 8, "form": "sonnet"}, before)
    assert await rows.settings_of("10") == {"lines": 9, "form": "sonnet", "switch": False}


async def test_one_guilds_settings_and_choices_are_read_alone(rows: GuildStore) -> None:
    await rows.keep_settings("11", {"lines": 8})
    await choose(rows, DUNES, guild="11")
    assert (await rows.settings_of("10"), await rows.choices_of("10")) == ({}, [])
    assert (await rows.settings_of("11"), await rows.choices_of("11")) == ({"lines": 8}, [DUNES])


async def test_choices_come_back_the_latest_last(rows: GuildStore) -> None:
    await choose(rows, DUNES, TIDES, DEFAULT_CHOICE)
    await choose(rows, TIDES, guild="11")
    assert await rows.choices() == {"10": [DUNES, TIDES, DEFAULT_CHOICE], "11": [TIDES]}


async def test_only_the_latest_choices_of_a_guild_are_remembered(rows: GuildStore) -> None:
    made = [ModelChoice(f"model-{number}", "") for number in range(MAX_CHOICES + 3)]
    await choose(rows, DUNES, guild="11")
    await choose(rows, *made)
    assert await rows.choices() == {"10": made[-MAX_CHOICES:], "11": [DUNES]}


async def test_the_latest_choice_of_one_guild_can_be_forgotten(rows: GuildStore) -> None:
    await choose(rows, DUNES, TIDES)
    await choose(rows, TIDES, guild="11")
    await rows.unchoose("10")
    assert await rows.choices() == {"10": [DUNES], "11": [TIDES]}


async def test_a_model_that_is_gone_leaves_one_guilds_choices(rows: GuildStore) -> None:
    await choose(rows, DUNES, TIDES, DUNES)
    await choose(rows, DUNES, guild="11")
    await rows.remove_models("10", [("", DUNES)])
    assert await rows.choices() == {"10": [TIDES], "11": [DUNES]}
