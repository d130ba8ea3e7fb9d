"""What members want to know of the bot, and of what it knows of them."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.office import Office
from bot.discord_app import notices
from bot.discord_app.askers import Context, OfficeCog, answer, asker_of, refuse, take_time
from bot.discord_app.questions import PEOPLE_COG, Matter, question
from bot.discord_app.screens import asker_of_interaction, replace


class People(OfficeCog, name=PEOPLE_COG):
    """Privacy, and who answers here."""

    def __init__(self, office: Office) -> None:
        self._office = office

    @commands.hybrid_command(name="privacy", description="What is kept of you, and what is not")
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
    async def privacy(self, ctx: Context) -> None:
        await answer(ctx, notices.PRIVACY, private=True)

    @commands.hybrid_command(name="forgetme", description="Remove what is kept of you")
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
    async def forgetme(self, ctx: Context) -> None:
        view = question(ctx.author.id, "", ("Forget me", Matter.FORGET), ("No", Matter.KEEP))
        text = "Take your number off everything that is kept? Models stay; they are the server's."
        await answer(ctx, text, private=True, view=view)

    @commands.hybrid_command(name="about", description="Who answers here")
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
    async def about(self, ctx: Context) -> None:
        await take_time(ctx)
        shelf = await self._office.bookcase.shelf(asker_of(ctx))
        await answer(ctx, notices.about(self._office.household.about(), shelf.used))

    async def confirmed(
        self, interaction: discord.Interaction[Any], matter: Matter, about: str
    ) -> None:
        """Forget whoever pressed the button."""
        try:
            asker = asker_of_interaction(interaction)
            text = notices.forgotten(await self._office.household.forget(asker))
            await replace(interaction, text)
        except Exception as error:
            await refuse(interaction, error)
