"""Books and trainings: /book and /train, the same with the prefix and with a mention."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.desk import Attached
from bot.core.errors import BadSetting, BotError, NothingThere
from bot.core.jobs import Job
from bot.core.office import Office
from bot.discord_app import notices
from bot.discord_app.askers import (
    Context,
    OfficeCog,
    answer,
    asker_of,
    on_a_server,
    refuse,
    take_time,
)
from bot.discord_app.bulletin import CHART_NAME, Bulletin
from bot.discord_app.departures import Departures
from bot.discord_app.live import Tempo
from bot.discord_app.questions import ANYBODY, BOOKS_COG, Matter, question
from bot.discord_app.screens import (
    NO_MENTIONS,
    AnyBot,
    asker_of_interaction,
    read_attachment,
    replace,
    whisper,
)
from bot.discord_app.suggestions import model_choices, nothing_to_offer
from bot.discord_app.trying import FAILURES

log = logging.getLogger(__name__)

USAGE = (
    "`{p}book add NAME` with a file attached · `{p}book add ADDRESS` or a Project Gutenberg "
    "number, and a name after it · `{p}book list` · "
    "`{p}book info NAME` · `{p}book use NAME` · `{p}book undo` · `{p}book remove NAME` · "
    "`{p}book share NAME` · `{p}train status` · `{p}train cancel`"
)


class Books(OfficeCog, name=BOOKS_COG):
    """Train on new books, watch, switch, undo."""

    def __init__(self, bot: AnyBot, office: Office, tempo: Tempo | None = None) -> None:
        self._bot = bot
        self._office = office
        tempo = tempo or Tempo()
        self._suggest_seconds = tempo.suggest_seconds
        self._bulletin = Bulletin(bot, office.desk, tempo, _running_view)
        self._departures = Departures(bot, office.desk, tempo.retry_seconds)

    async def cog_load(self) -> None:
        if self._bot.is_ready():  # loaded into a bot that runs already
            await self._bulletin.resume()

    async def cog_unload(self) -> None:
        await self._departures.close()
        await self._bulletin.close()

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        self._departures.catch_up()
        await self._bulletin.resume()

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        self._departures.leave(str(guild.id))

    # Books

    @commands.hybrid_group(
        name="book", case_insensitive=True, description="Books that poems can come from"
    )
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.guild_only()
    async def book(self, ctx: Context) -> None:
        await answer(ctx, USAGE.format(p=ctx.clean_prefix), private=True)

    @book.command(name="add", ignore_extra=False, description="Train on a new book")
    @app_commands.describe(
        file="a plain-text file",
        source="or the https:// address of one, or a Project Gutenberg number",
        name="what to call the model; by its title, if you do not say",
        shared="for all servers; only the bot's owners can do that",
    )
    async def add(
        self,
        ctx: Context,
        file: discord.Attachment | None = None,
        source: str = "",
        name: str = "",
        shared: bool = False,
    ) -> None:
        asker = asker_of(ctx)
        self._office.desk.check(asker, shared=shared)
        if file is not None and source and not name:
            source, name = "", source  # with the prefix the first word is the name then
        if (file is None) == (not source):
            raise BadSetting("source", source, "one file, one address or one number")
        taken: str | Attached = source
        if file is not None:
            taken = Attached(file.filename, file.size, file.read)
        await take_time(ctx)
        found = await self._office.desk.propose(asker, taken, name=name, shared=shared)
        yes = ("Train", Matter.SURE if not found.is_short else Matter.TRAIN)
        view = question(ctx.author.id, str(found.job.id), yes, ("No", Matter.DECLINE))
        await answer(ctx, notices.proposal(found), view=view)

    @book.command(name="list", ignore_extra=False, description="The books here")
    async def list_books(self, ctx: Context) -> None:
        await take_time(ctx)
        await answer(ctx, notices.shelf(await self._office.bookcase.shelf(asker_of(ctx))))

    @book.command(name="info", ignore_extra=False, description="What is known of a book")
    @app_commands.describe(name="of the model")
    async def info(self, ctx: Context, name: str) -> None:
        await take_time(ctx)
        model, kept = await self._office.bookcase.info(asker_of(ctx), name)
        chart = await asyncio.to_thread(read_attachment, model.chart, CHART_NAME)
        await answer(ctx, notices.info(model, kept), file=chart)

    @book.command(
        name="use", ignore_extra=False, description="Let poems come from this book from now on"
    )
    @app_commands.describe(name="of the model")
    async def use(self, ctx: Context, name: str) -> None:
        self._office.desk.check(asker_of(ctx))
        await take_time(ctx)
        model = await self._office.bookcase.use(asker_of(ctx), name)
        shown = discord.utils.escape_markdown(model.name)
        await answer(ctx, f"From now on poems come from {shown}. /book undo goes back.")

    @book.command(name="undo", ignore_extra=False, description="Go back to the book before")
    async def undo(self, ctx: Context) -> None:
        self._office.desk.check(asker_of(ctx))
        await take_time(ctx)
        gone, serves = await self._office.bookcase.undo(asker_of(ctx))
        shown = [discord.utils.escape_markdown(name) for name in (gone, serves.name)]
        await answer(ctx, f"Poems come from {shown[1]} again, and no more from {shown[0]}.")

    @book.command(name="remove", ignore_extra=False, description="Delete a book's model")
    @app_commands.describe(name="of the model")
    async def remove(self, ctx: Context, name: str) -> None:
        asker = asker_of(ctx)
        await take_time(ctx, private=True)
        name = await self._office.bookcase.removable(asker, name)
        view = question(ctx.author.id, name, ("Delete it", Matter.REMOVE), ("Keep it", Matter.KEEP))
        shown = discord.utils.escape_markdown(name)
        await answer(ctx, f"Delete the model {shown} for good?", private=True, view=view)

    @book.command(name="share", ignore_extra=False, description="Hand out the model file")
    @app_commands.describe(name="of the model")
    async def share(self, ctx: Context, name: str) -> None:
        model = await self._office.bookcase.share(asker_of(ctx), name)
        limit = (
            ctx.guild.filesize_limit if ctx.guild else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES
        )
        if model.size_bytes > limit:
            raise NothingThere(
                f"The model has {model.size_bytes:,} bytes, and Discord takes {limit:,} here. "
                "Whoever runs me can send the file."
            )
        await take_time(ctx)
        file = await asyncio.to_thread(read_attachment, model.path, f"{model.name}.safetensors")
        await answer(ctx, notices.info(model, None), file=file)

    @info.autocomplete("name")
    @use.autocomplete("name")
    @remove.autocomplete("name")
    @share.autocomplete("name")
    async def suggest(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        try:
            async with asyncio.timeout(self._suggest_seconds):
                shelf = await self._office.bookcase.shelf(asker_of_interaction(interaction))
        except Exception as error:
            return nothing_to_offer(error)
        return model_choices(shelf.models, typed)

    # Trainings

    @commands.hybrid_group(name="train", case_insensitive=True, description="Trainings under way")
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.guild_only()
    async def train(self, ctx: Context) -> None:
        await answer(ctx, USAGE.format(p=ctx.clean_prefix), private=True)

    @train.command(
        name="status", ignore_extra=False, description="What is being trained, and what waits"
    )
    async def status(self, ctx: Context) -> None:
        desk = self._office.desk
        await answer(ctx, notices.queue(desk.jobs(asker_of(ctx)), desk.limits))

    @train.command(name="cancel", ignore_extra=False, description="Stop this server's training")
    @app_commands.describe(number="which one, as /train status shows it; the first, if you do not")
    async def cancel(self, ctx: Context, number: int | None = None) -> None:
        job = self._office.desk.cancellable(asker_of(ctx), number)
        await answer(ctx, _stop_question(job), private=True, view=_stop_view(ctx.author.id, job))

    # Buttons

    async def confirmed(
        self, interaction: discord.Interaction[Any], matter: Matter, about: str
    ) -> None:
        """Do what a button of a question says."""
        try:
            await self._do(interaction, matter, about)
        except Exception as error:
            await refuse(interaction, error)

    async def _do(self, interaction: discord.Interaction[Any], matter: Matter, about: str) -> None:
        asker, desk = asker_of_interaction(interaction), self._office.desk
        number = int(about) if about.isdecimal() and len(about) < 19 else 0
        match matter:
            case Matter.TRAIN:
                job = await desk.proposed(asker, number)
                yes, no = ("Yes, train on it", Matter.SURE), ("No", Matter.DECLINE)
                view = question(interaction.user.id, about, yes, no)
                await replace(interaction, notices.second_question(job.characters), view)
            case Matter.SURE:
                await self._begin(interaction, number)
            case Matter.DECLINE:
                await desk.decline(asker, number)
                await replace(interaction, "Very well, the book is thrown away.")
            case Matter.CANCEL:
                job = desk.cancellable(asker, number)
                await interaction.response.send_message(
                    _stop_question(job),
                    ephemeral=True,
                    view=_stop_view(interaction.user.id, job),
                    allowed_mentions=NO_MENTIONS,
                )
            case Matter.STOP:
                await desk.cancel(asker, number)
                await replace(interaction, "The training is being stopped.")
            case Matter.REMOVE:
                name = await self._office.bookcase.remove(asker, about)
                shown = discord.utils.escape_markdown(name)
                await replace(interaction, f"The model {shown} is deleted.")
            case _:
                await replace(interaction, "Nothing was changed.")

    async def _begin(self, interaction: discord.Interaction[Any], job_id: int) -> None:
        """Put a book into the queue; its message tells of it from now on."""
        asker, desk = asker_of_interaction(interaction), self._office.desk
        view = await desk.accept(asker, job_id)
        message, channel = interaction.message, interaction.channel
        if message is None or not isinstance(channel, discord.abc.Messageable):
            return await whisper(interaction, "The training begins; /train status shows it.")
        try:
            await desk.place(job_id, str(message.channel.id), str(message.id))
            await replace(interaction, notices.job(view), _running_view(view.job))
        except (*FAILURES, BotError) as error:  # who follows it makes up for that
            log.warning("job %d: its message could not be changed: %r", job_id, error)
        partial = discord.PartialMessage(channel=message.channel, id=message.id)
        self._bulletin.follow(view.job, message.channel, partial)
        return None

    def cog_check(self, ctx: Context) -> bool:
        return on_a_server(ctx)


def _running_view(job: Job) -> discord.ui.View:
    return question(ANYBODY, str(job.id), ("Cancel", Matter.CANCEL))


def _stop_question(job: Job) -> str:
    return f"Stop the training of {discord.utils.escape_markdown(job.name)}? Nothing of it is kept."


def _stop_view(asker: int, job: Job) -> discord.ui.View:
    return question(asker, str(job.id), ("Stop it", Matter.STOP), ("Go on", Matter.KEEP))
