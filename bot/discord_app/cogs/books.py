"""Books and trainings: /book and /train, the same with the prefix and with a mention."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.core import request_log
from bot.core.application import App
from bot.core.errors import BotError, NothingThere
from bot.core.jobs import Job, TrainingLength, read_length
from bot.core.languages import say, sentence, speaking
from bot.core.records import Asker
from bot.core.training_requests import AttachedFile
from bot.discord_app.asker import Context, asker_of_context, asker_of_interaction
from bot.discord_app.book_form import (
    LENGTHS,
    SHARED,
    BookEntry,
    again_view,
    book_form,
    format_entry,
    is_book_form,
    read_book_form,
    read_entry,
)
from bot.discord_app.confirm_buttons import BOOKS_COG, ConfirmAction, confirm_view
from bot.discord_app.departures import Departures
from bot.discord_app.formatting import (
    format_books,
    format_model,
    format_proposal,
    format_queue,
    format_short_book_question,
)
from bot.discord_app.interactions import (
    NO_MENTIONS,
    acknowledge,
    announce,
    edit_message,
    open_form,
    replace_message,
    respond_privately,
)
from bot.discord_app.languages import server_language, speak_to
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.panels import CHART_NAME, as_edit
from bot.discord_app.rate_limits import ReplyLimits
from bot.discord_app.reports import model_report, training_report
from bot.discord_app.responders import AnyBot, read_attachment
from bot.discord_app.responses import (
    CommandCog,
    acknowledge_command,
    answer,
    answer_with_panel,
    check_in_server,
    model_choices,
    no_choices,
    refuse,
)
from bot.discord_app.retries import FAILURES, await_response, retry
from bot.discord_app.training_message import TrainingMessages

log = logging.getLogger(__name__)

USAGE = (
    "`{p}book add NAME` with an attached file · `{p}book add URL NAME` · "
    "`{p}book add GUTENBERG_NUMBER NAME` · `{p}book list` · `{p}book info NAME` · "
    "`{p}book use NAME` · `{p}book undo` · `{p}book remove NAME` · "
    "`{p}book share NAME` · `{p}train status` · `{p}train cancel`"
)


class Books(CommandCog, name=BOOKS_COG):
    """Train on new books, watch, switch, undo."""

    def __init__(
        self,
        bot: AnyBot,
        app: App,
        timing: ReplyTiming | None = None,
        reply_limits: ReplyLimits | None = None,
    ) -> None:
        self._bot = bot
        limits = reply_limits or ReplyLimits(app.service.metrics.unanswered_commands)
        self._is_new = limits.is_new
        self._app = app
        timing = timing or ReplyTiming()
        self._suggest_seconds = timing.suggest_seconds
        self._messages = TrainingMessages(bot, app, timing, training_report)
        self._departures = Departures(bot, app.training_requests, timing.retry_seconds)

    async def cog_load(self) -> None:
        if self._bot.is_ready():  # loaded into a bot that runs already
            await self._messages.resume()

    async def cog_unload(self) -> None:
        await self._departures.close()
        await self._messages.close()

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        self._departures.catch_up()
        await self._messages.resume()

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        self._departures.leave(str(guild.id))

    # Books

    @commands.hybrid_group(
        name="book", case_insensitive=True, description="Manage the books that poems come from"
    )
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.guild_only()
    async def book(self, ctx: Context) -> None:
        await answer(ctx, USAGE.format(p=ctx.clean_prefix), private=True)

    @book.command(name="add", ignore_extra=False, description="Train on a new book")
    @app_commands.describe(
        file="A plain-text file",
        source="The https:// address of a text file, or a Project Gutenberg number",
        name="Name of the model. Default: the title of the book",
        shared="Make it available to all servers (bot owners only)",
        training="How long it may learn. Default: long",
    )
    @app_commands.choices(
        training=[
            app_commands.Choice(name=app_commands.locale_str(label), value=length.value)
            for length, (label, _) in LENGTHS.items()
        ]
    )
    async def add(
        self,
        ctx: Context,
        file: discord.Attachment | None = None,
        source: str = "",
        name: str = "",
        shared: bool = False,
        training: str = TrainingLength.LONG.value,
    ) -> None:
        """Train on a book; where none is named, a slash command asks for it with a form."""
        self._app.guilds.managed_by(asker_of_context(ctx), shared=shared)
        if file is not None and source and not name and ctx.interaction is None:
            source, name = "", source  # with the prefix the first word is the name then
        attached = None if file is None else AttachedFile(file.filename, file.size, file.read)
        entry = BookEntry(source, name, read_length(training), shared, attached)
        if ctx.interaction is not None and not source and attached is None:
            await open_form(ctx.interaction, book_form(entry))
            return
        entry.check()
        await acknowledge_command(ctx)
        text, view = await self._propose(asker_of_context(ctx), ctx.author.id, entry)
        await answer(ctx, text, view=view)

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Take the book that somebody filled in; discord.py reports no errors of a listener."""
        if not is_book_form(interaction) or not self._is_new(interaction.id):
            return
        request_log.begin()
        speak_to(self._bot, interaction)
        entry = BookEntry()
        try:
            entry = read_book_form(interaction)
            asker = asker_of_interaction(interaction)
            self._app.guilds.managed_by(asker, shared=entry.shared)
            entry.check()
            await acknowledge(interaction)
            text, view = await self._propose(asker, interaction.user.id, entry)
            edit = interaction.edit_original_response
            changes: dict[str, Any] = {"content": text, "view": view}
            await retry(lambda: await_response(edit(**changes, allowed_mentions=NO_MENTIONS)))
        except Exception as error:
            view = again_view(interaction.user.id, entry)
            await refuse(interaction, error, typed=format_entry(entry), view=view)

    async def _propose(
        self, asker: Asker, user_id: int, entry: BookEntry
    ) -> tuple[str, discord.ui.View]:
        """Fetch a book; return what was found in it, and the buttons that ask whether to train."""
        found = await self._app.training_requests.propose(
            asker,
            entry.file or entry.source,
            name=entry.name,
            shared=entry.shared,
            length=entry.length,
        )
        yes = (say("Train"), ConfirmAction.SURE if not found.is_short else ConfirmAction.TRAIN)
        view = confirm_view(user_id, str(found.job.id), yes, (say("No"), ConfirmAction.DECLINE))
        return format_proposal(found), view

    @book.command(
        name="list", ignore_extra=False, description="List the books available in this server"
    )
    async def list_books(self, ctx: Context) -> None:
        await acknowledge_command(ctx)
        await answer(
            ctx, format_books(await self._app.guild_models.available(asker_of_context(ctx)))
        )

    @book.command(
        name="info", ignore_extra=False, description="Show details of a model and its book"
    )
    @app_commands.describe(name="Name of the model")
    async def info(self, ctx: Context, name: str) -> None:
        await acknowledge_command(ctx)
        model, kept = await self._app.guild_models.info(asker_of_context(ctx), name)
        chart = await asyncio.to_thread(read_attachment, model.chart, CHART_NAME)
        await answer_with_panel(ctx, model_report(model, kept, has_chart=chart is not None), chart)

    @book.command(
        name="use", ignore_extra=False, description="Use this book for poems in this server"
    )
    @app_commands.describe(
        name="Name of the model", channel="A channel or category. Default: the whole server"
    )
    async def use(
        self, ctx: Context, name: str, channel: discord.abc.GuildChannel | None = None
    ) -> None:
        self._app.guilds.managed_by(asker_of_context(ctx))
        await acknowledge_command(ctx)
        place = str(channel.id) if channel else ""
        model = await self._app.guild_models.use(asker_of_context(ctx), name, place)
        shown = discord.utils.escape_markdown(model.name)
        if channel:
            text = say(
                "Poems in {channel} now come from {name}. Use /book undo to go back.",
                channel=channel.mention,
                name=shown,
            )
            await answer(ctx, text)
            return
        await answer(ctx, _used(model.name))

    @book.command(name="undo", ignore_extra=False, description="Go back to the previous book")
    @app_commands.describe(channel="A channel or category with a model of its own")
    async def undo(self, ctx: Context, channel: discord.abc.GuildChannel | None = None) -> None:
        guild = self._app.guilds.managed_by(asker_of_context(ctx))
        await acknowledge_command(ctx)
        if channel:
            await self._app.guilds.choose_in(guild, str(channel.id), None)
            await answer(
                ctx, say("{channel} uses the server's model again.", channel=channel.mention)
            )
            return
        gone, serves = await self._app.guild_models.undo(asker_of_context(ctx))
        await answer(ctx, _undone(serves.name, gone))

    @book.command(name="remove", ignore_extra=False, description="Delete a book's model")
    @app_commands.describe(name="Name of the model")
    async def remove(self, ctx: Context, name: str) -> None:
        asker = asker_of_context(ctx)
        await acknowledge_command(ctx, private=True)
        name = await self._app.guild_models.removable(asker, name)
        view = confirm_view(
            ctx.author.id,
            name,
            (say("Delete it"), ConfirmAction.REMOVE),
            (say("Keep it"), ConfirmAction.KEEP),
        )
        shown = discord.utils.escape_markdown(name)
        text = say("Delete the model {name}? This cannot be undone.", name=shown)
        await answer(ctx, text, private=True, view=view)

    @book.command(name="share", ignore_extra=False, description="Download the model file")
    @app_commands.describe(name="Name of the model")
    async def share(self, ctx: Context, name: str) -> None:
        model = await self._app.guild_models.share(asker_of_context(ctx), name)
        limit = (
            ctx.guild.filesize_limit if ctx.guild else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES
        )
        if model.size_bytes > limit:
            raise NothingThere(
                sentence(
                    "The model file is too large for Discord: {size:,} bytes, and the limit here "
                    "is {limit:,}. Ask the bot's admin for the file.",
                    size=model.size_bytes,
                    limit=limit,
                )
            )
        await acknowledge_command(ctx)
        file = await asyncio.to_thread(read_attachment, model.path, f"{model.name}.safetensors")
        await answer(ctx, format_model(model, None), file=file)

    @info.autocomplete("name")
    @use.autocomplete("name")
    @remove.autocomplete("name")
    @share.autocomplete("name")
    async def suggest(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        try:
            asker = asker_of_interaction(interaction)
            async with asyncio.timeout(self._suggest_seconds):
                available = await self._app.guild_models.available(asker)
        except Exception as error:
            return no_choices(error)
        return model_choices(available.models, typed)

    # Trainings

    @commands.hybrid_group(
        name="train", case_insensitive=True, description="Show or cancel trainings"
    )
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.guild_only()
    async def train(self, ctx: Context) -> None:
        await answer(ctx, USAGE.format(p=ctx.clean_prefix), private=True)

    @train.command(
        name="status", ignore_extra=False, description="Show running and waiting trainings"
    )
    async def status(self, ctx: Context) -> None:
        training_requests = self._app.training_requests
        await answer(
            ctx,
            format_queue(training_requests.jobs(asker_of_context(ctx)), training_requests.limits),
        )

    @train.command(
        name="cancel", ignore_extra=False, description="Cancel a training of this server"
    )
    @app_commands.describe(number="Number shown by /train status. Default: the first one")
    async def cancel(self, ctx: Context, number: int | None = None) -> None:
        job = self._app.training_requests.cancellable(asker_of_context(ctx), number)
        await answer(ctx, _stop_question(job), private=True, view=_stop_view(ctx.author.id, job))

    # Buttons

    async def press(
        self, interaction: discord.Interaction[Any], action: ConfirmAction, subject: str
    ) -> None:
        """Do what a button of a question says; see `ConfirmButton`."""
        asker, training_requests = asker_of_interaction(interaction), self._app.training_requests
        number = int(subject) if subject.isdecimal() and len(subject) < 19 else 0
        match action:
            case ConfirmAction.FORM:
                typed = interaction.message.content if interaction.message is not None else ""
                form = book_form(read_entry(typed, shared=subject == SHARED))
                await open_form(interaction, form)
            case ConfirmAction.USE:
                model = await self._app.guild_models.use(asker, subject)
                await announce(interaction, _used(model.name))
            case ConfirmAction.UNDO:
                gone, serves = await self._app.guild_models.undo(asker, subject)
                await announce(interaction, _undone(serves.name, gone))
            case ConfirmAction.TRAIN:
                job = await training_requests.proposed(asker, number)
                yes, no = (
                    (say("Yes, train on it"), ConfirmAction.SURE),
                    (say("No"), ConfirmAction.DECLINE),
                )
                view = confirm_view(interaction.user.id, subject, yes, no)
                await replace_message(interaction, format_short_book_question(job.characters), view)
            case ConfirmAction.SURE:
                await self._begin(interaction, number)
            case ConfirmAction.DECLINE:
                await training_requests.decline(asker, number)
                await replace_message(interaction, say("The book was discarded."))
            case ConfirmAction.CANCEL:
                job = training_requests.cancellable(asker, number)
                await interaction.response.send_message(
                    _stop_question(job),
                    ephemeral=True,
                    view=_stop_view(interaction.user.id, job),
                    allowed_mentions=NO_MENTIONS,
                )
            case ConfirmAction.STOP:
                await training_requests.cancel(asker, number)
                await replace_message(interaction, say("The training is stopping."))
            case ConfirmAction.REMOVE:
                name = await self._app.guild_models.remove(asker, subject)
                shown = discord.utils.escape_markdown(name)
                await replace_message(interaction, say("The model {name} was deleted.", name=shown))
            case _:
                await replace_message(interaction, say("Nothing was changed."))

    async def _begin(self, interaction: discord.Interaction[Any], job_id: int) -> None:
        """Put a book into the queue; its message shows the training from now on."""
        asker, training_requests = asker_of_interaction(interaction), self._app.training_requests
        view = await training_requests.accept(asker, job_id)
        message, channel = interaction.message, interaction.channel
        if message is None or not isinstance(channel, discord.abc.Messageable):
            return await respond_privately(
                interaction, say("The training has started. See /train status.")
            )
        try:
            await training_requests.queue.place(job_id, str(message.channel.id), str(message.id))
            with speaking(server_language(self._bot, interaction.guild_id)):
                report = training_report(view, has_chart=False)
            await edit_message(interaction, as_edit(report))
        except (*FAILURES, BotError) as error:  # its next update makes up for that
            log.warning("job %d: its message could not be changed: %r", job_id, error)
        partial = discord.PartialMessage(channel=message.channel, id=message.id)
        self._messages.follow(view.job, message.channel, partial)
        return None

    def cog_check(self, ctx: Context) -> bool:
        return check_in_server(ctx)


def _used(name: str) -> str:
    return say(
        "Poems in this server now come from {name}. Use /book undo to go back.",
        name=_escape(name),
    )


def _undone(serves: str, gone: str) -> str:
    return say(
        "Poems come from {name} again instead of {other}.",
        name=_escape(serves),
        other=_escape(gone),
    )


def _escape(name: str) -> str:
    return discord.utils.escape_markdown(name)


def _stop_question(job: Job) -> str:
    shown = discord.utils.escape_markdown(job.name)
    return say("Stop the training of {name}? Its progress will be lost.", name=shown)


def _stop_view(asker: int, job: Job) -> discord.ui.View:
    return confirm_view(
        asker,
        str(job.id),
        (say("Stop it"), ConfirmAction.STOP),
        (say("Keep training"), ConfirmAction.KEEP),
    )
