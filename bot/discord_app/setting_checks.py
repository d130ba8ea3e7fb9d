"""Which channels and roles of a server its settings may name, and which of those are still there.

A channel or role that is gone is not dropped automatically: an empty list would allow all, and no
one has asked for that.
"""

from __future__ import annotations

from collections.abc import Iterable

import discord

from bot.core.errors import BadSetting
from bot.core.guild_settings import GuildSettings

DELETED = (
    "⚠ {count} of these {what} no longer {exist}. Missing {what} are removed the next time this "
    "list changes; `/settings {name} clear` empties it."
)
SLASH_ONLY = "⚠ I cannot read or send messages in {places}, so only slash commands work there."
NO_PLACE = "⚠ I cannot write in <#{channel}>, the channel for {use}."
MAX_NAMED = 5
LISTS = {"channels": "channels", "roles": "roles", "managers": "roles"}  # setting → what it lists


def check_role(name: str, role: discord.Role | None) -> None:
    """Raise BadSetting for a role that no member can have."""
    if role is not None and role.is_bot_managed():
        raise BadSetting(
            name, role.name, "a role that members can have; this role belongs to a bot"
        )


def without_deleted(
    guild: discord.Guild | None, name: str, listed: Iterable[str]
) -> tuple[str, ...]:
    """Return those of a list's channels or roles that are there; of other lists, all."""
    return tuple(each for each in listed if not _is_deleted(guild, name, each))


def warnings(guild: discord.Guild | None, guild_settings: GuildSettings) -> list[str]:
    """Return a sentence for each setting that does not do what it seems to."""
    found = []
    for name, what in LISTS.items():
        listed: tuple[str, ...] = getattr(guild_settings, name)
        if count := len(listed) - len(without_deleted(guild, name, listed)):
            exist = "exists" if count == 1 else "exist"
            found.append(DELETED.format(count=count, what=what, exist=exist, name=name))
    if closed := [f"<#{each}>" for each in guild_settings.channels if _is_closed(guild, each)]:
        found.append(SLASH_ONLY.format(places=", ".join(closed[:MAX_NAMED])))
    daily = guild_settings.daily
    uses = {
        "the poem of the day": daily and daily.channel,
        "kept poems": guild_settings.keep_channel,
    }
    for use, number in uses.items():
        if number and (_is_deleted(guild, "channels", number) or _is_closed(guild, number)):
            found.append(NO_PLACE.format(channel=number, use=use))
    return found


def _is_deleted(guild: discord.Guild | None, name: str, number: str) -> bool:
    """Whether a server that is known has no such channel or role; a thread is no channel here."""
    if guild is None or guild.default_role is None or name not in LISTS:
        return False
    find = guild.get_channel if LISTS[name] == "channels" else guild.get_role
    return find(int(number)) is None


def _is_closed(guild: discord.Guild | None, number: str) -> bool:
    """Whether the bot may not write in a channel; in a category each channel says so itself."""
    channel = guild.get_channel(int(number)) if guild is not None else None
    if guild is None or channel is None or isinstance(channel, discord.CategoryChannel):
        return False
    if not isinstance(guild.me, discord.Member):  # a guild that is not known in full
        return False
    allowed = channel.permissions_for(guild.me)
    forum = isinstance(channel, discord.ForumChannel)  # its posts are threads
    sends = allowed.send_messages_in_threads if forum else allowed.send_messages
    return not (allowed.view_channel and sends)
