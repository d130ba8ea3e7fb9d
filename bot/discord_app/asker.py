"""The asker of a message, an interaction or a command, as the core knows people."""

from __future__ import annotations

from typing import Any

import discord
from discord.ext import commands

from bot.core.records import Asker

Context = commands.Context[Any]


def make_asker(
    user: discord.abc.User, guild_id: int | None, channel: object, *, manages: bool
) -> Asker:
    """Return who asks; in a thread they ask from the channel that it belongs to.

    `manages` is the guild's permission: a channel may grant what the guild does not. Roles are
    empty where discord.py does not know the guild.
    """
    place = channel.parent_id if isinstance(channel, discord.Thread) else getattr(channel, "id", "")
    above = channel.parent if isinstance(channel, discord.Thread) else channel
    known = (
        guild_id is not None
        and isinstance(user, discord.Member)
        and getattr(user, "guild", None) is not None
    )
    roles = getattr(user, "roles", []) if known else []
    return Asker(
        member=f"discord:{user.id}",
        guild=str(guild_id or ""),
        channel=str(place),
        category=str(getattr(above, "category_id", None) or ""),
        roles=frozenset(str(role.id) for role in roles),
        manages=manages,
    )


def guild_id_of(message: discord.Message) -> int | None:
    """Return the number of a message's guild, None for a direct message.

    discord.py may not know the guild: after a start, and while Discord calls it unavailable.
    """
    if message.guild is not None:
        return message.guild.id
    return getattr(message.channel, "guild_id", None)


def is_external(interaction: discord.Interaction[Any]) -> bool:
    """Whether a command came from a server that the bot is not in: only its user installed it."""
    guild_id = interaction.guild_id
    if guild_id is None or interaction.is_guild_integration():
        return False
    return interaction.client.get_guild(guild_id) is None


def asker_of_message(message: discord.Message) -> Asker:
    manages = message.guild is not None and _manages(message.author)
    return make_asker(message.author, guild_id_of(message), message.channel, manages=manages)


def asker_of_interaction(interaction: discord.Interaction[Any]) -> Asker:
    """Return who asks. Of a server that the bot is not in, nothing is told."""
    if is_external(interaction):
        return make_asker(interaction.user, None, None, manages=False)
    manages = interaction.guild is not None and _manages(interaction.user)
    guild_id, channel = interaction.guild_id, interaction.channel
    return make_asker(interaction.user, guild_id, channel, manages=manages)


def _manages(user: discord.abc.User) -> bool:
    """Whether a user's roles let them manage the guild; False where the roles are not known."""
    return isinstance(user, discord.Member) and user.guild_permissions.manage_guild


def asker_of_context(ctx: Context) -> Asker:
    if ctx.interaction is not None:
        return asker_of_interaction(ctx.interaction)
    return asker_of_message(ctx.message)
