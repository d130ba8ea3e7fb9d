"""Poems: !sonnet, /sonnet, a mention, a direct message, and the buttons under a poem."""

from __future__ import annotations

import asyncio
import io
from contextlib import suppress
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.application import App
from bot.core.errors import NotAllowed, NothingThere
from bot.core.records import FORMS, FREE, RANGES, Poem, PoemRequest, PoemScansion
from bot.discord_app.asker import Context, asker_of_interaction, guild_id_of
from bot.discord_app.button_state import Ownership, PoemState, read_ownership, read_poem_state
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.messages import (
    is_from_person,
    names_in,
    own_mentions,
    read_flags,
    unread_note,
    without_mentions,
)
from bot.discord_app.poem_buttons import (
    COG_NAME,
    ButtonAction,
    PoemButton,
    find_asker_id,
    is_part_of_poem,
    read_own_message,
)
from bot.discord_app.poem_formatting import (
    plain_words,
    read_last_line,
    read_seed,
    read_title,
    read_verse,
)
from bot.discord_app.poem_reply import PoemReplies
from bot.discord_app.rate_limits import ReplyLimits
from bot.discord_app.responders import AnyBot, InteractionResponder, MessageResponder, message_in
from bot.discord_app.responses import AnsweringCog, model_choices, no_choices
from bot.discord_app.retries import retry
from bot.discord_app.unfinished_poems import UnfinishedPoems

BUTTON_EXPIRED = "This button has expired. Run /sonnet again."
LOST_BEGINNING = "I can no longer read the start of this poem. Run /sonnet again."
NOT_YOURS = (
    "Only the person who asked for this poem, or a member with Manage Messages, can delete it."
)


