"""Sends each server its poem of the day: once a day, whatever restarts in between.

A day is noted before its poem is sent and again when it is there. Of a day that is only noted, the
bot looks in the channel whether the poem came through.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from typing import Any

import discord
from discord.ext import tasks

from bot.core.application import App
from bot.core.daily import DOOR, DailyPoem, utc_now
from bot.core.errors import AvoidedSeed, BotError, UnknownModel
from bot.core.languages import LANGUAGES, speak, translate
from bot.core.records import Asker, Poem, PoemRequest
from bot.core.store.days import LOST, SentDay
from bot.core.tasks import cancel_tasks
from bot.discord_app.error_messages import throttled_log
from bot.discord_app.languages import server_language
from bot.discord_app.poem_buttons import finished_view
from bot.discord_app.poem_formatting import format_finished
from bot.discord_app.responders import LOOKED_THROUGH, AnyBot, send_once
from bot.discord_app.retries import FAILURES, is_final, retry

log = logging.getLogger(__name__)

NOBODY = 0  # asked for it: only moderators may delete it


class DailyPoems:
    """Looks at the clock, and sends what is due in the servers that this process serves."""

    def __init__(
        self,
        bot: AnyBot,
        app: App,
        pause_seconds: float = 20.0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """`pause_seconds` lie between two looks at the clock."""
        self._bot = bot
        self._app = app
        self._now = now
        self._sent: dict[str, SentDay] | None = None  # None: not read yet
        self._loop = tasks.loop(seconds=pause_seconds)(self._look)

    def start(self) -> None:
        """Look at the clock from now on, when Discord is connected; a second call does nothing."""
        if not self._loop.is_running():
            self._loop.start()

    async def close(self) -> None:
        """Stop; the next start goes on."""
        if (task := self._loop.get_task()) is not None:
            await cancel_tasks([task])

    async def _look(self) -> None:
        try:
            await self.send_due()
        except Exception:
            log.exception("the poems of the day could not be looked after; trying again")

    async def send_due(self) -> None:
        """Send every poem that is due; one that cannot be sent is tried again at the next look."""
        if self._sent is None:
            self._sent = await self._app.days.sent()
        for guild, daily in self._app.guilds.with_daily().items():
            if self._bot.get_guild(int(guild)) is None:
                continue  # another process serves it, or the bot has left
            last = self._sent.get(guild, SentDay("", ""))
            is_open = last.day == daily.today(self._now()).isoformat() and not last.message
            day = daily.due(self._now(), "" if is_open else last.day)
            if day is None:
                continue
            speak(server_language(self._bot, int(guild)))
            try:
                await self._send(guild, daily, day, is_open=is_open)
            except (BotError, *FAILURES) as error:
                throttled_log.warn(f"no poem of the day yet for server {guild}", error)

    async def _send(self, guild: str, daily: DailyPoem, day: date, *, is_open: bool) -> None:
        channel = self._bot.get_partial_messageable(int(daily.channel), guild_id=int(guild))
        if is_open and (there := await self._look_for(channel, daily.note(day))) is not None:
            await self._note(guild, day, there)
            return
        poem = await self._write(guild, daily, day)
        await self._note(guild, day, "")
        try:
            message = await self._post(channel, poem, guild, f"{guild}{day:%j}")
        except discord.HTTPException as error:
            if not is_final(error):
                raise
            await self._note(guild, day, LOST)  # once a day is often enough to be told
            raise
        await self._note(guild, day, message)

    async def _note(self, guild: str, day: date, message: str) -> None:
        sent = SentDay(day.isoformat(), message)
        await self._app.days.keep(guild, sent)
        if self._sent is not None:
            self._sent[guild] = sent

    async def _look_for(self, channel: discord.PartialMessageable, note: str) -> str | None:
        """Return the message that shows a day's poem, None if there is none.

        Where the bot may not read, it is LOST: a second poem would be worse than none.
        """
        try:
            async for message in channel.history(limit=LOOKED_THROUGH):
                if message.author == self._bot.user and any(
                    translate(note, language) in message.content for language in LANGUAGES
                ):
                    return str(message.id)
        except (discord.Forbidden, discord.NotFound):
            return LOST
        return None

    async def _write(self, guild: str, daily: DailyPoem, day: date) -> Poem:
        request = PoemRequest(
            Asker(f"{DOOR}:{guild}", guild=guild, channel=daily.channel),
            seed=daily.seed(day),
            model=daily.model,
            form=daily.form,
            random_seed=daily.random_seed(guild, day),
            notes=(daily.note(day),),
        )
        try:
            return await self._write_whole(request)
        except (AvoidedSeed, UnknownModel) as error:  # rather another poem than none
            log.warning("the poem of the day for server %s is another: %s", guild, error)
            return await self._write_whole(replace(request, seed="", model=None))

    async def _write_whole(self, request: PoemRequest) -> Poem:
        service = self._app.service
        async with service.write(await service.admit(request)) as poem_stream:
            return await poem_stream.finish()

    async def _post(
        self, channel: discord.PartialMessageable, poem: Poem, guild: str, nonce: str
    ) -> str:
        """Send a poem, in as many messages as it takes; return the first one's number."""
        sent: list[int] = []
        parts = format_finished(poem, may_attach=False)
        can_keep = self._app.guilds.guild_settings(guild).keep_channel is not None
        for number, part in enumerate(parts):
            options: dict[str, Any] = {}
            if part is parts[-1]:
                options["view"] = finished_view(poem, NOBODY, sent, can_keep=can_keep)
            message = await retry(
                partial(send_once, channel, part.content, f"{nonce}{number}", **options)
            )
            assert message is not None  # noqa: S101 - only interactions are acknowledged
            sent.append(message.id)
        return str(sent[0])
