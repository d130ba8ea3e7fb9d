"""Which channels and roles of a server its settings may name, and which of those are still there.

A channel or role that is gone is not dropped automatically: an empty list would allow all, and no
one has asked for that.
"""

from __future__ import annotations

from collections.abc import Iterable

import discord

from bot.core.errors import BadSetting
from bot.core.guild_settings import GuildSettings
from bot.core.languages import say, say_counted, sentence
from bot.discord_app.languages import command_name

MAX_NAMED = 5
LISTS = {"channels": "channels", "roles": "roles", "managers": "roles"}  # setting → what it lists


def check_role(name: str, role: discord.Role | None) -> None:
    """Raise BadSetting for a role that no member can have."""
    if role is not None and role.is_bot_managed():
        raise BadSetting(
            name,
            role.name,
            sentence("a role that members can have; this role belongs to a bot"),
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
            found.append(_deleted(name, what, count))
    if closed := [f"<#{each}>" for each in guild_settings.channels if _is_closed(guild, each)]:
        places = ", ".join(closed[:MAX_NAMED])
        found.append(
            say(
                "⚠ I cannot read or send messages in {places}, so only slash commands work there.",
                places=places,
            )
        )
    daily = guild_settings.daily
    if daily and _is_lost(guild, daily.channel):
        place = f"<#{daily.channel}>"
        found.append(
            say(
                "⚠ I cannot write in {channel}, the channel for the poem of the day.", channel=place
            )
        )
    keep = guild_settings.keep_channel
    if keep and _is_lost(guild, keep):
        place = f"<#{keep}>"
        found.append(
            say("⚠ I cannot write in {channel}, the channel for kept poems.", channel=place)
        )
    return found


def _deleted(name: str, what: str, count: int) -> str:
    command = f"`/{command_name('settings ' + name)}`"
    if what == "channels":
        return say_counted(
            "⚠ {count} of these channels no longer exists. Missing channels are removed the next "
            "time this list changes; {command} with `clear` empties it.",
            "⚠ {count} of these channels no longer exist. Missing channels are removed the next "
            "time this list changes; {command} with `clear` empties it.",
            count,
            command=command,
        )
    return say_counted(
        "⚠ {count} of these roles no longer exists. Missing roles are removed the next time this "
        "list changes; {command} with `clear` empties it.",
        "⚠ {count} of these roles no longer exist. Missing roles are removed the next time this "
        "list changes; {command} with `clear` empties it.",
        count,
        command=command,
    )


def _is_lost(guild: discord.Guild | None, number: str) -> bool:
    return _is_deleted(guild, "channels", number) or _is_closed(guild, number)


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
