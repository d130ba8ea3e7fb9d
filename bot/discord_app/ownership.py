"""Whose an answer is, as Discord itself tells it.

Buttons carry ids, too, which are believed only where Discord tells nothing else.
"""

from __future__ import annotations

from typing import Any

import discord

from bot.discord_app.button_state import Ownership
from bot.discord_app.responders import message_in
from bot.discord_app.retries import retry


async def find_asker_id(
    interaction: discord.Interaction[Any], message: discord.Message, ownership: Ownership
) -> int:
    """Return who asked for the poem whose last message is `message`.

    Of several messages that answer a message, only the first refers to it. To read that one may
    take longer than Discord waits for a button, so the button is acknowledged first.
    """
    told = _shown_asker_id(message)
    if told is None and ownership.parts:
        await retry(interaction.response.defer)
        try:
            first = await read_own_message(interaction, ownership.parts[0])
        except discord.Forbidden:
            first = None
        told = _shown_asker_id(first) if first is not None else None
    return ownership.asker if told is None else told


async def is_part_of_poem(
    interaction: discord.Interaction[Any], message_id: int, asker: int
) -> bool:
    """Whether a message is the bot's own and, as far as Discord tells, of a poem for `asker`.

    Where the bot may not read, it is taken for one unless the bot could delete a member's.
    """
    try:
        message = await read_own_message(interaction, message_id)
    except discord.Forbidden:
        return not interaction.app_permissions.manage_messages
    return message is not None and _shown_asker_id(message) in (None, asker)


async def read_own_message(
    interaction: discord.Interaction[Any], message_id: int
) -> discord.Message | None:
    """Read one of the bot's messages; None where it is gone or somebody else's.

    Raises discord.Forbidden where the bot may not read what was said.
    """
    partial = message_in(interaction.channel, message_id)
    if partial is None:
        return None
    try:
        message = await partial.fetch()
    except discord.NotFound:
        return None
    return message if message.author == interaction.client.user else None


def _shown_asker_id(message: discord.Message) -> int | None:
    """Return who was answered with a message; None where Discord does not tell."""
    if message.interaction_metadata is not None:
        return message.interaction_metadata.user.id
    asked = message.reference.resolved if message.reference else None
    return asked.author.id if isinstance(asked, discord.Message) else None
