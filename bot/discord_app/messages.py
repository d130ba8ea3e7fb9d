"""What a member's message asks for: whether it is meant for the bot, its seed, its options.

Pure: all is read from the message and from what discord.py knows of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import discord
from discord.ext import commands

from bot.core.records import PoemRequest
from bot.discord_app.responders import AnyBot

UNREAD = "I only read the text of your message, not {what}. Paste the text instead."
TALK = (discord.MessageType.default, discord.MessageType.reply)
# Phones begin with a capital.
_FLAG = re.compile(
    r"--(form|lines|temperature|random-seed|model)[ =](\S+)(?:\s+|$)",
    re.IGNORECASE,
)


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


def command_prefixes(bot: AnyBot, message: discord.Message, *, prefix: str) -> list[str]:
    """Return what a command of this message begins with: the prefix, or a mention of the bot.

    After a mention only a complete command counts as one; all else is a poem's seed.
    """
    mention = re.match(r"(<@[!&]?\d{1,20}>)\s*", message.content)
    if mention is None or mention[1] not in own_mentions(bot.user, message):
        typed = message.content[: len(prefix)]
        return [typed if typed.casefold() == prefix.casefold() else prefix]
    name, *rest = [*message.content[mention.end() :].split(maxsplit=2), ""]
    command = bot.get_command(name.lower())
    if isinstance(command, commands.Group):
        known = command.get_command(rest[0].lower()) is not None
    else:
        known = command is not None and not any(rest)
    return [mention[0]] if known else [prefix]


def is_from_person(message: discord.Message) -> bool:
    return not message.author.bot and message.webhook_id is None and message.type in TALK


def without_mentions(mentions: Sequence[str], typed: str) -> str:
    """Take out mentions, and the blanks around them, in linear time."""
    pieces = re.split("|".join(map(re.escape, mentions)), typed) if mentions else [typed]
    return " ".join(piece.strip() for piece in pieces).strip()


def names_in(message: discord.Message) -> Mapping[str, str]:
    names = {f"@{user.id}": user.display_name for user in message.mentions}
    names.update({f"@&{role.id}": role.name for role in message.role_mentions})
    names.update({f"#{channel.id}": channel.name for channel in message.channel_mentions})
    return names


def read_flags(typed: str, request: PoemRequest) -> PoemRequest:
    """Take options like --lines 8 from the beginning of what was typed; the rest is the seed.

    What is not such an option with a fitting value belongs to the seed.
    """
    rest = typed
    while match := _FLAG.match(rest):
        name, value = match[1].lower(), match[2]
        try:
            taken: Any = value.lower() if name == "form" else value
            if name not in ("form", "model"):
                taken = float(value) if name == "temperature" else int(value)
        except ValueError:
            break
        if name == "temperature":
            request = replace(request, sampling={name: taken})
        else:
            request = replace(request, **{name.replace("-", "_"): taken})
        rest = rest[match.end() :]
    return replace(request, seed=rest)
