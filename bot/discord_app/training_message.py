"""The messages that report on trainings: one each, edited in place until the end is shown.

Nothing that happens to a message stops a training. While Discord cannot be reached, the last edit
waits; after a restart the messages are found again by their ids. Where a message can no longer be
edited, a new one reports the end; where the channel takes none, the asker gets a direct message.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import discord

from bot.core.application import App
from bot.core.errors import BotError
from bot.core.jobs import Job, JobState, JobView
from bot.core.languages import speak
from bot.core.retry import growing_pause, until_kept
from bot.core.tasks import cancel_tasks
from bot.discord_app.error_messages import ThrottledLog, throttled_log
from bot.discord_app.formatting import format_job, format_job_privately, tells_end
from bot.discord_app.languages import server_language
from bot.discord_app.live_message import ReplyTiming
from bot.discord_app.panels import CHART_NAME, as_edit, shown_text
from bot.discord_app.responders import AnyBot, find_message, read_attachment, send_once
from bot.discord_app.retries import FAILURES, await_response, is_final, retry

log = logging.getLogger(__name__)

# https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
ARCHIVED = 50083
CHART_REFUSED = (50013, 40005)  # no permission (to attach files, perhaps); too large

Answer = TypeVar("Answer")
MakeReport = Callable[..., discord.ui.LayoutView]  # of a JobView; with `has_chart` it shows one


@dataclass
class TrainingMessage:
    """A training's message."""

    job_id: int
    message: discord.PartialMessage | discord.Message | None
    channel: discord.abc.Messageable
    shown: str = ""
    drawn: int = 0  # the chart that it shows
    gone: bool = field(default=False)  # deleted; a new one shows the end
    plain: bool = False  # the message takes no chart


