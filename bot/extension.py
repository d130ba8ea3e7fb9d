"""Sonneteer inside somebody else's bot: `await bot.load_extension("bot.extension")`.

Only the commands come along; mentions, direct messages, help and the sending of slash commands
to Discord stay the host's own affair.
"""

from __future__ import annotations

from discord.ext import commands

from bot.composition import compose_library, compose_service, require_default
from bot.config import load_config
from bot.discord_app.buttons import COG_NAME
from bot.discord_app.client import add_cogs, remove_cogs
from bot.discord_app.cogs.poems import Poems
from bot.discord_app.live import Tempo


async def setup(bot: commands.Bot) -> None:
    config = load_config()
    library = compose_library(config)
    require_default(config, library)
    service = compose_service(config, library)
    await service.warm_up()
    tempo = Tempo(edit_seconds=config.discord.edit_seconds)
    await add_cogs(bot, service, prefix=config.discord.prefix, talk=False, tempo=tempo)


async def teardown(bot: commands.Bot) -> None:
    poems = bot.get_cog(COG_NAME)
    await remove_cogs(bot)
    if isinstance(poems, Poems):
        await poems.service.close(grace_seconds=0)
