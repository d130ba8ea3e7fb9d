"""What the cogs of the office share: who asks, and how they are answered."""

from __future__ import annotations

import logging
import zlib
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.core import request_log
from bot.core.records import Asker
from bot.discord_app.error_messages import GuildNotKnown, error_message, throttled_log
from bot.discord_app.responders import (
    NO_MENTIONS,
    InteractionResponder,
    acknowledge,
    asker_of_interaction,
    asker_of_message,
    guild_id_of,
    is_acknowledged,
)
from bot.discord_app.retries import FAILURES, await_response, retry

log = logging.getLogger(__name__)

Context = commands.Context[Any]


def asker_of_context(ctx: Context) -> Asker:
    if ctx.interaction is not None:
        return asker_of_interaction(ctx.interaction)
    return asker_of_message(ctx.message)


class AnsweringCog(commands.Cog):
    """A cog whose commands end in an answer, also when they fail."""

    async def cog_command_error(self, ctx: Context, error: Exception) -> None:
        await refuse(ctx, error)

    async def cog_app_command_error(
        self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError
    ) -> None:
        await refuse(interaction, error)


class CommandCog(AnsweringCog):
    """A cog of commands that are no poems: each has a number in the log."""

    async def cog_before_invoke(self, ctx: Context) -> None:
        request_log.begin()


async def acknowledge_command(ctx: Context, *, private: bool = False) -> None:
    """Acknowledge a command before it asks the database, which another program may keep locked.

    `private` must be what `answer` is told. Refuse before this what needs no database: after it a
    sentence for the asker alone takes three requests.
    """
    if ctx.interaction is not None:
        await acknowledge(ctx.interaction, private=private)


async def answer(
    ctx: Context,
    text: str,
    *,
    private: bool = False,
    view: discord.ui.View | None = None,
    file: discord.File | None = None,
) -> None:
    """Answer a command; `private` is for the asker's eyes alone where Discord can do that."""
    options: dict[str, Any] = {"allowed_mentions": NO_MENTIONS, "suppress_embeds": True}
    if view is not None:
        options["view"] = view
    if file is not None:
        options["file"] = file
    if file is not None:  # which is read once
        await _say(ctx, text, options, private=private)
    else:
        await retry(lambda: _say(ctx, text, options, private=private))


async def _say(ctx: Context, text: str, options: dict[str, Any], *, private: bool) -> None:
    """Send an answer once.

    `Context.send` asks this machine's clock whether an interaction has expired, and if so speaks
    to everybody. Only Discord's clock counts, so it is not used for interactions.
    """
    interaction = ctx.interaction
    if interaction is None:  # Discord takes the same text once
        nonce = f"{ctx.message.id}-{zlib.crc32(text.encode()) & 0xFFFFF:05x}"
        await await_response(ctx.send(text, nonce=nonce, **options))
    elif is_acknowledged(interaction):
        del options["suppress_embeds"]  # which an original response has no flag for
        files = [file] if (file := options.pop("file", None)) else []
        await await_response(
            interaction.edit_original_response(content=text, attachments=files, **options)
        )
    else:
        await await_response(interaction.response.send_message(text, ephemeral=private, **options))


def check_in_server(ctx: Context) -> bool:
    """Return True, or raise what tells the asker why this does not work here."""
    if ctx.guild is None and guild_id_of(ctx.message) is not None:
        raise GuildNotKnown
    if ctx.guild is None:
        raise commands.NoPrivateMessage
    return True


async def refuse(asked: Context | discord.Interaction[Any], error: Exception) -> None:
    """Say why not, to the asker alone where Discord can do that; this never raises a failure.

    While somebody types there is no place for a sentence: nothing is offered.
    """
    try:
        if isinstance(asked, discord.Interaction):
            interaction = asked
        elif asked.interaction is not None:
            interaction = asked.interaction
        else:
            await answer(asked, error_message(error))
            return
        if interaction.type is discord.InteractionType.autocomplete:
            log.warning("no suggestions: %r", error)
            await interaction.response.autocomplete([])
        else:
            await InteractionResponder(interaction).refuse(error_message(error))
    except (*FAILURES, RuntimeError) as failure:  # the last of a session that is closed
        throttled_log.warn("an answer could not be delivered", failure)
