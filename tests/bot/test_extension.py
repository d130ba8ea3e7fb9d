"""Sonneteer as an extension, with the model that ships."""

from __future__ import annotations

import discord
from discord.ext import commands


async def test_the_extension_comes_and_goes() -> None:
    async with commands.Bot("?", intents=discord.Intents.none()) as host:
        await host.load_extension("bot.extension")
        assert host.get_command("sonnet") is not None
        assert host.tree.get_command("sonnet") is not None
        await host.unload_extension("bot.extension")
        assert host.get_command("sonnet") is None
        assert host.tree.get_command("sonnet") is None
