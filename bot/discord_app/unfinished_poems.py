"""Messages that show half a poem, and how those of an earlier run are ended.

They are stored in the background, many at once: no poem waits for the disk. A bot that is killed
within these milliseconds leaves a message that stays as it is.
"""

from __future__ import annotations

import asyncio
import logging
import math

import discord

from bot.core.errors import BotError
from bot.core.languages import speak
from bot.core.store.poems import HalfPoem, PoemStore
from bot.core.tasks import cancel_tasks
from bot.discord_app.interactions import NO_MENTIONS
from bot.discord_app.joint_formatting import format_interrupted
from bot.discord_app.joint_poem import PREFIX
from bot.discord_app.languages import server_language
from bot.discord_app.poem_formatting import format_unfinished
from bot.discord_app.responders import AnyBot
from bot.discord_app.retries import FAILURES, Outage, await_response, retry

log = logging.getLogger(__name__)


class UnfinishedPoems:
    """Keeps which messages show half a poem, across restarts."""

    def __init__(self, bot: AnyBot, store: PoemStore, retry_seconds: float) -> None:
        self._bot = bot
        self._store = store
        self._retry_seconds = retry_seconds
        self._unfinished: set[HalfPoem] = set()
        self._kept: set[HalfPoem] = set()
        self._left_over: list[HalfPoem] = []  # by an earlier run
        self._writing: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._outage = Outage()

    async def open(self) -> None:
        """Read what an earlier run has left, before anything new begins."""
        try:
            self._left_over = list(await self._store.halves())
        except BotError as error:
            log.warning("unfinished poems of an earlier run could not be read: %s", error)
        self._unfinished.update(self._left_over)
        self._kept.update(self._left_over)

    def resume(self) -> None:
        """End what an earlier run has left; once, when Discord is connected."""
        if self._left_over and self._ending is None:
            self._ending = asyncio.create_task(self._end_all(), name="half poems")

    def begin(self, half: HalfPoem) -> None:
        self._unfinished.add(half)
        self._note_soon()

    def end(self, half: HalfPoem) -> None:
        self._unfinished.discard(half)
        self._note_soon()

    async def close(self) -> None:
        """Stop; the next start continues."""
        await cancel_tasks(task for task in (self._ending, self._writing) if task is not None)
        await self._write()

    def _note_soon(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_behind(), name="half poems are noted")

    async def _write_behind(self) -> None:
        while self._unfinished != self._kept:
            await self._write()

    async def _write(self) -> None:
        here = set(self._unfinished)
        if here == self._kept:
            return
        try:
            await self._store.keep(here - self._kept, self._kept - here)
        except BotError as error:
            # What is not on the disk is not tried again: it matters only if the bot is killed now.
            log.warning("unfinished poems could not be saved: %s", error)
        self._kept = here

    async def _end_all(self) -> None:
        for half in self._left_over:
            try:
                await retry(
                    lambda: self._end(half),  # noqa: B023
                    attempts=math.inf,
                    pause_seconds=self._retry_seconds,
                    failed=self._outage.failed,
                )
            except FAILURES as error:
                # It is gone, or the bot may no longer write there.
                log.info("an unfinished poem of an earlier run could not be ended: %r", error)
            self.end(half)

    async def _end(self, half: HalfPoem) -> None:
        """Mark a half poem as unfinished, if it still is."""
        speak(server_language(self._bot, half.guild))
        channel = self._bot.get_partial_messageable(half.channel, guild_id=half.guild)
        message = channel.get_partial_message(half.message)
        try:
            there = await await_response(message.fetch())
        except discord.Forbidden:  # a bot may edit its own messages where it may not read
            content = format_unfinished("")
        else:
            is_joint = _has_button(there, f"{PREFIX}:")
            if not is_joint and _has_ended(there):
                return
            format_end = format_interrupted if is_joint else format_unfinished
            content = format_end(there.content)
        await await_response(message.edit(content=content, view=None, allowed_mentions=NO_MENTIONS))


def _has_ended(message: discord.Message) -> bool:
    """Whether it has the buttons of a finished poem: more than Delete."""
    rows = (row for row in message.components if isinstance(row, discord.ActionRow))
    return any(len(row.children) > 1 for row in rows)


def _has_button(message: discord.Message, beginning: str) -> bool:
    rows = (row for row in message.components if isinstance(row, discord.ActionRow))
    buttons = (button for row in rows for button in row.children)
    return any((getattr(one, "custom_id", None) or "").startswith(beginning) for one in buttons)
