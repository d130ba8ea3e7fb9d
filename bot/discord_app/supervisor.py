"""Keeps a client connected: starts it, starts another after a loss, and closes it.

The service outlives every client, so that no model is loaded twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import discord

from bot.core.errors import BotError
from bot.discord_app.client import SonneteerBot
from bot.discord_app.error_messages import brief_error
from bot.discord_app.gateway import LOST, Gateway

log = logging.getLogger(__name__)

MAX_PAUSE_SECONDS = 300.0
INTENT_REFUSED = (
    "Discord refuses the message-content intent, so the prefix does not work. Slash commands, "
    "mentions and direct messages still do. To turn it on: Discord Developer Portal, your "
    "application, Bot, Message Content Intent; then restart. To silence this warning, set "
    "message_content = false in config.toml."
)
FINAL_CODES = {
    4004: "Discord rejected the bot's token",
    4010: "Discord rejected the shard number; check --shards",
    4011: "Discord requires more shards: the bot is in too many servers for one connection",
    4012: "Discord no longer supports this gateway version; update Sonneteer",
    4013: "Discord does not support the intents that the bot asks for; update Sonneteer",
}
REFUSED_BY_DISCORD = (
    "Discord does not accept the bot's token. Copy it again from the Discord Developer Portal "
    "(your application, Bot, Reset Token) into DISCORD_TOKEN."
)


class DiscordRefused(BotError):
    """Discord has refused the bot; trying again would not help."""


class ClientSupervisor:
    """Keeps a client running; `make_bot(message_content, gateway)` makes a fresh one each time."""

    def __init__(
        self,
        make_bot: Callable[[bool, Gateway], SonneteerBot],
        gateway: Gateway,
        *,
        message_content: bool = True,
        pause_seconds: float = 2.0,
    ) -> None:
        self._make_bot = make_bot
        self.gateway = gateway
        self._message_content = message_content
        self._pause_seconds = pause_seconds
        self._bot: SonneteerBot | None = None
        self._closed = asyncio.Event()

    async def run(self, token: str) -> None:
        """Be on Discord until `close`; raise DiscordRefused."""
        pause = self._pause_seconds
        while not self._closed.is_set():
            bot = self._bot = self._make_bot(self._message_content, self.gateway)
            was_connected = False
            try:
                async with bot:
                    await bot.start(token)
            except discord.PrivilegedIntentsRequired:
                if not self._message_content:
                    raise DiscordRefused(f"{FINAL_CODES[4013]}.") from None
                log.warning(INTENT_REFUSED)
                self._message_content = False
                continue
            except discord.LoginFailure:
                raise DiscordRefused(REFUSED_BY_DISCORD) from None
            except discord.ConnectionClosed as error:
                if error.code in FINAL_CODES:
                    raise DiscordRefused(f"{FINAL_CODES[error.code]}.") from None
                log.warning("the gateway closed with %s", error.code)
            except Exception as error:
                if self._closed.is_set():
                    return
                if isinstance(error, LOST):
                    log.warning(
                        "Discord cannot be reached; trying again in %.0f s: %s",
                        pause,
                        brief_error(error),
                    )
                else:
                    log.exception("the connection to Discord ended; trying again in %.0f s", pause)
            finally:
                was_connected = bot.was_connected
            pause = self._pause_seconds if was_connected else min(2 * pause, MAX_PAUSE_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._closed.wait()

    async def close(self) -> None:
        """Let the last edits arrive and leave the gateway."""
        self._closed.set()
        if self._bot is not None:
            await self._bot.close()
