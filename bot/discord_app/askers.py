"""What the cogs of the office share: who asks, and how they are answered."""

from __future__ import annotations

import logging
import zlib
from typing import Any

import discord
from discord.ext import commands

from bot.core.records import Asker
from bot.discord_app.apologies import sentence_for
from bot.discord_app.screens import (
    FAILURES,
    NO_MENTIONS,
    InteractionScreen,
    asker_of_interaction,
    asker_of_message,
    insist,
    whisper,
)

log = logging.getLogger(__name__)

Context = commands.Context[Any]


def asker_of(ctx: Context) -> Asker:
    if ctx.interaction is not None:
        return asker_of_interaction(ctx.interaction)
    return asker_of_message(ctx.message)


async def answer(
    ctx: Context,
    text: str,
    *,
    private: bool = False,
    view: discord.ui.View | None = None,
    file: discord.File | None = None,
) -> discord.Message:
    """Answer a command; `private` is for the asker's eyes alone where Discord can do that."""
    options: dict[str, Any] = {} if view is None else {"view": view}
    if file is not None:
        options["file"] = file
    interaction, sent = ctx.interaction, list[discord.Message]()
    if interaction is None:  # Discord takes the same text once
        options["nonce"] = f"{ctx.message.id}-{zlib.crc32(text.encode()) & 0xFFFFF:05x}"

    async def send() -> None:
        message = await ctx.send(
            text,
            ephemeral=private,
            allowed_mentions=NO_MENTIONS,
            suppress_embeds=True,
            **options,
        )
        sent.append(message)

    if file is not None or (interaction is not None and interaction.response.is_done()):
        await send()  # a file is read once, and a follow-up would be there twice
    else:
        await insist(send)
    if not sent and interaction is not None:  # it was stored, and the answer lost
        return await interaction.original_response()
    return sent[0]


def on_a_server(ctx: Context) -> bool:
    """Return True, or raise what tells the asker that this works on servers only."""
    if ctx.guild is None:
        raise commands.NoPrivateMessage
    return True


async def refuse(ctx: Context, error: Exception) -> None:
    """Say why not, to the asker alone where Discord can do that."""
    try:
        if ctx.interaction is not None:
            await InteractionScreen(ctx.interaction).refuse(sentence_for(error))
        else:
            await answer(ctx, sentence_for(error))
    except FAILURES as failure:
        log.warning("a member could not be told: %r", failure)


async def refuse_press(interaction: discord.Interaction[Any], error: Exception) -> None:
    """Say why not to whoever pressed a button."""
    sentence = sentence_for(error)
    try:
        if interaction.response.is_done():
            await interaction.followup.send(
                sentence, ephemeral=True, allowed_mentions=NO_MENTIONS, suppress_embeds=True
            )
        else:
            await whisper(interaction, sentence)
    except FAILURES as failure:
        log.warning("a member could not be told: %r", failure)