class TrainingMessages:
    """Follows trainings and reports on them."""

    def __init__(
        self,
        bot: AnyBot,
        app: App,
        timing: ReplyTiming,
        report: MakeReport,
    ) -> None:
        self._bot = bot
        self._queue = app.training_requests.queue
        self._store = app.books
        self._timing = timing
        self._report = report
        self._service = app.service
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._complaints = ThrottledLog(math.inf)

    async def resume(self) -> None:
        """Find the messages of the trainings that an earlier run reported on."""
        for job in await self._until_kept(self._store.untold_jobs):
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
        """Keep a training's message up to date until its end is shown."""
        notice = TrainingMessage(job.id, message, channel)
        task = asyncio.create_task(self._follow(job, notice), name=f"notice of job {job.id}")
        self._tasks[job.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(job.id, None))

    async def close(self) -> None:
        """Stop; the next start continues."""
        await cancel_tasks(self._tasks.values())

    async def _follow(self, job: Job, notice: TrainingMessage) -> None:
        speak(server_language(self._bot, int(job.guild) if job.guild.isdecimal() else None))
        try:
            last = JobView(job)
            async for view in self._queue.watch(job.id):
                last = view
                if not view.job.state.is_final:
                    await self._show(notice, view)
                    await asyncio.sleep(self._timing.notice_seconds)
            if last.job.state.is_final:
                await self._tell_end(notice, last)
                await self._until_kept(lambda: self._store.update_job(job.id, told=1))
        except BotError as error:
            log.warning("job %d: its message could not be kept: %s", job.id, error)
        except Exception:
            log.exception("job %d: its message is no longer updated", job.id)

    async def _until_kept(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask the database until it answers; the log has it when another program locks it."""
        return await until_kept(
            call,
            failed=partial(log.debug, "training messages wait for the database: %s"),
            pause=growing_pause(self._timing.retry_seconds),
        )

    async def _show(self, notice: TrainingMessage, view: JobView) -> None:
        """Bring a message up to date; a failure is made up for by the next time."""
        text = format_job(view)
        if notice.message is None or notice.gone or text == notice.shown:
            return
        try:
            contents = await self._contents(notice, view, with_chart=not notice.plain)
            await await_response(notice.message.edit(**contents))
        except discord.NotFound:
            notice.gone = True
        except discord.Forbidden as error:
            notice.plain = error.code in CHART_REFUSED
            self._complaints.warn_channel(notice.message.channel.id, error)
        except discord.HTTPException as error:
            if is_final(error):
                notice.drawn = 0  # the message may have lost its chart, so it is sent again
            log.debug("job %d: an edit was refused: %r", notice.job_id, error)
        except FAILURES as error:
            log.debug("job %d: an edit was lost: %r", notice.job_id, error)
        else:
            notice.shown, notice.drawn = text, view.progress.drawn

    # The end

    async def _tell_end(self, notice: TrainingMessage, view: JobView) -> None:
        """Tell how a training ended, in the first place that takes it, with the chart or without.

        While Discord cannot be reached this waits. Each place may refuse once, so it comes to an
        end.
        """
        ways = [self._send, self._tell_privately]
        if notice.message is not None and not notice.gone:
            ways.insert(0, self._edit)
        charts = (True, False) if await self._read_chart(view) is not None else (False,)
        for way in ways:
            for with_chart in charts:
                try:
                    await retry(
                        partial(way, notice, view, with_chart=with_chart),
                        attempts=math.inf,
                        pause_seconds=self._timing.retry_seconds,
                    )
                except FAILURES as error:
                    throttled_log.warn("the end of a training could not be posted as usual", error)
                    if getattr(error, "code", 0) not in CHART_REFUSED:
                        break
                else:
                    return
        log.warning("job %d: its end could not be posted anywhere", notice.job_id)

    async def _edit(self, notice: TrainingMessage, view: JobView, *, with_chart: bool) -> None:
        """Tell the end in the training's message; open its thread again where that is archived."""
        assert notice.message is not None  # noqa: S101 - else there is nothing to edit
        try:
            await await_response(
                notice.message.edit(**await self._contents(notice, view, with_chart=with_chart))
            )
        except discord.HTTPException as error:
            if error.code != ARCHIVED:
                raise
            await await_response(
                self._bot.http.edit_channel(notice.message.channel.id, archived=False)
            )
            await await_response(
                notice.message.edit(**await self._contents(notice, view, with_chart=with_chart))
            )

    async def _send(self, notice: TrainingMessage, view: JobView, *, with_chart: bool) -> None:
        """Tell the end in a new message, in the place of the old one."""
        if not await self._is_said(notice.channel, notice, view):
            chart = await self._read_chart(view) if with_chart else None
            report = self._report(view, has_chart=chart is not None)
            await send_once(notice.channel, None, _nonce(notice), _listed(chart), view=report)
        if notice.message is not None:
            with suppress(*FAILURES):
                await notice.message.delete()

    async def _tell_privately(
        self, notice: TrainingMessage, view: JobView, *, with_chart: bool
    ) -> None:
        """Tell the end to the member who asked for the training, unless they were forgotten."""
        job = await self._until_kept(lambda: self._store.job(notice.job_id))
        kind, _, number = job.asker.partition(":") if job is not None else ("", "", "")
        if kind != "discord" or not number.isdecimal():
            log.info("job %d: no member to notify of its end", notice.job_id)
            return
        channel = await await_response(self._bot.create_dm(discord.Object(int(number))))
        if not await self._is_said(channel, notice, view):
            chart = await self._read_chart(view) if with_chart else None
            text = format_job_privately(view)
            await send_once(channel, text, _nonce(notice), _listed(chart))

    async def _is_said(
        self, channel: discord.abc.Messageable, notice: TrainingMessage, view: JobView
    ) -> bool:
        """Look for the end among later messages, where the bot may read them.

        A lost attempt, or an earlier run, may have said it.
        """

        def is_it(message: discord.Message) -> bool:
            own = self._bot.user is not None and message.author.id == self._bot.user.id
            return own and tells_end(shown_text(message), view)

        return await find_message(channel, notice.message, is_it, oldest_first=False) is not None

    async def _contents(
        self, notice: TrainingMessage, view: JobView, *, with_chart: bool
    ) -> dict[str, Any]:
        """Return what to edit; the chart's file only if it is new or the last.

        It stays with the message in between, which then shows it by its name.
        """
        is_new = view.progress.drawn != notice.drawn or view.job.state.is_final
        chart = await self._read_chart(view) if with_chart else None
        contents = as_edit(self._report(view, has_chart=chart is not None))
        if chart is None or is_new:
            contents["attachments"] = _listed(chart)
        return contents

    async def _read_chart(self, view: JobView) -> discord.File | None:
        """Return the chart, None where there is none; after a restart it is the model's."""
        job, path = view.job, view.progress.chart
        if path is None and job.state is JobState.DONE:
            models = await asyncio.to_thread(self._service.models, job.guild)
            path = next(
                (m.chart for m in models if (m.name, m.guild) == (job.name, job.guild)), None
            )
        return await asyncio.to_thread(read_attachment, path, CHART_NAME)


def _nonce(notice: TrainingMessage) -> str:
    return f"job-{notice.job_id}"


def _listed(chart: discord.File | None) -> list[discord.File]:
    return [] if chart is None else [chart]
