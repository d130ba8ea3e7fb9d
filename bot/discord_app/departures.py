"""Servers that the bot has left: their trainings end, also after a time of a locked database."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import discord

from bot.core.retry import growing_pause, until_kept
from bot.core.tasks import cancel_tasks
from bot.core.training_requests import TrainingRequests
from bot.discord_app.responders import AnyBot
from bot.discord_app.retries import FAILURES

log = logging.getLogger(__name__)

# Discord's codes for an unknown guild and for missing access. A status alone is not enough: a proxy
# between the bot and Discord answers with 403, too.
GONE = (10004, 50001)


class Departures:
    """Ends the trainings of servers that the bot has left."""

    def __init__(
        self, bot: AnyBot, training_requests: TrainingRequests, retry_seconds: float
    ) -> None:
        self._bot = bot
        self._training_requests = training_requests
        self._retry_seconds = retry_seconds
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by guild, "" for the look at all

    def leave(self, guild: str) -> None:
        """End a guild's trainings, now or when the database can be written again."""
        if guild not in self._tasks:
            self._begin(guild, asyncio.create_task(self._leave(guild), name=f"leaving {guild}"))

    def catch_up(self) -> None:
        """End what an earlier run left undone, and what happened while no bot ran."""
        if "" not in self._tasks:
            self._begin("", asyncio.create_task(self._catch_up(), name="servers that are gone"))

    async def close(self) -> None:
        """Stop; the next start goes on."""
        await cancel_tasks(self._tasks.values())

    def _begin(self, key: str, task: asyncio.Task[None]) -> None:
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._tasks.pop(key, None))

    async def _leave(self, guild: str) -> None:
        try:
            await until_kept(
                partial(self._training_requests.leave, guild),
                failed=partial(self._warn, guild),
                pause=growing_pause(self._retry_seconds),
            )
        except Exception:
            log.exception("the trainings of server %s were not ended", guild)

    async def _catch_up(self) -> None:
        try:
            guilds = await until_kept(
                self._training_requests.guilds,
                failed=log.debug,
                pause=growing_pause(self._retry_seconds),
            )
            for guild in guilds:
                if await self._is_deleted(guild):
                    self.leave(guild)
        except Exception:
            log.exception("the servers that are gone could not be listed")

    async def _is_deleted(self, guild: str) -> bool:
        """Whether Discord says that the bot is not in a server; its list of servers may be late."""
        if not guild.isdecimal() or self._bot.get_guild(int(guild)) is not None:
            return False
        try:
            await self._bot.fetch_guild(int(guild), with_counts=False)
        except FAILURES as error:
            if isinstance(error, discord.HTTPException) and error.code in GONE:
                return True
            log.debug("server %s: cannot tell whether it is gone: %r", guild, error)
        return False

    def _warn(self, guild: str, error: Exception) -> None:
        log.warning(
            "server %s: its trainings could not be ended yet; this is retried until it works, also "
            "after a restart. %s",
            *(guild, error),
        )
