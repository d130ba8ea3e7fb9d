"""Sonneteer inside somebody else's bot: `await bot.load_extension("bot.extension")`.

It adds only the commands. Mentions, direct messages, help, the sending of slash commands and the
pace of requests to Discord are left to the host.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from bot.app import make_library, open_app, require_default
from bot.config import load_config
from bot.discord_app.client import add_cogs, remove_cogs
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.responders import AnyBot

_open = AsyncExitStack()  # one bot in this process


async def setup(bot: AnyBot) -> None:
    config = load_config()
    library = make_library(config)
    require_default(config, library)
    app = await _open.enter_async_context(open_app(config, library))
    await app.service.warm_up()
    timing = ReplyTiming(edit_seconds=config.discord.edit_seconds)
    prefix = config.discord.prefix
    await add_cogs(bot, app, prefix=prefix, talk=False, timing=timing)


async def teardown(bot: AnyBot) -> None:
    await remove_cogs(bot)
    await _open.aclose()
