"""The messages that tell of trainings: one for each, edited in place until everybody knows the end.

Nothing that happens to a message stops a training. While Discord cannot be reached the last word
waits; after a restart of the bot the messages are found again by their numbers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import discord

from bot.core.desk import Desk
from bot.core.errors import BotError
from bot.core.jobs import Job, JobState, JobView
from bot.discord_app import notices
from bot.discord_app.apologies import LoggedOnce
from bot.discord_app.live import Tempo
from bot.discord_app.screens import NO_MENTIONS, AnyBot, read_attachment
from bot.discord_app.trying import FAILURES, asked_seconds, is_final, read

log = logging.getLogger(__name__)

MAX_PAUSE_SECONDS = 300.0  # between two attempts at a last word
CHART_NAME = "loss.png"

MakeView = Callable[[Job], discord.ui.View | None]


@dataclass
class Notice:
    """A training's message."""

    job_id: int
    message: discord.PartialMessage | discord.Message | None
    channel: discord.abc.Messageable
    shown: str = ""
    drawn: int = 0  # the chart that it shows
    gone: bool = field(default=False)  # deleted; the end is told in a new one


class Bulletin:
    """Follows trainings and tells of them."""

    def __init__(self, bot: AnyBot, desk: Desk, tempo: Tempo, running_view: MakeView) -> None:
        self._bot = bot
        self._desk = desk
        self._tempo = tempo
        self._running_view = running_view
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._silenced = LoggedOnce()

    async def resume(self) -> None:
        """Find the messages of the trainings that an earlier bot told of."""
        for job in await self._desk.untold():
            if job.id in self._tasks or not job.channel.isdecimal():
                continue
            channel = self._bot.get_partial_messageable(
                int(job.channel), guild_id=int(job.guild) if job.guild.isdecimal() else None
            )
            message = channel.get_partial_message(int(job.message)) if job.message else None
            self.follow(job, channel, message)

    def follow(
        self,
        job: Job,
        channel: discord.abc.Messageable,
        message: discord.PartialMessage | discord.Message | None,
    ) -> None:
        """Keep a training's message true until it has ended and everybody knows."""
        notice = Notice(job.id, message, channel)
        task = asyncio.create_task(self._follow(job, notice), name=f"notice of job {job.id}")
        self._tasks[job.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(job.id, None))

    async def close(self) -> None:
        """Stop telling; the next start goes on."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _follow(self, job: Job, notice: Notice) -> None:
        try:
            last = JobView(job)
            async for view in self._desk.watch(job.id):
                last = view
                if not view.job.state.is_final:
                    await self._show(notice, view)
                    await asyncio.sleep(self._tempo.notice_seconds)
            if last.job.state.is_final:
                await self._insist(notice, last)
                await self._desk.told(job.id)
        except BotError as error:
            log.warning("job %d: its message could not be kept: %s", job.id, error)
        except Exception:
            log.exception("job %d: its message is told no more", job.id)

    async def _show(self, notice: Notice, view: JobView) -> None:
        """Bring a message up to date; a failure is made up for by the next time."""
        text = notices.job(view)
        if notice.message is None or notice.gone or text == notice.shown:
            return
        try:
            await read(notice.message.edit(**await self._contents(notice, view, text)))
        except discord.NotFound:
            notice.gone = True
        except discord.Forbidden as error:
            self._silenced.warn(notice.message.channel.id, error)
        except FAILURES as error:
            log.debug("job %d: an edit was lost: %r", notice.job_id, error)
        else:
            notice.shown, notice.drawn = text, view.progress.drawn

    async def _insist(self, notice: Notice, view: JobView) -> None:
        """Tell how a training ended, however long Discord cannot be reached."""
        text = notices.job(view)
        pause = self._tempo.retry_seconds
        while True:
            try:
                if notice.message is None or notice.gone:
                    await self._send(notice, view, text)
                else:
                    await read(notice.message.edit(**await self._contents(notice, view, text)))
                return
            except (discord.NotFound, discord.Forbidden) as error:
                if notice.message is None or notice.gone:
                    # The channel is gone, or the bot may not write there: nobody is left to tell.
                    self._silenced.warn(getattr(notice.channel, "id", 0), error)
                    return
                notice.gone = True
            except FAILURES as error:
                if is_final(error):
                    log.warning("job %d: Discord refuses its last word: %r", notice.job_id, error)
                    return
                await asyncio.sleep(max(pause, asked_seconds(error)))
                pause = min(2 * pause, MAX_PAUSE_SECONDS)

    async def _send(self, notice: Notice, view: JobView, text: str) -> None:
        chart = await asyncio.to_thread(read_attachment, view.progress.chart, CHART_NAME)
        sending = notice.channel.send(
            text,
            files=[chart] if chart else [],
            nonce=f"job-{notice.job_id}",  # taken once by Discord: no double answer
            allowed_mentions=NO_MENTIONS,
            suppress_embeds=True,
        )
        await read(sending)

    async def _contents(self, notice: Notice, view: JobView, text: str) -> dict[str, Any]:
        """Return what to edit: the chart only where it was drawn anew, or is the last.

        Of a training that went well before a restart the message shows it still.
        """
        contents: dict[str, Any] = {
            "content": text,
            "view": None if view.job.state.is_final else self._running_view(view.job),
            "allowed_mentions": NO_MENTIONS,
        }
        if view.progress.drawn != notice.drawn or view.job.state.is_final:
            chart = await asyncio.to_thread(read_attachment, view.progress.chart, CHART_NAME)
            if chart or view.job.state is not JobState.DONE:
                contents["attachments"] = [chart] if chart else []
        return contents
