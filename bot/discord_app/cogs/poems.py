"""Poems: !sonnet, /sonnet, a mention, a direct message, and the buttons under a poem."""

from __future__ import annotations

import asyncio
import io
from contextlib import suppress
from dataclasses import replace
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.application import App
from bot.core.errors import NotAllowed, NothingThere
from bot.core.languages import sentence
from bot.core.records import FORMS, FREE, RANGES, Asker, Poem, PoemRequest, PoemScansion
from bot.discord_app.asker import Context, asker_of_interaction, asker_of_message, guild_id_of
from bot.discord_app.button_state import Ownership, PoemState, read_ownership, read_poem_state
from bot.discord_app.daily_poems import DailyPoems
from bot.discord_app.kept_poems import KeptPoems
from bot.discord_app.languages import speak_to
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.messages import (
    is_corrected,
    is_from_person,
    own_mentions,
    read_flags,
    read_words,
    without_mentions,
)
from bot.discord_app.poem_buttons import (
    COG_NAME,
    EXAMPLES,
    ButtonAction,
    PoemButton,
    find_asker_id,
    is_part_of_poem,
    poem_state_in,
    read_own_message,
    replied_poem,
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
from bot.discord_app.reposts import Reposts
from bot.discord_app.responders import (
    AnyBot,
    InteractionResponder,
    MessageResponder,
    learn_thread,
    message_in,
)
from bot.discord_app.responses import AnsweringCog, suggest_models
from bot.discord_app.retries import retry
from bot.discord_app.unfinished_poems import UnfinishedPoems

BUTTON_EXPIRED = sentence("This button has expired. Run /sonnet again.")
LOST_BEGINNING = sentence("I can no longer read the start of this poem. Run /sonnet again.")
MENU_NAME = sentence("Sonnet from this")
NO_WORDS = sentence("This message has no words that I can read. Choose a message with text.")
EVERYWHERE = app_commands.AppInstallationType(guild=True, user=True)
ANY_CHANNEL = app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True)
NOT_YOURS = sentence(
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
        self.unfinished = UnfinishedPoems(bot, app.half_poems, timing.retry_seconds)
        self._reposts = Reposts()
        self.kept, self.daily = KeptPoems(bot, app), DailyPoems(bot, app)
        self._replies = PoemReplies(
            service, self.unfinished, self._reply_limits, timing, self.kept.has_channel
        )
        self.pace = self._replies.pace

        self._menu = app_commands.ContextMenu(
            name=MENU_NAME,
            callback=self.write_from_message,
            allowed_installs=EVERYWHERE,
            allowed_contexts=ANY_CHANNEL,
        )

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(PoemButton)
        self._bot.tree.add_command(self._menu)
        await self.unfinished.open()
        if self._bot.is_ready():  # loaded into a bot that runs already
            self._begin()

    @commands.Cog.listener()
    async def on_connect(self) -> None:
        self.unfinished.resume()

    def _begin(self) -> None:
        self.unfinished.resume()
        self.daily.start()

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        self._begin()

    async def cog_unload(self) -> None:
        await self.daily.close()
        await self._replies.close(self._timing.close_seconds)
        await self.unfinished.close()
        self._bot.remove_dynamic_items(PoemButton)
        self._bot.tree.remove_command(MENU_NAME, type=self._menu.type)

    # Asking with words

    @commands.command(name="sonnet", usage="[seed]")
    async def sonnet(self, ctx: commands.Context[Any], *, seed: str = "") -> None:
        """Write a poem that begins with your words, or with any."""
        await self._answer_message(ctx.message, seed)

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        if message.webhook_id is not None:
            await self._hear_webhook(message)
        elif self._talk and is_from_person(message) and not await self._is_command(message):
            await self._hear(message)

    @commands.Cog.listener()
    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Read a message again that was corrected; one that has an answer gets no other."""
        message = payload.message
        if not is_from_person(message) or not is_corrected(message):
            return
        context = await self._bot.get_context(message)
        if not context.valid:
            if self._talk:
                await self._hear(message)
        elif isinstance(context.cog, AnsweringCog):
            await self._bot.invoke(context)

    async def _hear(self, message: discord.Message) -> None:
        """Answer a mention, a direct message or a reply to a poem, and nothing else."""
        state = replied_poem(message, self._bot.user)
        is_direct = guild_id_of(message) is None
        if state is not None or is_direct or self._is_mentioned(message):
            await self._answer_words(message, state=state)

    async def _hear_webhook(self, message: discord.Message) -> None:
        """Answer a command that was deleted, which a proxy bot repeats for its author."""
        asker = self._reposts.original_asker(message)
        if asker is None:
            return
        context = await self._bot.get_context(message)
        if context.command is None:
            await self._answer_words(message, asker=asker)
        elif isinstance(context.cog, Poems) and context.prefix is not None:
            typed = message.content.partition(context.invoked_with or "")[2]
            await self._answer_words(message, typed.strip(), asker=asker)

    async def _answer_words(
        self,
        message: discord.Message,
        typed: str | None = None,
        *,
        state: PoemState | None = None,
        asker: Asker | None = None,
    ) -> None:
        """Answer what is no command; discord.py reports only errors of commands."""
        words = message.content if typed is None else typed
        try:
            await self._answer_message(message, words, state=state, asker=asker)
        except Exception as error:
            responder = MessageResponder(message, self._reply_limits, asker)
            await self._replies.refuse(responder, error)

    def _is_mentioned(self, message: discord.Message) -> bool:
        """Whether the bot is named in the text; a reply alone is heard only under a poem."""
        return any(name in message.content for name in own_mentions(self._bot.user, message))

    async def _is_command(self, message: discord.Message) -> bool:
        context = await self._bot.get_context(message)
        return context.valid

    async def _answer_message(
        self,
        message: discord.Message,
        typed: str,
        *,
        state: PoemState | None = None,
        asker: Asker | None = None,
    ) -> None:
        """Write what a message asks for: of its own, or the next poem after `state`.

        `asker` is who asks in a message that a proxy bot has posted.
        """
        if asker is None and not is_from_person(message):
            return
        speak_to(self._bot, message)
        responder = MessageResponder(message, self._reply_limits, asker)
        with self._reply_limits.enter(responder.channel_id, responder.asker_id) as has_room:
            if has_room:
                await learn_thread(self._bot, message)
                here = asker_of_message(message)
                place = {"channel": here.channel, "category": here.category}
                responder.asker = replace(responder.asker, **place)
                own = own_mentions(self._bot.user, message)
                words, notes = await read_words(message, without_mentions(own, typed))
                if state is not None and not words:
                    return  # a picture or a sticker under a poem asks for nothing
                request = replace(_next_poem(responder.asker, state), notes=notes)
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
        form=[
            app_commands.Choice(name=app_commands.locale_str(form), value=form)
            for form in (*FORMS, FREE)
        ]
    )
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
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
    async def complete_model(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        seconds = self._timing.suggest_seconds
        return await suggest_models(self.service, interaction, typed, seconds)

    async def write_from_message(
        self, interaction: discord.Interaction[Any], message: discord.Message
    ) -> None:
        """Write a poem that begins with a message's words; after a poem, the next of its crown."""
        speak_to(self._bot, interaction)
        responder = InteractionResponder(interaction)
        state = poem_state_in(message, self._bot.user)
        words, notes = await read_words(message, message.content)
        if state is not None:
            words = read_last_line(message.content)
        if not words:
            await self._replies.refuse(responder, NothingThere(NO_WORDS))
            return
        request = replace(_next_poem(responder.asker, state), seed=words, notes=notes)
        await self._replies.answer(responder, request)

    # Buttons

    async def press(
        self, interaction: discord.Interaction[Any], action: ButtonAction, packed: str
    ) -> None:
        """Do what a button says; see `PoemButton`."""
        if action is ButtonAction.CARD:
            await self._draw(interaction, read_poem_state(packed))
        elif action is ButtonAction.DELETE:
            await self._delete(interaction, read_ownership(packed))
        elif action is ButtonAction.KEEP:
            await self.kept.keep(interaction)
        elif action is ButtonAction.TRY:
            await self._try(interaction, packed)
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
        request = replace(_next_poem(asker_of_interaction(interaction), state), seed=seed)
        await self._replies.answer(InteractionResponder(interaction), request)

    async def _try(self, interaction: discord.Interaction[Any], number: str) -> None:
        """Write an example of the help."""
        if number not in EXAMPLES:
            raise NothingThere(BUTTON_EXPIRED)
        form, seed = EXAMPLES[number]
        request = PoemRequest(asker_of_interaction(interaction), seed=seed, form=form)
        await self._replies.answer(InteractionResponder(interaction), request)

    async def _draw(self, interaction: discord.Interaction[Any], state: PoemState | None) -> None:
        """Answer with a picture of the poem that the message shows."""
        if state is None or interaction.message is None:
            raise NothingThere(BUTTON_EXPIRED)
        asker = asker_of_interaction(interaction)
        self.service.check_drawing(asker)  # before anything is shown to all
        await retry(lambda: interaction.response.defer(thinking=True))
        content = interaction.message.content
        models = await asyncio.to_thread(self.service.models, asker.guild)
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
        responder = self._replies.answering(payload.message_id)
        if isinstance(responder, MessageResponder) and self._reposts.is_reposted(
            responder.message, responder.asker
        ):
            return
        self._replies.forget(payload.message_id)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        for message_id in payload.message_ids:
            self._replies.forget(message_id)

    # Errors before an answer has begun

    async def refuse(self, asked: Context | discord.Interaction[Any], error: Exception) -> None:
        if isinstance(asked, discord.Interaction):
            speak_to(self._bot, asked)
            await self._replies.refuse(InteractionResponder(asked), error)
        else:
            speak_to(self._bot, asked.message)
            await self._replies.refuse(MessageResponder(asked.message, self._reply_limits), error)


def _next_poem(asker: Asker, state: PoemState | None) -> PoemRequest:
    """Return a request for a poem, made as the one before it was where there is one."""
    if state is None:
        return PoemRequest(asker)
    settings = state.settings
    return PoemRequest(
        asker,
        model=state.model,
        form=settings.form,
        lines=settings.lines if settings.form == FREE else None,
        characters=settings.characters,
        sampling=settings.sampling.model_dump(),
    )


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
