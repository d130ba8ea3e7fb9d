"""/together: a poem line by line, for one member or by vote for a channel."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.records import FORMS, PoemRequest
from bot.discord_app.asker import asker_of_interaction
from bot.discord_app.cogs.poems import Poems
from bot.discord_app.joint_buttons import COG_NAME, JointAction, JointButton, is_line_form
from bot.discord_app.joint_poems import JointPoems
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.poem_formatting import plain_words
from bot.discord_app.rate_limits import ReplyLimits
from bot.discord_app.responders import AnyBot
from bot.discord_app.responses import AnsweringCog, suggest_models

ME, CHANNEL = "me", "channel"


class Together(AnsweringCog, name=COG_NAME):
    """Write a poem line by line."""

    def __init__(
        self,
        bot: AnyBot,
        poems: Poems,
        *,
        timing: ReplyTiming | None = None,
        reply_limits: ReplyLimits | None = None,
    ) -> None:
        """`poems` has what both kinds of poems share: the pace of edits, and unfinished poems."""
        self._bot = bot
        self._service = poems.service
        self._timing = timing or ReplyTiming()
        limits = reply_limits or ReplyLimits(poems.service.metrics.unanswered_commands)
        self._is_new = limits.is_new
        self._joint_poems = JointPoems(
            poems.service, poems.unfinished, poems.pace, self._timing, poems.kept.has_channel
        )

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(JointButton)

    async def cog_unload(self) -> None:
        await self._joint_poems.close(self._timing.close_seconds)
        self._bot.remove_dynamic_items(JointButton)

    @app_commands.command(name="together", description="Write a poem line by line with me")
    @app_commands.describe(
        seed="Opening words. Leave empty to choose the first line, too",
        form="Form of the poem. Default: this server's form",
        partner="Who chooses the lines. Default: only you",
        model="Which model offers lines. Default: the one in use here",
    )
    @app_commands.rename(partner="with")
    @app_commands.choices(
        form=[
            app_commands.Choice(name=app_commands.locale_str(form), value=form) for form in FORMS
        ],
        partner=[
            app_commands.Choice(name=app_commands.locale_str("Only me"), value=ME),
            app_commands.Choice(
                name=app_commands.locale_str("This channel, by vote"), value=CHANNEL
            ),
        ],
    )
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def together(
        self,
        interaction: discord.Interaction[Any],
        seed: str = "",
        form: str | None = None,
        partner: str = ME,
        model: str | None = None,
    ) -> None:
        asker = asker_of_interaction(interaction)
        request = PoemRequest(asker, seed=plain_words(seed, {}), form=form, model=model)
        await self._joint_poems.begin(interaction, request, by_vote=partner == CHANNEL)

    @together.autocomplete("model")
    async def complete_model(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        seconds = self._timing.suggest_seconds
        return await suggest_models(self._service, interaction, typed, seconds)

    async def press(
        self, interaction: discord.Interaction[Any], action: JointAction, packed: str
    ) -> None:
        """Do what a button says; see `JointButton`."""
        if self._is_new(interaction.id):
            await self._joint_poems.press(interaction, action, packed)

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Take a line that a member wrote in the form."""
        if is_line_form(interaction) and self._is_new(interaction.id):
            await self._joint_poems.submit(interaction)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        self._joint_poems.forget(payload.message_id)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        for message_id in payload.message_ids:
            self._joint_poems.forget(message_id)
