"""What of a message is meant for the bot: how people name it, and what it does not read."""

from __future__ import annotations

import discord

UNREAD = "I only read the text of your message, not {what}. Paste the text instead."


def own_mentions(me: discord.abc.User | None, message: discord.Message) -> tuple[str, ...]:
    """Return how a message may name the bot: as a user, or as the role that Discord gave it.

    Both have the bot's name, and people pick either from Discord's list.
    """
    if me is None:
        return ()
    role = getattr(message.guild, "self_role", None)
    roles = () if role is None else (f"<@&{role.id}>",)
    return (f"<@{me.id}>", f"<@!{me.id}>", *roles)


def unread_note(message: discord.Message) -> tuple[str, ...]:
    """Return a sentence on what a message has besides its words, none where that is nothing."""
    kinds = {
        "the attached file": message.attachments,
        "the forwarded message": message.message_snapshots,
        "the sticker": message.stickers,
        "the poll": message.poll,
    }
    found = [kind for kind, parts in kinds.items() if parts]
    return (UNREAD.format(what=" or ".join(found)),) if found else ()
