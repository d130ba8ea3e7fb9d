"""Answers one request with one reply, also when something goes wrong on the way.

A request is answered once, however often Discord delivers it; a reply or command that is deleted
frees the poem's row; nothing that Discord does to an answer gets out of here as an exception.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import discord

from bot.core import request_log
from bot.core.languages import say
from bot.core.poem_stream import PoemStream
from bot.core.poems import AdmittedRequest, PoemService
from bot.core.records import Poem, PoemRequest
from bot.core.store.poems import HalfPoem
from bot.core.tasks import cancel_tasks, counted_in
from bot.discord_app.asker import guild_id_of
from bot.discord_app.error_messages import ThrottledLog
from bot.discord_app.live_message import EditThrottle, LiveMessage, ReplyGone, ReplyTiming
from bot.discord_app.poem_buttons import finished_view, growing_view
from bot.discord_app.poem_formatting import format_finished, format_growing
from bot.discord_app.rate_limits import ReplyLimits
from bot.discord_app.responders import Responder
from bot.discord_app.responses import refuse
from bot.discord_app.retries import FAILURES
from bot.discord_app.unfinished_poems import UnfinishedPoems

log = logging.getLogger(__name__)


MAX_TOLD = 10_000


@dataclass(eq=False)
class PoemReply:
    """An answer on its way."""

    responder: Responder
    reply: LiveMessage
    poem_stream: PoemStream | None = None
    withdrawn: bool = field(default=False)  # the command or the reply was deleted

    def withdraw(self) -> None:
        self.withdrawn = True
        self.reply.give_up()
        if self.poem_stream is not None:
            self.poem_stream.cancel()

    def owns(self, message_id: int) -> bool:
        sent = (message.id for message in self.reply.messages)
        return message_id == self.responder.command_id or message_id in sent


class PoemReplies:
    """Writes poems into replies."""

    def __init__(
        self,
        service: PoemService,
        unfinished: UnfinishedPoems,
        reply_limits: ReplyLimits,
        timing: ReplyTiming | None = None,
        can_keep: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`can_keep` says whether a guild has a channel for kept poems."""
        self._service = service
        self._can_keep = can_keep
        self._unfinished = unfinished
        self._timing = timing or ReplyTiming()
        self.pace = EditThrottle(self._timing.edit_seconds, reply_limits.rate_limit)
        self._replies: set[PoemReply] = set()
        self._tasks: set[asyncio.Task[object]] = set()
        self._reply_limits = reply_limits
        self._complaints = ThrottledLog(math.inf)
        self._told: set[tuple[int, int]] = set()  # channels, and members told about them

    async def answer(self, responder: Responder, request: PoemRequest) -> None:
        """Write the poem that `request` asks for, and send it with `responder`."""
        if not self._reply_limits.is_new(responder.command_id):
            return
        with request_log.request(), counted_in(self._tasks):
            request_log.note(messages=0, edits=0)
            try:
                admitted = await self._service.admit(request)  # before anything is shown to all
                beginning = asyncio.ensure_future(responder.begin())
                try:
                    await self._write(responder, admitted, beginning)
                finally:
                    await self._settle(responder, beginning)
            except Exception as error:
                await self.refuse(responder, error)

    async def refuse(self, responder: Responder, error: Exception) -> None:
        """Tell the asker why there is no poem, if a message can reach them."""
        cause = error.cause if isinstance(error, ReplyGone) else error
        if isinstance(cause, discord.Forbidden | discord.NotFound):
            await self._give_up(responder, cause)
            return
        await refuse(responder, error, self._complaints)

    async def _give_up(self, responder: Responder, cause: discord.HTTPException) -> None:
        """Say, once for a channel, that no answer gets there: in the log and to the asker."""
        self._complaints.warn_channel(responder.channel_id, cause)
        if not isinstance(cause, discord.Forbidden):
            return
        place = (responder.channel_id, responder.asker_id)
        if place in self._told or len(self._told) >= MAX_TOLD:
            return
        self._told.add(place)
        with suppress(*FAILURES):  # a member may refuse direct messages from strangers
            await responder.tell_privately(_may_not_write(responder.channel_id))

    def answering(self, command_id: int) -> Responder | None:
        """Return the responder of a command whose poem is being written."""
        responders = (answer.responder for answer in self._replies)
        return next((each for each in responders if each.command_id == command_id), None)

    def forget(self, message_id: int) -> None:
        """Stop what is being written for a message that was deleted, or into it."""
        for answer in [answer for answer in self._replies if answer.owns(message_id)]:
            answer.withdraw()

    async def close(self, seconds: float) -> None:
        """Let the last edits arrive, for so long; the next start ends what has no end then."""
        others = self._tasks - {asyncio.current_task()}
        if not others:
            return
        _, late = await asyncio.wait(others, timeout=seconds)
        await cancel_tasks(late)

    async def _settle(self, responder: Responder, beginning: asyncio.Future[None]) -> None:
        """Wait for the beginning, which must not fail the answer: it may have been typing only."""
        try:
            await beginning
        except (discord.Forbidden, discord.NotFound) as error:
            self._complaints.warn_channel(responder.channel_id, error)
        except FAILURES as error:
            log.debug("the typing indicator was not shown: %r", error)

    async def _write(
        self,
        responder: Responder,
        admitted: AdmittedRequest,
        beginning: asyncio.Future[None],
    ) -> None:
        with self._noting(responder) as note:
            reply = LiveMessage(responder, self.pace, self._timing, note)
            answer = PoemReply(responder, reply)
            self._replies.add(answer)
            try:
                async with self._service.write(admitted) as poem_stream:
                    answer.poem_stream = poem_stream
                    poem = await self._watch(responder, answer, poem_stream, beginning)
                if not answer.withdrawn:
                    await self._finish(responder, reply, poem)
            except Exception as error:
                cause = error.cause if isinstance(error, ReplyGone) else error
                request_log.note(trouble=type(cause).__name__)
                if answer.withdrawn:
                    return  # no one waits for a refusal
                answer.withdrawn = True  # half a poem must not stay beside the refusal
                raise
            finally:
                self._replies.discard(answer)
                if answer.withdrawn:
                    await reply.take_back()

    @contextmanager
    def _noting(self, responder: Responder) -> Iterator[Callable[[discord.Message], None]]:
        """Remember where an unfinished poem is shown, as long as the block lasts.

        If it is cancelled, because the bot stops, that stays noted: the next start ends it. On a
        server that the bot is not in, it could not do that, and nothing is noted.
        """
        unfinished: list[HalfPoem] = []

        def note(message: discord.Message) -> None:
            if responder.is_external:
                return
            unfinished.append(HalfPoem(message.id, message.channel.id, guild_id_of(message)))
            self._unfinished.begin(unfinished[-1])

        try:
            yield note
        except asyncio.CancelledError:
            unfinished.clear()
            raise
        finally:
            for half in unfinished:
                self._unfinished.end(half)

    async def _watch(
        self,
        responder: Responder,
        answer: PoemReply,
        poem_stream: PoemStream,
        beginning: asyncio.Future[None],
    ) -> Poem:
        """Show the poem while it is written."""

        async def follow() -> None:
            await self._settle(responder, beginning)
            try:
                await answer.reply.follow(
                    lambda: format_growing(poem_stream.text, poem_stream.queue_position),
                    growing_view(responder.asker_id),
                )
            except ReplyGone as error:
                answer.withdraw()
                await self._give_up(responder, error.cause)

        following = asyncio.create_task(follow())
        try:
            if answer.withdrawn:
                poem_stream.cancel()
            return await poem_stream.finish()
        except asyncio.CancelledError:
            following.cancel()  # it may be waiting for Discord, for a long time
            raise
        finally:
            answer.reply.stop()
            await following

    async def _finish(self, responder: Responder, reply: LiveMessage, poem: Poem) -> None:
        def view_after(earlier: list[int]) -> discord.ui.View:
            can_keep = self._can_keep(responder.asker.guild)
            return finished_view(poem, responder.asker_id, earlier, can_keep=can_keep)

        try:
            await reply.finish(format_finished(poem), view_after)
            log.debug("the last edit was sent")
        except ReplyGone as error:
            parts = format_finished(poem, may_attach=False)
            if parts == format_finished(poem) or not isinstance(error.cause, discord.Forbidden):
                raise
            await reply.finish(parts, view_after)  # no file is allowed here, so many messages


def _may_not_write(channel: int) -> str:
    place = f"<#{channel}>"
    return say(
        "I cannot write in {channel}, so I did not write your poem. Ask a server admin to give me "
        "the View Channel and Send Messages permissions there.",
        channel=place,
    )
