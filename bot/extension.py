"""Sonneteer inside somebody else's bot: `await bot.load_extension("bot.extension")`.

Only the commands come along; mentions, direct messages, help, the sending of slash commands and
the pace of requests to Discord stay the host's own affair.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from bot.composition import compose_library, open_parts, require_default
from bot.config import load_config
from bot.discord_app.client import add_cogs, remove_cogs
from bot.discord_app.live import Tempo
from bot.discord_app.screens import AnyBot

_open = AsyncExitStack()  # of the host's one bot in this process


async def setup(bot: AnyBot) -> None:
    config = load_config()
    library = compose_library(config)
    require_default(config, library)
    parts = await _open.enter_async_context(open_parts(config, library))
    await parts.service.warm_up()
    tempo = Tempo(edit_seconds=config.discord.edit_seconds)
    prefix = config.discord.prefix
    await add_cogs(bot, parts.service, parts.office, prefix=prefix, talk=False, tempo=tempo)


async def teardown(bot: AnyBot) -> None:
    await remove_cogs(bot)
    await _open.aclose()
