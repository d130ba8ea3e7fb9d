"""Facts about the bot, what it stores about members, and how they delete that."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.application import App
from bot.core.languages import say
from bot.discord_app.asker import Context, asker_of_context, asker_of_interaction
from bot.discord_app.confirm_buttons import PRIVACY_COG, ConfirmAction, confirm_view
from bot.discord_app.formatting import format_about, format_forgotten, format_privacy
from bot.discord_app.interactions import replace_message
from bot.discord_app.responses import CommandCog, acknowledge_command, answer


class Privacy(CommandCog, name=PRIVACY_COG):
    """Privacy, and who answers here."""

    def __init__(self, app: App) -> None:
        self._app = app

    @commands.hybrid_command(name="privacy", description="What I store about you")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def privacy(self, ctx: Context) -> None:
        await answer(ctx, format_privacy(self._app.operator), private=True)

    @commands.hybrid_command(name="forgetme", description="Delete what I store about you")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def forgetme(self, ctx: Context) -> None:
        view = confirm_view(
            ctx.author.id,
            "",
            (say("Forget me"), ConfirmAction.FORGET),
            (say("No"), ConfirmAction.KEEP),
        )
        text = say(
            "Remove your user ID from everything I store? Models stay; they belong to the server."
        )
        await answer(ctx, text, private=True, view=view)

    @commands.hybrid_command(name="about", description="About this bot")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def about(self, ctx: Context) -> None:
        await acknowledge_command(ctx)
        available = await self._app.guild_models.available(asker_of_context(ctx))
        await answer(ctx, format_about(self._app.about(), available.used))

    async def press(
        self, interaction: discord.Interaction[Any], action: ConfirmAction, subject: str
    ) -> None:
        """Forget the member who pressed the button; see `ConfirmButton`."""
        member = asker_of_interaction(interaction).member
        await replace_message(interaction, format_forgotten(await self._app.books.forget(member)))
