"""What a member's message asks for: whether it is meant for the bot, its seed, its options.

All is read from the message and from what discord.py knows of it; only a text file is fetched.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import discord
from discord.ext import commands

from bot.core.languages import sentence
from bot.core.records import PoemRequest
from bot.discord_app.poem_formatting import plain_words
from bot.discord_app.responders import AnyBot
from bot.discord_app.retries import FAILURES

MAX_TEXT_FILE = 64 * 2**10  # bytes; of a longer file no seed is taken
FILE_SECONDS = 10.0  # for fetching one
CORRECTED_WITHIN = timedelta(minutes=1)  # in which an edited message is read again
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
    kinds = (
        (
            message.attachments,
            sentence(
                "I only read the text of your message, not the attached file. "
                "Paste the text instead."
            ),
        ),
        (
            message.message_snapshots,
            sentence(
                "I only read the text of your message, not the forwarded message. "
                "Paste the text instead."
            ),
        ),
        (
            message.stickers,
            sentence("I only read the text of your message, not the sticker."),
        ),
        (message.poll, sentence("I only read the text of your message, not the poll.")),
    )
    return next(((told,) for parts, told in kinds if parts), ())


async def read_words(message: discord.Message, typed: str) -> tuple[str, tuple[str, ...]]:
    """Return a message's words, and notes on what else it has and was not read.

    `typed` is what is left of its text without mentions and the command. Where that is empty, the
    words are those of a forwarded message, or of a text file: Discord makes a long paste into one.
    """
    if words := plain_words(typed, names_in(message)).strip():
        return words, unread_note(message)
    for snapshot in message.message_snapshots:
        if words := plain_words(snapshot.content, {}).strip():
            return words, ()
    snapshot_files = [file for each in message.message_snapshots for file in each.attachments]
    for file in (*message.attachments, *snapshot_files):
        if words := await _read_text_file(file):
            return words, ()
    return "", unread_note(message)


async def _read_text_file(file: discord.Attachment) -> str:
    """Return the text of a short text file; "" for any other, and where it cannot be fetched."""
    kind = (file.content_type or "").partition("/")[0]
    is_text = kind == "text" or file.filename.lower().endswith((".txt", ".md"))
    if not is_text or file.size > MAX_TEXT_FILE:
        return ""
    try:
        async with asyncio.timeout(FILE_SECONDS):
            content = await file.read()
    except (*FAILURES, TimeoutError):
        return ""
    return content[:MAX_TEXT_FILE].decode("utf-8-sig", "replace").strip()


def is_corrected(message: discord.Message) -> bool:
    """Whether a message was edited soon after it was sent; both times are Discord's."""
    edited = message.edited_at
    return edited is not None and edited - message.created_at <= CORRECTED_WITHIN


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
                taken = float(value.replace(",", ".")) if name == "temperature" else int(value)
        except ValueError:
            break
        if name == "temperature":
            request = replace(request, sampling={name: taken})
        else:
            request = replace(request, **{name.replace("-", "_"): taken})
        rest = rest[match.end() :]
    return replace(request, seed=rest)
