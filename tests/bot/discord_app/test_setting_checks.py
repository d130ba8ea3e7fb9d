"""Which channels and roles settings may name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import discord
import pytest

from bot.core.errors import BadSetting
from bot.core.guild_settings import GuildSettings
from bot.discord_app.setting_checks import check_role, warnings, without_deleted


def role(*, of_a_bot: bool) -> discord.Role:
    found = SimpleNamespace(name="Sonneteer", is_bot_managed=lambda: of_a_bot)
    return cast(discord.Role, found)


def guild(*, known: bool) -> discord.Guild:
    """Return a server without channels and roles, as it is where Discord has not told of it."""
    nothing = {"get_channel": lambda _: None, "get_role": lambda _: None}
    found = SimpleNamespace(default_role=object() if known else None, **nothing)
    return cast(discord.Guild, found)


def test_a_role_that_belongs_to_a_bot_is_refused_and_a_members_is_not() -> None:
    check_role("roles", role(of_a_bot=False))
    check_role("roles", None)
    with pytest.raises(BadSetting, match="this role belongs to a bot"):
        check_role("roles", role(of_a_bot=True))


def test_of_a_server_that_is_not_known_nothing_is_taken_for_gone() -> None:
    guild_settings = GuildSettings(channels=("5",), roles=("6",), managers=("7",))
    for unknown in (None, guild(known=False)):
        assert without_deleted(unknown, "channels", guild_settings.channels) == ("5",)
        assert warnings(unknown, guild_settings) == []


def test_each_list_with_something_gone_is_told_and_words_are_not_looked_up() -> None:
    guild_settings = GuildSettings(channels=("5",), roles=("6",), managers=("7",), avoid=("moon",))
    known = guild(known=True)
    assert len(warnings(known, guild_settings)) == 3
    assert without_deleted(known, "avoid", guild_settings.avoid) == ("moon",)
