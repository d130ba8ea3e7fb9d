"""How to ask: !help and /help."""

from __future__ import annotations

import asyncio
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.poems import PoemService
from bot.discord_app.interactions import respond_privately
from bot.discord_app.poem_buttons import examples_view
from bot.discord_app.poem_formatting import help_text
from bot.discord_app.responders import AnyBot
from bot.discord_app.responses import AnsweringCog, answer


class Help(AnsweringCog, name="Help"):
    """Show how to ask for a poem."""

    def __init__(self, bot: AnyBot, service: PoemService, *, prefix: str) -> None:
        self._bot = bot
        self._service = service
        self._prefix = prefix

    @commands.command(name="help")
    async def help(self, ctx: commands.Context[Any], *, _: str = "") -> None:
        """Show how to ask for a poem."""
        if ctx.message.webhook_id is None:
            await answer(ctx, await self._text(), view=examples_view())

    @app_commands.command(name="help", description="How to use this bot")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def slash_help(self, interaction: discord.Interaction[Any]) -> None:
        await respond_privately(interaction, await self._text(), examples_view())

    async def _text(self) -> str:
        models = await asyncio.to_thread(self._service.models)
        name = self._bot.user.name if self._bot.user else "me"
        prefix = self._prefix if self._bot.intents.message_content else None
        ids = getattr(self._bot.tree, "ids", {})
        return help_text(name, prefix, [model.name for model in models], ids)
