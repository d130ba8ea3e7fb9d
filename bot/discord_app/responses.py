"""How the cogs answer commands: with a text, with a refusal, with models to choose from."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.core import request_log
from bot.core.errors import NothingThere
from bot.core.languages import sentence
from bot.core.poems import PoemService
from bot.core.records import ModelRecord
from bot.discord_app.asker import Context, asker_of_interaction, guild_id_of
from bot.discord_app.error_messages import GuildNotKnown, ThrottledLog, error_message, throttled_log
from bot.discord_app.interactions import NO_MENTIONS, acknowledge, is_acknowledged
from bot.discord_app.languages import speak_to
from bot.discord_app.panels import as_edit, text_of
from bot.discord_app.poem_formatting import MAX_MESSAGE, measure
from bot.discord_app.responders import InteractionResponder, Responder, learn_thread, send_once
from bot.discord_app.retries import FAILURES, await_response, retry

log = logging.getLogger(__name__)

EXPIRED = sentence("This button has expired. Run the command again.")
MAX_CHOICES = 25  # Discord's limits for autocomplete
MAX_CHOICE = 100


class AnsweringCog(commands.Cog):
    """A cog whose commands and buttons end in an answer, also when they fail.

    It speaks the language of whoever asked.
    """

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        speak_to(interaction.client, interaction)
        return True

    async def cog_before_invoke(self, ctx: Context) -> None:
        if ctx.interaction is None:
            speak_to(ctx.bot, ctx.message)

    async def press(self, interaction: discord.Interaction[Any], action: Any, packed: str) -> None:
        """Do what a button says, of which `packed` holds what it remembers."""
        raise NothingThere(EXPIRED)

    async def refuse(self, asked: Context | discord.Interaction[Any], error: Exception) -> None:
        """Say why not; see `refuse`."""
        await refuse(asked, error)

    async def cog_command_error(self, ctx: Context, error: Exception) -> None:
        await self.refuse(ctx, error)

    async def cog_app_command_error(
        self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError
    ) -> None:
        await self.refuse(interaction, error)


class CommandCog(AnsweringCog):
    """A cog of commands other than poems: each gets a number in the log, and knows its channel."""

    async def cog_before_invoke(self, ctx: Context) -> None:
        await super().cog_before_invoke(ctx)
        request_log.begin()
        if ctx.interaction is None:
            await learn_thread(ctx.bot, ctx.message)


async def press(
    interaction: discord.Interaction[Any], cog_name: str, action: Any, packed: str
) -> None:
    """Let the cog of that name do what a button says, or say why not."""
    speak_to(interaction.client, interaction)
    cog = interaction.client.get_cog(cog_name)
    if not isinstance(cog, AnsweringCog):
        await refuse(interaction, NothingThere(EXPIRED))
        return
    try:
        await cog.press(interaction, action, packed)
    except Exception as error:
        await cog.refuse(interaction, error)


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
    """Answer a command; `private` shows it only to the asker where Discord can do that."""
    options: dict[str, Any] = {} if view is None else {"view": view}
    if file is not None:  # which is read once
        await _say(ctx, text, [file], options, private=private)
    else:
        await retry(lambda: _say(ctx, text, [], options, private=private))


async def answer_with_panel(
    ctx: Context, view: discord.ui.LayoutView, file: discord.File | None = None
) -> None:
    """Answer an acknowledged command with a panel."""
    files = [] if file is None else [file]
    if ctx.interaction is None:
        nonce = f"{ctx.message.id}-{zlib.crc32(text_of(view).encode()) & 0xFFFFF:05x}"
        await send_once(ctx, None, nonce, files, view=view)
    else:
        edit = ctx.interaction.edit_original_response
        await await_response(edit(**as_edit(view), attachments=files))


async def _say(
    ctx: Context,
    text: str,
    files: Sequence[discord.File],
    options: dict[str, Any],
    *,
    private: bool,
) -> None:
    """Send an answer once.

    `Context.send` asks this machine's clock whether an interaction has expired, and if so speaks
    to everybody. Only Discord's clock counts, so it is not used for interactions.
    """
    interaction = ctx.interaction
    if interaction is None:  # Discord takes the same text once
        nonce = f"{ctx.message.id}-{zlib.crc32(text.encode()) & 0xFFFFF:05x}"
        await send_once(ctx, text, nonce, files, **options)
    elif is_acknowledged(interaction):  # an original response has no flag for embeds
        await await_response(
            interaction.edit_original_response(
                content=text, attachments=files, allowed_mentions=NO_MENTIONS, **options
            )
        )
    else:
        await await_response(
            interaction.response.send_message(
                text,
                files=files,
                ephemeral=private,
                allowed_mentions=NO_MENTIONS,
                suppress_embeds=True,
                **options,
            )
        )


def check_in_server(ctx: Context) -> bool:
    """Return True, or raise what tells the asker why this does not work here."""
    if ctx.guild is None and guild_id_of(ctx.message) is not None:
        raise GuildNotKnown
    if ctx.guild is None:
        raise commands.NoPrivateMessage
    return True


async def refuse(
    asked: Context | discord.Interaction[Any] | Responder,
    error: Exception,
    complaints: ThrottledLog = throttled_log,
    *,
    typed: str = "",
    view: discord.ui.View | None = None,
) -> None:
    """Say why not, to the asker alone where Discord can do that; this never raises a failure.

    Autocompletion has no place for a sentence, so it offers nothing. `complaints` logs an answer
    that cannot be delivered. After a form, `typed` repeats what was typed, and `view` opens it
    again.
    """
    if isinstance(asked, commands.Context) and asked.interaction is not None:
        asked = asked.interaction
    if isinstance(asked, commands.Context):
        speak_to(asked.bot, asked.message)
    elif isinstance(asked, discord.Interaction):
        speak_to(asked.client, asked)
    try:
        if isinstance(asked, commands.Context):
            await answer(asked, error_message(error))
        elif not isinstance(asked, discord.Interaction):
            await asked.refuse(error_message(error))
        elif asked.type is discord.InteractionType.autocomplete:
            log.warning("no suggestions: %r", error)
            await asked.response.autocomplete([])
        else:
            sentence = error_message(error, room=MAX_MESSAGE - measure(typed))
            await InteractionResponder(asked).refuse(
                "\n".join(filter(None, (sentence, typed))), view
            )
    except (*FAILURES, RuntimeError) as failure:  # the last of a session that is closed
        channel = asked.channel.id if isinstance(asked, commands.Context) else asked.channel_id
        complaints.warn(f"cannot answer in channel {channel}", failure)


def model_choices(models: Iterable[ModelRecord], typed: str) -> list[app_commands.Choice[str]]:
    """Return the models whose name or book contains what was typed."""
    return [
        app_commands.Choice(name=f"{model.name} ({model.book})"[:MAX_CHOICE], value=model.name)
        for model in models
        if typed.casefold() in f"{model.name} {model.book}".casefold()
        and len(model.name) <= MAX_CHOICE
    ][:MAX_CHOICES]


async def suggest_models(
    service: PoemService, interaction: discord.Interaction[Any], typed: str, seconds: float
) -> list[app_commands.Choice[str]]:
    """Return the models of a server that fit what was typed; none where that takes too long."""
    guild = asker_of_interaction(interaction).guild
    try:
        async with asyncio.timeout(seconds):
            models = await asyncio.to_thread(service.models, guild)
    except Exception as error:
        return no_choices(error)
    return model_choices(models, typed)


def no_choices(error: Exception) -> list[app_commands.Choice[str]]:
    """Log why no models can be listed and return no choices: Discord shows no sentence here."""
    late = isinstance(error, TimeoutError)
    cause = TimeoutError("the database or the disk is too slow") if late else error
    throttled_log.warn("no model suggestions", cause)
    return []
