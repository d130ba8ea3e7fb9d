"""Poems: !sonnet, /sonnet, a mention, a direct message, and the buttons under a poem."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.records import FORMS, FREE, RANGES, Looks, Poem, PoemRequest
from bot.core.service import Service
from bot.core.store.poem_rows import PoemRows
from bot.discord_app.addressed import own_mentions, unread_note
from bot.discord_app.askers import AnsweringCog
from bot.discord_app.belonging import asker_of, is_part, read_own
from bot.discord_app.buttons import COG_NAME, Deed, PoemButton
from bot.discord_app.crowding import Crowding
from bot.discord_app.halves import Halves
from bot.discord_app.live import Tempo
from bot.discord_app.recipes import Ownership, Recipe, read_ownership, read_recipe
from bot.discord_app.replies import (
    plain_words,
    read_last_line,
    read_seed,
    read_title,
    read_verse,
)
from bot.discord_app.screens import (
    AnyBot,
    InteractionScreen,
    MessageScreen,
    asker_of_interaction,
    guild_id_of,
    message_in,
    whisper,
)
from bot.discord_app.scribe import Scribe
from bot.discord_app.suggestions import model_choices, nothing_to_offer
from bot.discord_app.trying import insist

TALK = (discord.MessageType.default, discord.MessageType.reply)
STRANGE_BUTTON = "This button is not one of mine any more. Ask for a new poem with /sonnet."
LOST_BEGINNING = (
    "I cannot read the beginning of this poem any more. Ask for a new one with /sonnet."
)
NOT_YOURS = "Only whoever asked for this poem, or who may manage messages here, can delete it."

# Phones begin with a capital.
_FLAG = re.compile(
    r"--(form|lines|temperature|random-seed|model)[ =](\S+)(?:\s+|$)",
    re.IGNORECASE,
)


class Poems(AnsweringCog, name=COG_NAME):
    """Write sonnets and other verse.

    `talk` says whether a mention and a direct message are requests, too. `rows` remember, from one
    start to the next, which poems have no end yet.
    """

    def __init__(
        self,
        bot: AnyBot,
        service: Service,
        *,
        talk: bool,
        tempo: Tempo | None = None,
        crowding: Crowding | None = None,
        rows: PoemRows | None = None,
    ) -> None:
        self._bot = bot
        self.service = service
        self._talk = talk
        self._crowding = crowding or Crowding(service.metrics.unanswered_commands)
        self._tempo = tempo = tempo or Tempo()
        self._halves = Halves(bot, rows, tempo.retry_seconds)
        self._scribe = Scribe(service, self._halves, tempo, self._crowding.budget)

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(PoemButton)
        await self._halves.open()
        if self._bot.is_ready():  # loaded into a bot that runs already
            self._halves.resume()

    @commands.Cog.listener()
    async def on_connect(self) -> None:
        self._halves.resume()

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        self._halves.resume()  # where this was loaded between the two

    async def cog_unload(self) -> None:
        await self._scribe.close(self._tempo.close_seconds)
        await self._halves.close()
        self._bot.remove_dynamic_items(PoemButton)

    # Asking with words

    @commands.command(name="sonnet", usage="[seed]")
    async def sonnet(self, ctx: commands.Context[Any], *, seed: str = "") -> None:
        """Write a poem that begins with your words, or with any."""
        await self._answer_message(ctx.message, seed)

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        if not self._talk or not _is_from_person(message):
            return
        mentioned = self._is_mentioned(message)
        is_direct = guild_id_of(message) is None
        if (mentioned or is_direct) and not await self._is_command(message):
            try:
                await self._answer_message(message, message.content)
            except Exception as error:  # of what is no command nobody else would tell
                await self._scribe.refuse(MessageScreen(message, self._crowding), error)

    def _is_mentioned(self, message: discord.Message) -> bool:
        """Whether the bot is named in the text; a reply to the bot alone is no request."""
        return any(name in message.content for name in own_mentions(self._bot.user, message))

    async def _is_command(self, message: discord.Message) -> bool:
        context = await self._bot.get_context(message)
        return context.valid

    async def _answer_message(self, message: discord.Message, typed: str) -> None:
        if not _is_from_person(message):
            return
        screen = MessageScreen(message, self._crowding)
        with self._crowding.enter(screen.channel_id, screen.asker_id) as has_room:
            if has_room:
                own = own_mentions(self._bot.user, message)
                words = plain_words(_without(own, typed), _names_in(message))
                request = PoemRequest(screen.asker, notes=unread_note(message))
                await self._scribe.answer(screen, _read_flags(words, request))

    # Asking with a form

    @app_commands.command(name="sonnet", description="Write a poem that begins with your words")
    @app_commands.describe(
        seed="the opening words; without them the poem opens at random",
        model="whose style",
        form="what kind of poem; a sonnet, if you do not say",
        lines=f"how many lines of free text, {RANGES['lines']}",
        temperature=f"from careful to wild, {RANGES['temperature']}",
        random_seed="a number; the same words, model and number give the same poem",
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
        screen = InteractionScreen(interaction)
        request = PoemRequest(
            screen.asker,
            seed=plain_words(seed, {}),
            form=form,
            model=model,
            lines=lines,
            temperature=temperature,
            random_seed=random_seed,
        )
        await self._scribe.answer(screen, request)

    @slash_sonnet.autocomplete("model")
    async def suggest_models(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        guild = str(interaction.guild_id or "")
        try:
            async with asyncio.timeout(self._tempo.suggest_seconds):
                models = await asyncio.to_thread(self.service.models, guild)
        except Exception as error:
            return nothing_to_offer(error)
        return model_choices(models, typed)

    # Buttons

    async def press(self, interaction: discord.Interaction[Any], deed: Deed, packed: str) -> None:
        """Do what a button says; see `buttons.PoemButton`."""
        try:
            if deed is Deed.CARD:
                await self._draw(interaction, read_recipe(packed))
            elif deed is Deed.DELETE:
                await self._delete(interaction, read_ownership(packed))
            else:
                await self._write_on(interaction, deed, read_recipe(packed))
        except Exception as error:
            await self._scribe.refuse(InteractionScreen(interaction), error)

    async def _write_on(
        self, interaction: discord.Interaction[Any], deed: Deed, recipe: Recipe | None
    ) -> None:
        if recipe is None or interaction.message is None:
            return await whisper(interaction, STRANGE_BUTTON)
        if deed is Deed.CONTINUE:
            seed = read_last_line(interaction.message.content)
        else:
            beginning = await _read_beginning(interaction, recipe)
            if beginning is None:
                return await whisper(interaction, LOST_BEGINNING)
            seed = read_seed(beginning, recipe.seed_length)
        settings = recipe.settings
        request = PoemRequest(
            asker_of_interaction(interaction),
            seed=seed,
            model=recipe.model,
            form=settings.form,
            lines=settings.lines if settings.form == FREE else None,
            characters=settings.characters,
            temperature=settings.temperature,
            top_k=settings.top_k,
            top_p=settings.top_p,
            min_p=settings.min_p,
            repetition_guard=settings.repetition_guard,
            greedy=settings.greedy,
        )
        return await self._scribe.answer(InteractionScreen(interaction), request)

    async def _draw(self, interaction: discord.Interaction[Any], recipe: Recipe | None) -> None:
        """Answer with a picture of the poem that the message shows."""
        if recipe is None or interaction.message is None:
            return await whisper(interaction, STRANGE_BUTTON)
        asker = asker_of_interaction(interaction)
        self.service.check_drawing(asker)  # before anything is shown to all
        await insist(lambda: interaction.response.defer(thinking=True))
        content = interaction.message.content
        guild = str(interaction.guild_id or "")
        models = await asyncio.to_thread(self.service.models, guild)
        poem = Poem(
            text=read_verse(content),
            seed="",
            model=next((m.name for m in models if m.sha256.startswith(recipe.model)), recipe.model),
            model_sha256=recipe.model,
            random_seed=recipe.random_seed,
            settings=recipe.settings,
            notes=(),
            looks=Looks(read_title(content)),
        )
        picture = io.BytesIO(await self.service.draw(asker, poem))
        await interaction.edit_original_response(
            attachments=[discord.File(picture, f"poem-{poem.random_seed}.png")]
        )
        return None

    async def _delete(
        self, interaction: discord.Interaction[Any], ownership: Ownership | None
    ) -> None:
        message = interaction.message
        if ownership is None or message is None:
            return await whisper(interaction, STRANGE_BUTTON)
        asker = await asker_of(interaction, message, ownership)
        is_moderator = interaction.guild_id and interaction.permissions.manage_messages
        if interaction.user.id != asker and not is_moderator:
            return await InteractionScreen(interaction).refuse(NOT_YOURS)
        if not interaction.response.is_done():
            await insist(interaction.response.defer)
        self._scribe.forget(message.id)
        with suppress(discord.NotFound):  # taken back already
            await interaction.delete_original_response()
        for part in ownership.parts:
            earlier = message_in(interaction.channel, part)
            if earlier is not None and await is_part(interaction, part, asker):
                self._scribe.forget(part)
                with suppress(discord.NotFound, discord.Forbidden):
                    await earlier.delete()
        return None

    # What ends an answer early

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        self._scribe.forget(payload.message_id)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        for message_id in payload.message_ids:
            self._scribe.forget(message_id)

    # Errors before an answer has begun

    async def cog_command_error(self, ctx: commands.Context[Any], error: Exception) -> None:
        await self._scribe.refuse(MessageScreen(ctx.message, self._crowding), error)

    async def cog_app_command_error(
        self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError
    ) -> None:
        await self._scribe.refuse(InteractionScreen(interaction), error)


def _is_from_person(message: discord.Message) -> bool:
    return not message.author.bot and message.webhook_id is None and message.type in TALK


def _without(mentions: Sequence[str], typed: str) -> str:
    """Take out mentions, and the blanks around them, in linear time."""
    pieces = re.split("|".join(map(re.escape, mentions)), typed) if mentions else [typed]
    return " ".join(piece.strip() for piece in pieces).strip()


def _names_in(message: discord.Message) -> Mapping[str, str]:
    names = {f"@{user.id}": user.display_name for user in message.mentions}
    names.update({f"@&{role.id}": role.name for role in message.role_mentions})
    names.update({f"#{channel.id}": channel.name for channel in message.channel_mentions})
    return names


def _read_flags(typed: str, request: PoemRequest) -> PoemRequest:
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
        request = replace(request, **{name.replace("-", "_"): taken})
        rest = rest[match.end() :]
    return replace(request, seed=rest)


async def _read_beginning(interaction: discord.Interaction[Any], recipe: Recipe) -> str | None:
    """Return the text of the reply's first message, None when it cannot be had."""
    if interaction.message is None:
        return None
    if not recipe.first:
        return interaction.message.content
    try:
        first = await read_own(interaction, recipe.first)
    except discord.Forbidden:
        return None
    return first.content if first is not None else None