class Poems(AnsweringCog, name=COG_NAME):
    """Write sonnets and other verse.

    `talk` says whether a mention and a direct message are requests, too.
    """

    def __init__(
        self,
        bot: AnyBot,
        app: App,
        *,
        talk: bool,
        timing: ReplyTiming | None = None,
        reply_limits: ReplyLimits | None = None,
    ) -> None:
        self._bot = bot
        self.service = service = app.service
        self._talk = talk
        self._reply_limits = reply_limits or ReplyLimits(service.metrics.unanswered_commands)
        self._timing = timing = timing or ReplyTiming()
        self._unfinished = UnfinishedPoems(bot, app.half_poems, timing.retry_seconds)
        self._replies = PoemReplies(service, self._unfinished, self._reply_limits, timing)

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(PoemButton)
        await self._unfinished.open()
        if self._bot.is_ready():  # loaded into a bot that runs already
            self._unfinished.resume()

    @commands.Cog.listener()
    async def on_connect(self) -> None:
        self._unfinished.resume()

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        self._unfinished.resume()  # where this was loaded between the two

    async def cog_unload(self) -> None:
        await self._replies.close(self._timing.close_seconds)
        await self._unfinished.close()
        self._bot.remove_dynamic_items(PoemButton)

    # Asking with words

    @commands.command(name="sonnet", usage="[seed]")
    async def sonnet(self, ctx: commands.Context[Any], *, seed: str = "") -> None:
        """Write a poem that begins with your words, or with any."""
        await self._answer_message(ctx.message, seed)

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        if not self._talk or not is_from_person(message):
            return
        mentioned = self._is_mentioned(message)
        is_direct = guild_id_of(message) is None
        if (mentioned or is_direct) and not await self._is_command(message):
            try:
                await self._answer_message(message, message.content)
            except Exception as error:  # discord.py reports only errors of commands
                await self._replies.refuse(MessageResponder(message, self._reply_limits), error)

    def _is_mentioned(self, message: discord.Message) -> bool:
        """Whether the bot is named in the text; a reply to the bot alone is no request."""
        return any(name in message.content for name in own_mentions(self._bot.user, message))

    async def _is_command(self, message: discord.Message) -> bool:
        context = await self._bot.get_context(message)
        return context.valid

    async def _answer_message(self, message: discord.Message, typed: str) -> None:
        if not is_from_person(message):
            return
        responder = MessageResponder(message, self._reply_limits)
        with self._reply_limits.enter(responder.channel_id, responder.asker_id) as has_room:
            if has_room:
                own = own_mentions(self._bot.user, message)
                words = plain_words(without_mentions(own, typed), names_in(message))
                request = PoemRequest(responder.asker, notes=unread_note(message))
                await self._replies.answer(responder, read_flags(words, request))

    # Asking with a form

    @app_commands.command(name="sonnet", description="Write a poem that begins with your words")
    @app_commands.describe(
        seed="Opening words. Leave empty for a random opening",
        model="Which model writes the poem. Default: the one in use here",
        form="Form of the poem. Default: this server's form",
        lines=f"Number of lines of free text, {RANGES['lines']}",
        temperature=f"How unpredictable the poem is, {RANGES['temperature']}",
        random_seed="Random seed. The same words, model, settings and seed give the same poem",
    )
    @app_commands.choices(
        form=[app_commands.Choice(name=form, value=form) for form in (*FORMS, FREE)]
    )
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
    async def slash_sonnet(
        self,
        interaction: discord.Interaction[Any],
        seed: str = "",
        form: str | None = None,
        model: str | None = None,
        lines: int | None = None,
        temperature: float | None = None,
        random_seed: int | None = None,
    ) -> None:
        responder = InteractionResponder(interaction)
        request = PoemRequest(
            responder.asker,
            seed=plain_words(seed, {}),
            form=form,
            model=model,
            lines=lines,
            sampling={"temperature": temperature},
            random_seed=random_seed,
        )
        await self._replies.answer(responder, request)

    @slash_sonnet.autocomplete("model")
    async def suggest_models(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        guild = str(interaction.guild_id or "")
        try:
            async with asyncio.timeout(self._timing.suggest_seconds):
                models = await asyncio.to_thread(self.service.models, guild)
        except Exception as error:
            return no_choices(error)
        return model_choices(models, typed)

    # Buttons

    async def press(
        self, interaction: discord.Interaction[Any], action: ButtonAction, packed: str
    ) -> None:
        """Do what a button says; see `PoemButton`."""
        if action is ButtonAction.CARD:
            await self._draw(interaction, read_poem_state(packed))
        elif action is ButtonAction.DELETE:
            await self._delete(interaction, read_ownership(packed))
        else:
            await self._write_on(interaction, action, read_poem_state(packed))

    async def _write_on(
        self, interaction: discord.Interaction[Any], action: ButtonAction, state: PoemState | None
    ) -> None:
        if state is None or interaction.message is None:
            raise NothingThere(BUTTON_EXPIRED)
        if action is ButtonAction.CONTINUE:
            seed = read_last_line(interaction.message.content)
        else:
            beginning = await _read_beginning(interaction, state)
            if beginning is None:
                raise NothingThere(LOST_BEGINNING)
            seed = read_seed(beginning, state.seed_length)
        settings = state.settings
        request = PoemRequest(
            asker_of_interaction(interaction),
            seed=seed,
            model=state.model,
            form=settings.form,
            lines=settings.lines if settings.form == FREE else None,
            characters=settings.characters,
            sampling=settings.sampling.model_dump(),
        )
        await self._replies.answer(InteractionResponder(interaction), request)

    async def _draw(self, interaction: discord.Interaction[Any], state: PoemState | None) -> None:
        """Answer with a picture of the poem that the message shows."""
        if state is None or interaction.message is None:
            raise NothingThere(BUTTON_EXPIRED)
        asker = asker_of_interaction(interaction)
        self.service.check_drawing(asker)  # before anything is shown to all
        await retry(lambda: interaction.response.defer(thinking=True))
        content = interaction.message.content
        guild = str(interaction.guild_id or "")
        models = await asyncio.to_thread(self.service.models, guild)
        poem = Poem(
            text=read_verse(content),
            seed="",
            model=next((m.name for m in models if m.sha256.startswith(state.model)), state.model),
            model_sha256=state.model,
            random_seed=state.random_seed,
            settings=state.settings,
            notes=(),
            looks=PoemScansion(read_title(content)),
        )
        picture = io.BytesIO(await self.service.draw(asker, poem))
        await interaction.edit_original_response(
            attachments=[discord.File(picture, f"poem-{poem.random_seed}.png")]
        )

    async def _delete(
        self, interaction: discord.Interaction[Any], ownership: Ownership | None
    ) -> None:
        message = interaction.message
        if ownership is None or message is None:
            raise NothingThere(BUTTON_EXPIRED)
        asker = await find_asker_id(interaction, message, ownership)
        is_moderator = interaction.guild_id and interaction.permissions.manage_messages
        if interaction.user.id != asker and not is_moderator:
            raise NotAllowed(NOT_YOURS)
        if not interaction.response.is_done():
            await retry(interaction.response.defer)
        self._replies.forget(message.id)
        with suppress(discord.NotFound):  # deleted already
            await interaction.delete_original_response()
        for part in ownership.parts:
            earlier = message_in(interaction.channel, part)
            if earlier is not None and await is_part_of_poem(interaction, part, asker):
                self._replies.forget(part)
                with suppress(discord.NotFound, discord.Forbidden):
                    await earlier.delete()

    # What ends an answer early

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        self._replies.forget(payload.message_id)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        for message_id in payload.message_ids:
            self._replies.forget(message_id)

    # Errors before an answer has begun

    async def refuse(self, asked: Context | discord.Interaction[Any], error: Exception) -> None:
        if isinstance(asked, discord.Interaction):
            await self._replies.refuse(InteractionResponder(asked), error)
        else:
            await self._replies.refuse(MessageResponder(asked.message, self._reply_limits), error)


async def _read_beginning(interaction: discord.Interaction[Any], state: PoemState) -> str | None:
    """Return the text of the reply's first message, None when it cannot be read."""
    if interaction.message is None:
        return None
    if not state.first:
        return interaction.message.content
    try:
        first = await read_own_message(interaction, state.first)
    except discord.Forbidden:
        return None
    return first.content if first is not None else None
