"""Messages that show half a poem, and how those of an earlier start come to an end.

What is kept of them is written behind, that of many poems at once: no poem waits for the disk. A
bot that is killed within these milliseconds leaves a message that nobody knows of.
"""

from __future__ import annotations

import asyncio
import logging
import math

import discord

from bot.core.errors import BotError
from bot.core.store.poem_rows import HalfPoem, PoemRows
from bot.discord_app.replies import unfinished
from bot.discord_app.screens import NO_MENTIONS, AnyBot
from bot.discord_app.trying import FAILURES, Outage, insist, read

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class Halves:
    """Keeps which messages show half a poem; without `rows` nothing outlasts the process."""

    def __init__(
        self, bot: AnyBot, rows: PoemRows | None, retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self._bot = bot
        self._rows = rows
        self._retry_seconds = retry_seconds
        self._here: set[HalfPoem] = set()
        self._kept: set[HalfPoem] = set()
        self._left: list[HalfPoem] = []  # by an earlier start
        self._writing: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._outage = Outage()

    async def open(self) -> None:
        """Read what an earlier start has left, before anything new is begun."""
        if self._rows is None:
            return
        try:
            self._left = list(await self._rows.halves())
        except BotError as error:
            log.warning("half poems of an earlier start stay as they are: %s", error)
        self._here.update(self._left)
        self._kept.update(self._left)

    def resume(self) -> None:
        """Bring to an end what an earlier start has left; once, when Discord is there."""
        if self._left and self._ending is None:
            self._ending = asyncio.create_task(self._end_all(), name="half poems")

    def begin(self, half: HalfPoem) -> None:
        self._here.add(half)
        self._note_soon()

    def end(self, half: HalfPoem) -> None:
        self._here.discard(half)
        self._note_soon()

    async def close(self) -> None:
        """Stop; the next start goes on with what has no end yet."""
        tasks = [task for task in (self._ending, self._writing) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._write()

    def _note_soon(self) -> None:
        if self._rows is not None and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write_behind(), name="half poems are noted")

    async def _write_behind(self) -> None:
        while self._here != self._kept:
            await self._write()

    async def _write(self) -> None:
        here = set(self._here)
        if self._rows is None or here == self._kept:
            return
        try:
            await self._rows.keep(here - self._kept, self._kept - here)
        except BotError as error:
            # What is not on the disk is not tried again: it matters only if the bot is killed now.
            log.warning("it could not be noted where half poems stand: %s", error)
        self._kept = here

    async def _end_all(self) -> None:
        for half in self._left:
            try:
                await insist(
                    lambda: self._end(half),  # noqa: B023
                    attempts=math.inf,
                    pause_seconds=self._retry_seconds,
                    failed=self._outage.failed,
                )
            except FAILURES as error:
                # It is gone, or the bot may not write there any more.
                log.info("a half poem of an earlier start stays as it is: %r", error)
            self.end(half)

    async def _end(self, half: HalfPoem) -> None:
        """Say under a half poem that it is one, if it still is."""
        channel = self._bot.get_partial_messageable(half.channel, guild_id=half.guild)
        message = channel.get_partial_message(half.message)
        try:
            there = await read(message.fetch())
        except discord.Forbidden:  # its own messages a bot may edit where it may not read
            content = unfinished("")
        else:
            if len(there.components) and _has_ended(there):
                return
            content = unfinished(there.content)
        await read(message.edit(content=content, view=None, allowed_mentions=NO_MENTIONS))


def _has_ended(message: discord.Message) -> bool:
    """Whether the buttons of a whole poem stand under it: more than Delete."""
    rows = (row for row in message.components if isinstance(row, discord.ActionRow))
    return any(len(row.children) > 1 for row in rows)
